"""The count in the history is that of the method's own rule, where it has one."""

import numpy as np
import pytest

from sklearn_ardvae import (
    IRMAE,
    L0ARMVAE,
    NGVAE,
    RRAE,
    VRRAE,
    LeastVolumeAE,
    LoRAE,
    MaskAAE,
)
from sklearn_ardvae.relevance import select_active


def open_gates(model):
    return model.gate_probability_ > 0.5


def open_masks(model):
    return model.mask_ >= model.mask_threshold


def small_variances(model):
    return model.expected_variance_ < model.variance_threshold


def large_variances(model):
    variances = model.component_variance_
    return variances > model.variance_threshold * variances.max()


def before_the_gap(model):
    drops = -np.diff(np.log(model.component_variance_))
    return np.arange(model.n_components) <= np.argmax(drops)


def largest_variance(model):
    return model.component_variance_ == model.component_variance_.max()


def rank(model):
    return np.arange(model.n_components) < model.rank_


# Settings under which each rule is far from the relevance of the axes, of which the
# rows have three: a constraint out of reach, masks that had to be all but open, a
# variance that no axis falls to, a share that one axis alone has, a gap that opens
# late, an error that one axis keeps to, a rank too large.
CASES = [
    (L0ARMVAE(6, tau=0.0, learning_rate=0.02, max_iter=8), open_gates, 6),
    (MaskAAE(6, mask_threshold=0.999, max_iter=8), open_masks, 0),
    (NGVAE(4, active_rule="variance", max_iter=15), small_variances, 0),
    (
        IRMAE(6, active_rule="variance", variance_threshold=0.9, max_iter=10),
        large_variances,
        1,
    ),
    (
        LoRAE(6, active_rule="variance", variance_threshold=0.9, max_iter=10),
        large_variances,
        1,
    ),
    (LoRAE(6, active_rule="gap", max_iter=10), before_the_gap, 4),
    (LeastVolumeAE(6, pruning_tolerance=0.7, max_iter=31), largest_variance, 1),
    (RRAE(6, rank=5, learning_rate=0.01, max_iter=20), rank, 5),
    (VRRAE(6, rank=5, learning_rate=0.01, max_iter=20), rank, 5),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("model", "rule", "expected"), CASES, ids=[type(case[0]).__name__ for case in CASES]
)
def test_the_history_ends_at_the_methods_own_count(model, rule, expected, low_rank):
    model.set_params(hidden_layer_sizes=(16,), random_state=0).fit(low_rank)
    assert model.history_["n_active"][-1] == model.n_active_components_ == expected
    assert set(model.active_components_) == set(np.flatnonzero(rule(model)))
    assert len(select_active(model.relevance_, 0.99)) != expected


@pytest.mark.parametrize("cls", [NGVAE, IRMAE, LoRAE])
def test_without_a_rule_the_count_is_that_of_the_relevance(cls, low_rank):
    model = cls(4, hidden_layer_sizes=(16,), max_iter=15, random_state=0)
    model.fit(low_rank)
    assert model.n_active_components_ == len(select_active(model.relevance_, 0.99)) > 0
    assert model._module.is_active() is None
