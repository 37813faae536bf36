"""The explorer page, by the arithmetic of its scripts and in a real browser."""

import base64
import json
import re

import numpy as np
import pytest
from scipy.special import erf, expit
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from torch import nn

from sklearn_ardvae import ARDVAE, IRMAE, L0ARMVAE, RRAE, VAE, Autoencoder
from sklearn_ardvae.inspection import report
from sklearn_ardvae.nn.perceptrons import ACTIVATIONS

KINDS = {"f4": "<f4", "f8": "<f8", "u2": "<u2"}


# --- the page's arithmetic, once more ---------------------------------------------


def read(path):
    """Return what the scripts of a page read, with its arrays unpacked."""
    found = re.search(r'id="contents">(.*?)</script>', path.read_text(), re.DOTALL)

    def unpacked(value):
        if value.keys() != {"type", "data"}:
            return value
        return np.frombuffer(base64.b64decode(value["data"]), KINDS[value["type"]])

    return json.loads(found[1], object_hook=unpacked)


def convolve(x, step, transposed):
    (n_in, *small), (n_out, *large) = step["shape_in"], step["shape_out"]
    kernel, stride, padding = step["kernel"], step["stride"], step["padding"]
    weight = step["weight"].reshape(*kernel, n_in, n_out)
    x = x.reshape(n_in, *small)
    out = np.zeros((n_out, *large)) + step["bias"][:, None, None]
    if not transposed:
        small, large = large, small
    for place in np.ndindex(*small):
        for tap in np.ndindex(*kernel):
            there = tuple(
                p * s - q + t
                for p, s, q, t in zip(place, stride, padding, tap, strict=True)
            )
            if not all(0 <= t < n for t, n in zip(there, large, strict=True)):
                continue
            start, end = (place, there) if transposed else (there, place)
            out[(slice(None), *end)] += x[(slice(None), *start)] @ weight[tap]
    return out.ravel()


ARITHMETIC = {
    "elu": lambda x, s: np.where(x > 0, x, s["alpha"] * np.expm1(np.minimum(x, 0))),
    "gelu": lambda x, s: x / 2 * (1 + erf(x / np.sqrt(2))),
    "gelu_tanh": lambda x, s: (
        x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    ),
    "leaky_relu": lambda x, s: np.where(x > 0, x, s["negative_slope"] * x),
    "relu": lambda x, s: np.maximum(x, 0),
    "sigmoid": lambda x, s: expit(x),
    "silu": lambda x, s: x * expit(x),
    "tanh": lambda x, s: np.tanh(x),
}


def run(steps, x):
    for step in steps:
        match step["op"]:
            case "dense":
                weight = step["weight"].reshape(step["n_out"], step["n_in"])
                x = weight @ x + step["bias"]
            case "scale":
                factor, shift = (
                    np.repeat(step[k], step["repeat"]) for k in ("factor", "shift")
                )
                x = factor * x + shift
            case "activation":
                x = ARITHMETIC[step["name"]](x, step)
            case "sum":
                x = sum(run(branch, x) for branch in step["branches"])
            case "take":
                x = x[: step["n"]]
            case op:
                x = convolve(x, step, op == "transposed_convolution")
    return x


# --- estimators that differ in what decodes -----------------------------------------


def low_rank(rng, n_features=12):
    x = rng.standard_normal((300, 3)) @ rng.standard_normal((3, n_features))
    return (x / x.std() + 0.05 * rng.standard_normal(x.shape)).astype(np.float32)


def curved(rng):
    z = rng.uniform(-3, 3, (600, 2))
    x = np.sin(z @ rng.standard_normal((2, 12)) + rng.uniform(0, 6, 12))
    return x + 0.05 * rng.standard_normal(x.shape)


def upwards(n_components, shape):
    """A decoder of images (8, 12) with each kind of layer that a page runs."""
    return nn.Sequential(
        nn.Linear(n_components, 8 * 3 * 3),
        nn.BatchNorm1d(8 * 3 * 3),
        nn.ELU(),
        nn.Unflatten(1, (8, 3, 3)),
        nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1),
        nn.BatchNorm2d(6),
        nn.GELU(approximate="tanh"),
        nn.Dropout(0.5),
        nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 1, (5, 3), padding=(0, 1), bias=False),
    )


def flat(shape, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(np.prod(shape), n_outputs))


FAST = {
    "hidden_layer_sizes": (16,),
    "max_iter": 10,
    "batch_size": 16,
    "learning_rate": 0.01,
    "random_state": 0,
}


def fitted(name):
    """Return an estimator, rows of its kind, and what else `report` takes."""
    rng = np.random.default_rng(0)
    x = low_rank(rng)
    if name in ACTIVATIONS:
        return VAE(4, activation=name, **FAST).fit(x), x, {}
    match name:
        case "auto":
            model = ARDVAE(max_iter=30, hidden_layer_sizes=(16,), random_state=0)
            return model.fit(x), x, {"shape": (12,)}
        case "beside":
            x = 5 + 2 * curved(rng)
            return VAE(4, architecture="linear_mlp", **FAST).fit(x), x, {}
        case "signal":
            wide = low_rank(rng, 60)[:120] + 0.3 * rng.standard_normal((120, 60))
            model = ARDVAE(max_iter=30, hidden_layer_sizes=(16,), random_state=0)
            return model.fit(wide), wide, {"kind": "curve"}
        case "bernoulli":
            x = (x > 0).astype(np.float32)
            model = ARDVAE(4, beta=0.2, likelihood="bernoulli", **FAST).fit(x)
            return model, x, {"shape": (3, 4)}
        case "linear":
            return IRMAE(4, **FAST).fit(x), x, {"shape": (1, 4, 3)}
        case "coordinates":
            return RRAE(8, rank=3, **FAST).fit(x), x, {"shape": (2, 2, 3)}
        case "gates":
            return L0ARMVAE(4, **FAST).fit(x), x, {}
        case "far":
            far = 1e3 + x.astype(np.float64)
            model = ARDVAE(max_iter=30, hidden_layer_sizes=(16,), random_state=0)
            return model.fit(far), far, {"kind": "curve"}
        case "pipeline":
            wine = load_wine(as_frame=True).data
            steps = MinMaxScaler(), "passthrough", StandardScaler(), VAE(4, **FAST)
            return make_pipeline(*steps).fit(wine), wine, {}
        case "convolutions":
            images = rng.standard_normal((64, 8, 12)).astype(np.float32)
            settings = {"architecture": (flat, upwards), "input_shape": (8, 12)}
            return Autoencoder(4, **FAST, **settings).fit(images), images, {}
    raise KeyError(name)


NAMES = [
    *ACTIVATIONS,
    "auto",
    "beside",
    "signal",
    "bernoulli",
    "linear",
    "coordinates",
    "gates",
    "far",
    "pipeline",
    "convolutions",
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return what writes the page of a case once: its path, estimator and rows."""
    folder, known = tmp_path_factory.mktemp("pages"), {}

    def write(name, **more):
        key = name, *more.items()
        if key not in known:
            estimator, rows, settings = fitted(name)
            path = folder / f"{len(known)}.html"
            report(estimator, path, rows, **{**settings, **more})
            known[key] = path, estimator, rows
        return known[key]

    return write


def model_of(estimator):
    return estimator[-1] if hasattr(estimator, "steps") else estimator


def decoded(estimator, codes):
    """Return `inverse_transform` of active components, the others at their mean."""
    model = model_of(estimator)
    columns = model.transform(np.zeros((1, model.n_features_in_))).shape[1]
    whole = codes
    if model.output_components == "all":
        whole = np.tile(model._code_mean, (len(codes), 1)).astype(np.float32)
        whole[:, model.active_components_] = codes
    assert whole.shape[1] == columns
    return estimator.inverse_transform(whole)


def random_codes(estimator, n=5):
    """Return codes of active components that lie as far out as sliders reach."""
    model = model_of(estimator)
    axes = model.active_components_
    mean = model._code_mean[axes]
    deviation = np.sqrt(np.diag(model._code_covariance)[axes])
    draws = np.random.default_rng(1).uniform(-3, 3, (n, len(axes)))
    return (mean + deviation * draws).astype(np.float32)


def scale_of(rows):
    return np.asarray(rows, dtype=np.float64).std()


# --- without a browser ----------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_steps_are_inverse_transform(name, written):
    path, estimator, rows = written(name)
    steps = read(path)["decoder"]["steps"]
    codes = random_codes(estimator)
    assert codes.shape[1] > 0
    found = [run(steps, code) for code in codes.astype(np.float64)]
    wanted = decoded(estimator, codes)
    np.testing.assert_allclose(found, wanted, atol=1e-4 * scale_of(rows))


def test_what_the_page_shows_of_rows(written):
    path, pipeline, rows = written("pipeline")
    page, model = read(path), pipeline[-1]
    assert page["view"]["kind"] == "table"
    assert page["view"]["names"] == rows.columns.tolist()
    shown = page["rows"]
    assert shown["n"] == 16
    originals = shown["originals"].reshape(16, -1)
    np.testing.assert_allclose(originals, rows[:16], rtol=1e-6)
    again = shown["reconstructions"].reshape(16, -1)
    wanted = pipeline.inverse_transform(pipeline.transform(rows[:16]))
    np.testing.assert_allclose(again, wanted, rtol=1e-5)
    axes = [axis["index"] for axis in page["axes"]]
    assert axes == model.active_components_.tolist()
    codes = pipeline.transform(rows[:16])[:, axes]
    np.testing.assert_allclose(shown["codes"].reshape(codes.shape), codes, rtol=1e-5)
    root = page["root"].reshape(len(axes), -1)
    covariance = model._code_covariance[np.ix_(axes, axes)]
    np.testing.assert_allclose(root @ root.T, covariance, atol=1e-8)
