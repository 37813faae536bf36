"""Whatever arguments and data an estimator gets, it fits well or says what is wrong."""

import ast
import contextlib
import copy
import pickle
import random
import re
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from estimator_table import CLASSES, IDS
from fuzzed_cases import arguments, data
from hypothesis import HealthCheck, event, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning

from sklearn_ardvae.estimator.verdict import CountWarning

every_estimator = pytest.mark.parametrize("cls", CLASSES, ids=IDS)
#: What docstrings say of; exactly these, since RuntimeWarning and such are faults.
DOCUMENTED = {UserWarning, ConvergenceWarning, CountWarning, FitFailedWarning}
#: What numpy says where scikit-learn looks at numbers near the largest of float32.
OF_HUGE_NUMBERS = {
    "overflow encountered in cast",
    "invalid value encountered in reduce",
}
#: What may follow a fit.
NEXT = ["nothing", "fit", "partial_fit"]


def bits(x):
    """Return data as bytes."""
    if isinstance(x, torch.Tensor):
        x = x.detach().numpy()
    if isinstance(x, pd.DataFrame | pl.DataFrame):
        x = x.to_numpy()
    return pickle.dumps(np.asarray(x).tolist()) if isinstance(x, list) else x.tobytes()


def is_huge(x):
    return not (np.abs(np.asarray(x, dtype=float)) < 1e30).all()


def draws():
    """Return the state of the global generators."""
    return pickle.dumps(
        (random.getstate(), np.random.get_state(), torch.get_rng_state().numpy())
    )


def names_what_is_wrong(message, cls, case):
    """Whether an error names a parameter, or X; if there is a wrong one, that."""
    if case.junk is not None:
        return case.junk in message
    # scikit-learn calls X an array, or a dtype.
    known = ["X", "array", "dtype", "tensor", *cls._parameter_constraints]
    known = "|".join([*known, *(case.params.get("skorch_params") or {})])
    return re.search(rf"\b({known})\b", message)


def check_outputs(model, x):
    """Raise unless all that a fitted model puts out is finite and of its shape."""
    n, d = len(x), model.n_features_in_
    n_all, n_active = len(model.relevance_), model.n_active_components_
    assert len(set(model.active_components_.tolist())) == n_active <= n_all
    for name in ("relevance_", "relevance_ratio_", "noise_variance_"):
        assert np.isfinite(getattr(model, name)).all(), name
    assert {len(column) for column in model.history_.values()} <= {model.n_iter_}
    codes = np.asarray(model.transform(x))
    assert codes.shape == (n, len(model.get_feature_names_out()))
    assert codes.dtype == np.float32
    assert np.isfinite(codes).all(), "codes"
    rows = model.reconstruct(x)
    assert rows.shape == (n, d)
    assert np.isfinite(rows).all(), "reconstructions"
    np.testing.assert_array_equal(model.inverse_transform(codes), rows)
    posterior = model.code_posterior(x)
    assert posterior.mean.shape == posterior.std.shape == codes.shape
    assert np.isfinite(posterior.mean).all(), "posterior means"
    assert np.isfinite(posterior.std).all(), "posterior deviations"
    scores = model.score_samples(x)
    assert scores.shape == (n,)
    assert np.isfinite(scores).all(), "scores"
    drawn = model.sample(3, 0)
    assert drawn.shape == (3, d)
    assert np.isfinite(drawn).all(), "samples"


def check_round_trip(model, x, folder):
    """Raise unless a saved, and a pickled, model does the same to the last bit."""
    model.save(folder / "model")
    try:
        loaded = type(model).load(folder / "model")
    except ValueError as error:
        # What files cannot hold: a generator, a layer or networks of one's own.
        missing = re.search(r"pass exactly (\[.*\]) to load", str(error))[1]
        given = {name: getattr(model, name) for name in ast.literal_eval(missing)}
        loaded = type(model).load(folder / "model", **given)
    ours = results(model, x)
    for twin in (loaded, pickle.loads(pickle.dumps(model))):
        for expected, found in zip(ours, results(twin, x), strict=True):
            np.testing.assert_array_equal(expected, found)


def results(model, x):
    """Return what a round trip must not change."""
    outputs = model.transform(x), model.score_samples(x), model.sample(3, 0)
    return [*outputs, model.relevance_, model.active_components_]


def check(cls, draw):
    """Draw one case and look at all that comes of it."""
    case = draw.draw(arguments(cls), label="arguments")
    x = draw.draw(data(case.params.get("input_shape")), label="X")
    following = draw.draw(st.sampled_from(NEXT), label="then")
    before, global_draws = bits(x), draws()
    params = dict(case.params)
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),  # for checkpoints of any name
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        folder = Path(folder)
        if params.get("checkpoint") is Path:
            params["checkpoint"] = folder / "checkpoint"
        model = cls(**params)
        given_params = copy.copy(model.get_params(deep=False))
        steps = [model.fit]
        if following in ("fit", "partial_fit"):
            steps.append(getattr(model, following))
        refusal = None
        try:
            for step in steps:
                step(x)
        except (ValueError, TypeError) as error:
            refusal = error
        if refusal is None:
            event("fitted")
            check_outputs(model, x)
            check_round_trip(model, x, folder)
        else:
            event(f"refused by {type(refusal).__name__}")
            assert names_what_is_wrong(str(refusal), cls, case), str(refusal)
            goes_on = following == "partial_fit" or model.warm_start
            assert goes_on or not model.__sklearn_is_fitted__()
        found = model.get_params(deep=False)
        assert all(found[name] is value for name, value in given_params.items())
    for warning in caught:
        if str(warning.message) in OF_HUGE_NUMBERS and is_huge(x):
            continue
        assert warning.category in DOCUMENTED, str(warning)
        assert warning.filename == __file__, warning
    assert bits(x) == before
    if params.get("random_state") is not None:
        assert draws() == global_draws


few = examples(max_examples=5, suppress_health_check=list(HealthCheck))
many = examples(max_examples=1000, suppress_health_check=list(HealthCheck))


@few
@given(draw=st.data())
@every_estimator
def test_a_few_cases_fit_or_say_what_is_wrong(cls, draw, capsys):
    check(cls, draw)


@pytest.mark.slow
@many
@given(draw=st.data())
@every_estimator
def test_a_thousand_cases_fit_or_say_what_is_wrong(cls, draw, capsys):
    check(cls, draw)
