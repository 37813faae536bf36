"""How parameters are stated: types that validate, defaults, subclasses."""

import inspect
from dataclasses import KW_ONLY
from numbers import Integral, Real
from typing import Literal

import numpy as np
import pytest
from estimator_table import CLASSES, IDS
from sklearn.base import clone

from sklearn_ardvae import RRAE, VRRAE, BetaVAE
from sklearn_ardvae._sklearn_compat import Interval, StrOptions
from sklearn_ardvae.estimator.base import BaseAutoencoder
from sklearn_ardvae.estimator.parameters import (
    AutoencoderParameters,
    Count,
    NonNegative,
    OpenShare,
    Parameters,
    Share,
    constraints_of,
)


@pytest.mark.parametrize(
    ("annotation", "constraints"),
    [
        (bool, ["boolean"]),
        (str | None, [str, None]),
        (dict[str, int] | None, [dict, None]),
        (Literal["a", "b"], [StrOptions({"a", "b"})]),
        (Count, [Interval(Integral, 1, None, closed="left")]),
        (
            Literal["auto"] | NonNegative | None,
            [StrOptions({"auto"}), Interval(Real, 0, None, closed="left"), None],
        ),
    ],
)
def test_a_type_says_what_values_are_allowed(annotation, constraints):
    found = constraints_of(annotation)
    assert list(map(str, found)) == list(map(str, constraints))


@pytest.mark.parametrize("cls", CLASSES, ids=IDS)
def test_every_parameter_has_constraints(cls):
    assert set(cls._parameter_constraints) == set(inspect.signature(cls).parameters)


class WithOwn(BetaVAE, max_iter=7):
    extra: Share = 0.5
    _: KW_ONLY
    flag: bool = False


class WithInit(BetaVAE):
    def __init__(self, n_components=5, beta=3.0, *, extra=1, **shared):
        super().__init__(n_components, beta, **shared)
        self.extra = extra


class BelowInit(WithInit):
    pass


class TestSubclasses:
    def test_parameters_and_defaults_are_those_of_the_class_and_its_parents(self):
        model = WithOwn(4, 0.3, 0.2, flag=True)
        assert (model.n_components, model.beta, model.extra) == (4, 0.3, 0.2)
        assert (model.flag, model.max_iter) == (True, 7)
        assert WithOwn().beta == BetaVAE().beta
        assert BetaVAE().max_iter == BaseAutoencoder.max_iter == 500

    @pytest.mark.parametrize("cls", [WithOwn, WithInit, BelowInit])
    def test_they_clone_with_all_that_they_have(self, cls):
        model = cls(3, capacity=2.0, extra=0.25, learning_rate=0.5, random_state=3)
        twin = clone(model)
        assert twin.get_params() == model.get_params()
        assert twin.capacity == 2.0
        assert twin.learning_rate == 0.5
        assert twin.extra == 0.25

    @pytest.mark.parametrize("cls", [WithInit, BelowInit])
    def test_defaults_in_an_own_init_count_and_are_shown(self, cls):
        assert clone(cls()).beta == cls().beta == 3.0
        shown = inspect.signature(cls).parameters
        assert shown["beta"].default == 3.0
        assert list(shown)[:3] == ["n_components", "beta", "extra"]
        parent = inspect.signature(BetaVAE).parameters
        assert set(shown) == {*parent, "extra"}
        assert shown["capacity"].default is None

    def test_class_keywords_change_what_is_inherited_and_nothing_else(self):
        assert VRRAE().rank_tolerance == 0.1
        assert RRAE().rank_tolerance == 0.2
        with pytest.raises(TypeError, match="inherits no parameter 'betta'"):

            class Misspelt(BetaVAE, betta=3.0):
                pass

        with pytest.raises(TypeError, match="has an __init__ of its own"):

            class Both(BetaVAE, beta=3.0):
                def __init__(self, **shared):
                    super().__init__(**shared)

    def test_own_parameters_come_first_then_the_parents(self):
        names = list(inspect.signature(WithOwn).parameters)
        assert names[:4] == ["n_components", "beta", "extra", "flag"]
        assert names[4:6] == ["capacity", "capacity_rise"]


@pytest.mark.parametrize("cls", CLASSES, ids=IDS)
def test_a_wrong_name_is_told_with_the_class(cls):
    with pytest.raises(TypeError, match=rf"{cls.__name__}.__init__.*'latent_dim'"):
        cls(latent_dim=3)


@pytest.mark.parametrize("value", [True, np.True_])
@pytest.mark.parametrize("name", ["n_components", "beta", "max_iter", "lr_patience"])
def test_truth_values_are_no_numbers(name, value):
    with pytest.raises(ValueError, match=rf"The '{name}' parameter of BetaVAE must be"):
        BetaVAE(**{name: value}).fit(np.eye(4))


@pytest.mark.parametrize("value", [1e39, 1e300, 10**39, 1e-39, 5e-324])
def test_numbers_that_float32_cannot_hold_are_refused(value):
    with pytest.raises(ValueError, match="'beta' parameter of BetaVAE must be"):
        BetaVAE(beta=value).fit(np.eye(4))


def test_integers_of_numpy_are_integers():
    x = np.random.default_rng(0).standard_normal((20, 3))
    integers = {"batch_size": 4, "n_components": 2, "max_iter": 2, "random_state": 0}
    of_numpy = {name: np.int64(value) for name, value in integers.items()}
    ours, theirs = (BetaVAE(**params).fit(x) for params in (integers, of_numpy))
    np.testing.assert_array_equal(ours.transform(x), theirs.transform(x))


def test_a_share_is_not_an_integer():
    class Shared(Parameters):
        share: OpenShare = 0.5

    Shared(0.2)._validate_params()
    with pytest.raises(ValueError, match="'share' parameter of Shared must be a float"):
        Shared(1)._validate_params()


def test_shared_parameters_keep_their_place_behind_n_components():
    parameters = inspect.signature(AutoencoderParameters).parameters.values()
    kinds = {p.name: p.kind for p in parameters}
    assert kinds.pop("n_components").name == "POSITIONAL_OR_KEYWORD"
    assert {kind.name for kind in kinds.values()} == {"KEYWORD_ONLY"}
