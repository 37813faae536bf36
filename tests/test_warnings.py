"""Warnings point at the line of the user that led to them, whoever stands between."""

import signal
import warnings
from pathlib import Path

import numpy as np
import pytest
from estimator_table import CLASSES, IDS, OF_ONE_FIT, fast, plain
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch.callbacks import Callback

import sklearn_ardvae
from sklearn_ardvae import WAE, SecondStageVAE, TwoStageVAE, metrics
from sklearn_ardvae._warnings import warn


class Interrupt(Callback):
    def on_batch_end(self, net, **kwargs):
        signal.raise_signal(signal.SIGINT)


# What is changed of the estimator, of X, and a word of the warning.
CAUSES = {
    "convergence": ({}, lambda x: x, "epochs are over"),
    "scale": ({}, lambda x: 255 * x, "standard deviation"),
    "collapse": ({}, np.zeros_like, "no active component"),
    "interrupt": ({"callbacks": [Interrupt()]}, lambda x: x, "Training interrupted"),
}
CALLS = {
    "plain": lambda model, x: model.fit(x),
    "fit_transform": lambda model, x: model.fit_transform(x),
    "pipeline": lambda model, x: make_pipeline(FunctionTransformer(), model).fit(x),
    "search": lambda model, x: GridSearchCV(model, {"max_iter": [2]}, cv=2).fit(x),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


def warned(call, model, x):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(model, x)
    return caught


@every_call
@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("cls", CLASSES, ids=IDS)
def test_every_estimators_warnings_point_here(cls, cause, call, low_rank):
    if cause == "interrupt" and cls not in OF_ONE_FIT:
        pytest.skip("Ctrl-C ends a search")
    params, change, word = CAUSES[cause]
    caught = warned(call, plain(cls, **params), change(low_rank[:60]))
    assert any(word in str(w.message) for w in caught)
    assert {w.filename for w in caught} == {__file__}


@every_call
@pytest.mark.parametrize(
    ("model", "word"),
    [
        (fast(WAE, batch_size=1), "penalty='mmd' compares"),
        (fast(TwoStageVAE, callbacks=[Interrupt()]), "before the second stage"),
        (SecondStageVAE((4,), max_iter=2), "samples may miss"),
    ],
    ids=["WAE", "TwoStageVAE", "SecondStageVAE"],
)
def test_warnings_of_single_methods_point_here(model, word, call, low_rank):
    if call is CALLS["fit_transform"] and not hasattr(model, "transform"):
        pytest.skip("a density has no codes")
    caught = warned(call, model, low_rank[:60])
    assert any(word in str(w.message) for w in caught)
    assert {w.filename for w in caught} == {__file__}


def test_metrics_warnings_point_here():
    with pytest.warns(UserWarning, match="No column of codes varies") as caught:
        metrics.latent_entropy(np.ones((5, 2)))
    assert [w.filename for w in caught] == [__file__]


def test_the_category_and_the_line_are_those_given():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn("plain")
        warn("of convergence", ConvergenceWarning)
    assert [w.category for w in caught] == [UserWarning, ConvergenceWarning]
    assert caught[1].lineno == caught[0].lineno + 1
    assert {w.filename for w in caught} == {__file__}


def test_a_warning_without_a_users_line_is_not_lost():
    code = compile("warn('nobody')", "worker", "exec")
    frames = {"__name__": "joblib.worker", "warn": warn}
    with pytest.warns(UserWarning, match="nobody"):
        exec(code, frames)


def test_nobody_counts_frames_by_hand():
    package = Path(sklearn_ardvae.__file__).parent
    counting = [
        file.name for file in package.rglob("*.py") if "stacklevel=" in file.read_text()
    ]
    assert counting == ["_warnings.py"]
