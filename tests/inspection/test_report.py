"""The explorer page, by the arithmetic of its scripts and in a real browser."""

import base64
import json
import re

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, Browser
from estimator_table import CLASSES, IDS, fast
from scipy.special import erf, expit
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, StandardScaler
from torch import nn

from sklearn_ardvae import ARDVAE, IRMAE, L0ARMVAE, RRAE, VAE, Autoencoder
from sklearn_ardvae.inspection import report
from sklearn_ardvae.inspection.explorer import grid, program
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


class Doubling(nn.Linear):
    """A layer that looks like one that the page has."""

    def forward(self, x):
        return 2 * super().forward(x)


def hooked(n_in, n_out):
    layer = nn.Linear(n_in, n_out)
    layer.register_forward_hook(lambda layer, given, output: output**3)
    return layer


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
        case "power":
            wine = load_wine(as_frame=True).data
            steps = PowerTransformer(), VAE(4, **FAST)
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


@pytest.mark.parametrize("cls", CLASSES, ids=IDS)
def test_every_estimator_has_a_page_that_decodes(cls, tmp_path):
    x = low_rank(np.random.default_rng(0))
    model = fast(cls).fit(x)
    report(model, tmp_path / "page.html", x)
    steps = read(tmp_path / "page.html")["decoder"]["steps"]
    codes = random_codes(model)
    found = [run(steps, code) for code in codes.astype(np.float64)]
    # What codes are multiplied by may be large after two epochs.
    wanted = decoded(model, codes)
    np.testing.assert_allclose(found, wanted, atol=1e-4 * max(1.0, abs(wanted).max()))


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
    root = page["decoder"]["root"].reshape(len(axes), -1)
    covariance = model._code_covariance[np.ix_(axes, axes)]
    np.testing.assert_allclose(root @ root.T, covariance, atol=1e-8)


class TestTheGrid:
    def test_it_stands_in_where_the_page_cannot_decode(self, written):
        path, pipeline, _ = written("power")
        decoder = read(path)["decoder"]
        assert decoder["how"] == "grid"
        assert decoder["reason"] == "a PowerTransformer follows it"
        with pytest.raises(ValueError, match=r"cannot run .* a PowerTransformer"):
            report(pipeline, path, decoder="network")

    def test_its_points_and_starts_are_inverse_transform(self, written):
        path, model, rows = written("beside", decoder="grid")
        page, k = read(path), len(model.active_components_)
        grid, n = page["decoder"], page["decoder"]["n_points"]
        steps = grid["steps"].reshape(k, n, -1)
        found = grid["low"] + grid["step"] * steps
        for axis in range(k):
            codes = np.tile([a["mean"] for a in page["axes"]], (n, 1))
            codes[:, axis] = np.linspace(grid["first"][axis], grid["last"][axis], n)
            wanted = decoded(model, codes.astype(np.float32))
            np.testing.assert_allclose(found[axis], wanted, atol=2e-4 * scale_of(rows))
        for starts in (grid["starts"], page["rows"]):
            codes = starts["codes"].reshape(starts["n"], k).astype(np.float32)
            found = starts["decoded"].reshape(starts["n"], -1)
            wanted = decoded(model, codes)
            np.testing.assert_allclose(found, wanted, atol=1e-4 * scale_of(rows))

    def test_it_says_what_interpolation_misses(self, written):
        path, model, _ = written("beside", decoder="grid")
        page = read(path)
        grid, k, n = page["decoder"], len(page["axes"]), page["decoder"]["n_points"]
        rows = grid["low"] + grid["step"] * grid["steps"].reshape(k, n, -1)
        missed, varied = 0.0, 0.0
        for axis in range(k):
            places = np.linspace(grid["first"][axis], grid["last"][axis], n)
            codes = np.tile([a["mean"] for a in page["axes"]], (n - 1, 1))
            codes[:, axis] = (places[1:] + places[:-1]) / 2
            wanted = decoded(model, codes.astype(np.float32))
            missed += np.sum(((rows[axis, 1:] + rows[axis, :-1]) / 2 - wanted) ** 2)
            varied += np.sum((wanted - grid["centre"]) ** 2)
        assert grid["error"] == pytest.approx(np.sqrt(missed / varied), rel=0.05)
        assert 0.0 < grid["error"] < 0.1

    @pytest.mark.parametrize(
        ("last", "reason"),
        [
            (Doubling, "it has a layer of the class Doubling"),
            (hooked, "it has a layer with a hook, which may do anything"),
        ],
    )
    def test_own_networks_may_be_beyond_the_page(self, tmp_path, last, reason):
        x = low_rank(np.random.default_rng(0))
        networks = (flat, lambda n, shape: nn.Sequential(last(n, 12)))
        model = Autoencoder(3, architecture=networks, **FAST).fit(x)
        report(model, tmp_path / "page.html", x)
        decoder = read(tmp_path / "page.html")["decoder"]
        assert decoder["how"] == "grid"
        assert decoder["reason"] == reason

    def test_large_decoders_have_one_of_fewer_axes(self, tmp_path, monkeypatch):
        monkeypatch.setattr(program, "_MOST_WEIGHTS", 10)
        monkeypatch.setattr(grid, "_MOST_NUMBERS", 150)
        x = low_rank(np.random.default_rng(0))
        model = VAE(4, **FAST).fit(x)
        assert model.n_active_components_ > 2
        report(model, tmp_path / "page.html", x)
        page = read(tmp_path / "page.html")
        assert re.match(r"it has \d+ weights, more than 10", page["decoder"]["reason"])
        assert len(page["axes"]) == 2
        assert page["decoder"]["n_points"] == 5
        assert page["rows"]["codes"].size == 2 * 16


def test_nothing_that_users_write_becomes_part_of_the_page(tmp_path):
    evil = "</script><script>alert(1)</script>&<!--"
    x = low_rank(np.random.default_rng(0), 3)
    model = VAE(2, **FAST).fit(x)
    path = tmp_path / "page.html"
    report(model, path, x, feature_names=[evil, "b'\"", "\u2028"], title=evil)
    text = path.read_text()
    assert "alert(1)</script>" not in text
    assert "<script>alert" not in text
    assert "<!--" not in text
    assert read(path)["view"]["names"] == [evil, "b'\"", "\u2028"]
    # The policy lets no script run but the page's own, and nothing be loaded.
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', text)[1]
    for of in ("default-src", "base-uri", "form-action"):
        assert f"{of} 'none';" in policy
    assert len(re.findall("sha256-", policy)) == len(re.findall("<script>", text))


def test_the_file_names_nothing_outside(written):
    text = written("pipeline")[0].read_text()
    assert set(re.findall(r"https?://[^\s\"']+", text)) <= {
        "http://www.w3.org/2000/svg"
    }
    assert not re.search(r"(src|href)=", text)


def test_without_rows_there_are_no_reconstructions(tmp_path):
    x = low_rank(np.random.default_rng(0))
    report(VAE(2, **FAST).fit(x), tmp_path / "page.html", n_samples=0)
    page = read(tmp_path / "page.html")
    assert "rows" not in page
    assert "samples" not in page


def test_of_many_features_those_are_shown_that_move(tmp_path):
    rng = np.random.default_rng(0)
    x = 0.01 * rng.standard_normal((300, 100))
    x[:, 40:] += low_rank(rng, 60)
    report(VAE(3, **FAST).fit(x), tmp_path / "page.html", x)
    assert read(tmp_path / "page.html")["view"]["shown"] == list(range(40, 100))


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((12,), "curve"), ((1, 12), "curve"), ((3, 4), "image"), ((2, 3, 2), "table")],
)
def test_the_estimator_knows_how_rows_are_shown(shape, kind, tmp_path):
    x = low_rank(np.random.default_rng(0))
    model = VAE(2, input_shape=shape, **FAST).fit(x)
    report(model, tmp_path / "page.html", x)
    assert read(tmp_path / "page.html")["view"]["kind"] == kind


def test_a_shape_after_other_steps_is_not_that_of_the_rows(tmp_path):
    x = low_rank(np.random.default_rng(0))
    last = VAE(2, input_shape=(2, 3), **FAST)
    pipeline = make_pipeline(PCA(6), last).fit(x)
    report(pipeline, tmp_path / "page.html", x)
    assert read(tmp_path / "page.html")["view"]["kind"] == "table"


def test_the_first_rows_of_a_data_frame_are_so_by_place(tmp_path):
    x = low_rank(np.random.default_rng(0))
    frame = pd.DataFrame(x, index=np.arange(len(x)) / 10)
    report(VAE(2, **FAST).fit(x), tmp_path / "page.html", frame)
    originals = read(tmp_path / "page.html")["rows"]["originals"]
    np.testing.assert_array_equal(originals.reshape(16, -1), x[:16])


def test_every_active_axis_has_a_bar(tmp_path):
    x = low_rank(np.random.default_rng(0))
    model = VAE(10, **FAST).fit(x)
    order = np.argsort(-model.relevance_)
    model.active_components_ = order[[0, 9]]  # by some rule of its own
    report(model, tmp_path / "page.html", x)
    bars = read(tmp_path / "page.html")["relevance"]["bars"]
    assert [bar["axis"] for bar in bars] == order[[0, 1, 2, 3, 4, 5, 9]].tolist()
    assert [bar["is_active"] for bar in bars] == [True, *[False] * 5, True]


class TestBadArguments:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"kind": "movie"}, "kind must be 'auto' or one of"),
            ({"shape": (5, 5)}, "shape must hold integers >= 1 whose product .* 12"),
            ({"kind": "image"}, "shape of an image must be"),
            ({"shape": (2, 3, 2)}, r"3 channels; got \(2, 3, 2\)"),
            ({"shape": 12}, "shape must hold integers >= 1 .* got 12"),
            ({"feature_names": ["a"]}, "feature_names must hold 12 names"),
            ({"decoder": "server"}, "decoder must be 'auto'"),
            ({"n_rows": 0}, "n_rows == 0, must be >= 1"),
            ({"n_samples": -1}, "n_samples == -1, must be >= 0"),
        ],
    )
    def test_values(self, written, tmp_path, arguments, message):
        _, model, _ = written("relu")
        with pytest.raises(ValueError, match=message):
            report(model, tmp_path / "page.html", **arguments)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"X": 5}, "X must be an array-like .* got 5"),
            ({"feature_names": "twelveletter"}, "feature_names must be a sequence"),
            ({"feature_names": 5}, "feature_names must be a sequence .* got 5"),
        ],
    )
    def test_types(self, written, tmp_path, arguments, message):
        _, model, _ = written("relu")
        with pytest.raises(TypeError, match=message):
            report(model, tmp_path / "page.html", **arguments)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("path", "error", "message"),
        [
            (None, TypeError, "path must be a str or path-like; got None"),
            ("page", ValueError, r"path must end in '.html', .* got '.*page'"),
            ("no/page.html", FileNotFoundError, "path: there is no folder '.*no'"),
            ("folder.html", IsADirectoryError, r"path: '.*folder.html' is a folder"),
        ],
    )
    def test_paths_before_anything_is_computed(self, tmp_path, path, error, message):
        (tmp_path / "folder.html").mkdir()
        where = None if path is None else str(tmp_path / path)
        with pytest.raises(error, match=message):
            report(VAE(2), where)  # which is not fitted

    def test_estimators(self, tmp_path):
        x = low_rank(np.random.default_rng(0))
        with pytest.raises(TypeError, match="must be a fitted estimator"):
            report(StandardScaler().fit(x), tmp_path / "page.html")
        with pytest.raises(NotFittedError):
            report(VAE(2), tmp_path / "page.html")
        one_way = make_pipeline(Nystroem(n_components=20), VAE(2, **FAST)).fit(x)
        with pytest.raises(ValueError, match=r"'nystroem' .* has no inverse_transform"):
            report(one_way, tmp_path / "page.html")


# --- in a browser ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def opened(browser, path):
    browser.look(900, 700)
    browser.open(path)
    return browser


class TestInChromium:
    @pytest.mark.parametrize("name", NAMES)
    def test_the_page_decodes_as_inverse_transform(self, name, written, browser):
        path, estimator, rows = written(name)
        opened(browser, path)
        codes = random_codes(estimator)
        found = browser.evaluate(
            f"{json.dumps(codes.tolist())}.map((z) => Array.from(decode(z, mean)))"
        )
        wanted = decoded(estimator, codes)
        np.testing.assert_allclose(found, wanted, atol=1e-4 * scale_of(rows))
        assert browser.errors == []

    @pytest.mark.parametrize(
        ("name", "decoder"),
        [
            ("convolutions", "network"),
            ("convolutions", "grid"),
            ("auto", "network"),
            ("pipeline", "network"),
        ],
    )
    def test_sliders_redraw_what_is_decoded(self, name, decoder, written, browser):
        path, estimator, rows = written(name, decoder=decoder)
        opened(browser, path)
        before = browser.picture("#stage-pictures")
        browser.evaluate("document.getElementById('axis-0').focus()")
        browser.press("End")
        assert browser.evaluate("document.getElementById('axis-0').value") == "3"
        output = browser.evaluate("document.querySelector('output').textContent")
        assert output == "+3.00 deviations"
        assert browser.picture("#stage-pictures") != before
        assert "Moved away" in status(browser)
        state = "Array.from(state.codes)"
        codes = np.array([browser.evaluate(state)], dtype=np.float32)
        found = browser.evaluate("Array.from(decode(state.codes, state.start))")
        wanted = decoded(estimator, codes)[0]
        np.testing.assert_allclose(found, wanted, atol=2e-4 * scale_of(rows))
        click(browser, "reset")
        assert browser.picture("#stage-pictures") == before
        assert browser.evaluate(state) == browser.evaluate("Array.from(meanCodes)")
        assert browser.errors == []

    def test_a_page_starts_from_rows_and_at_random(self, written, browser):
        path, pipeline, rows = written("pipeline")
        opened(browser, path)
        browser.evaluate("document.getElementById('row').value = 2")
        click(browser, "start")
        assert status(browser) == "At the code of row 2."
        names = texts(browser, "#stage-pictures th")
        assert names == rows.columns.tolist()
        values = [float(text) for text in texts(browser, "#stage-pictures .value")]
        model, row = pipeline[-1], rows[2:3]
        codes = pipeline.transform(row)[:, model.active_components_]
        # They are shown with three digits.
        np.testing.assert_allclose(values, decoded(pipeline, codes)[0], rtol=6e-3)
        click(browser, "random")
        assert "At a random code" in status(browser)
        assert browser.evaluate("state.codes.every((z, i) => z !== meanCodes[i])")

    def test_a_grid_moves_one_axis_at_a_time(self, written, browser):
        path, *_ = written("beside", decoder="grid")
        opened(browser, path)
        assert "one axis at a time" in browser.evaluate("byId('how').textContent")
        browser.evaluate("startAtRow(1)")
        assert browser.evaluate("decode(state.codes, state.start) === state.start.row")
        browser.evaluate("byId('axis-1').focus()")
        browser.press("End")
        moved = browser.evaluate(
            "Array.from(state.codes, (z, i) => (z - meanCodes[i]) / axes[i].deviation)"
        )
        np.testing.assert_allclose(moved, [0, 3, *[0] * (len(moved) - 2)], atol=1e-9)

    def test_names_of_features_do_no_harm(self, browser, tmp_path):
        evil = (
            "</script><img src=x onerror=window.harm=1><script>window.harm=1</script>"
        )
        x = low_rank(np.random.default_rng(0), 3)
        path = tmp_path / "page.html"
        report(VAE(2, **FAST).fit(x), path, x, feature_names=[evil] * 3, title=evil)
        opened(browser, path)
        assert browser.evaluate("window.harm ?? null") is None
        assert browser.evaluate("document.querySelectorAll('img').length") == 0
        heads = browser.evaluate("document.querySelector('.bars th').textContent")
        assert heads == evil
        assert browser.evaluate("document.title") == evil
        assert browser.errors == []

    def test_a_page_without_axes_says_so(self, browser, tmp_path):
        x = np.ones((50, 5))
        model = VAE(3, **FAST).fit(x)
        for decoder in ("network", "grid"):
            report(model, tmp_path / "page.html", x, decoder=decoder)
            opened(browser, tmp_path / "page.html")
            body = browser.evaluate("document.body.innerText")
            assert "No axis is active" in body
            assert "Random sample" not in body
            assert browser.errors == []

    @pytest.mark.parametrize("name", ["convolutions", "auto", "pipeline"])
    def test_nothing_is_fetched_or_cut_off(self, name, written, browser):
        path, *_ = written(name)
        for width in (360, 1280):
            browser.look(width, 800)
            browser.open(path)
            assert browser.requests == [path.as_uri()]
            wide = "document.documentElement.scrollWidth <= innerWidth"
            assert browser.evaluate(wide), width

    @pytest.mark.parametrize("name", ["convolutions", "auto", "pipeline"])
    def test_everything_that_can_be_used_has_a_name(self, name, written, browser):
        path, *_ = written(name)
        opened(browser, path)
        browser.send("Accessibility.enable")
        nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
        roles = ("button", "slider", "spinbutton", "img", "image", "table", "region")
        found = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"] and node["role"]["value"] in roles
        ]
        assert {"button", "slider", "spinbutton"} <= {role for role, _ in found}
        assert [pair for pair in found if not pair[1]] == []
        # Its number and its share are two words.
        sliders = [name for role, name in found if role == "slider"]
        assert all(re.match(r"axis \d+ \d+\.\d % of", name) for name in sliders)

    def test_a_change_is_said_once(self, written, browser):
        opened(browser, written("auto")[0])
        browser.evaluate(
            "window.said = [];"
            "new MutationObserver((all) => said.push(...all))"
            ".observe(byId('explorer'), {childList: true, subtree: true})"
        )
        browser.evaluate("byId('axis-0').focus()")
        browser.press("End")
        browser.press("Home")
        live = (
            "said.map(({target}) => target.closest('output, [role=status]'))"
            ".filter((found) => found && found.ariaLive !== 'off').length"
        )
        assert browser.evaluate(live) == 1

    @pytest.mark.parametrize("height", [390, 700])
    def test_pictures_buttons_and_sliders_are_in_sight_together(
        self, browser, tmp_path, height
    ):
        x = low_rank(np.random.default_rng(0), 120)
        model = VAE(2, **FAST).fit(x)
        path = tmp_path / "page.html"
        for settings in ({}, {"shape": (60, 2)}, {"shape": (10, 12)}):
            report(model, path, x, **settings)
            browser.look(900, height)
            browser.open(path)
            browser.evaluate("byId('explorer').scrollIntoView()")
            for name in ("stage-pictures", "reset", "start", "axis-0"):
                box = f"byId('{name}').getBoundingClientRect()"
                assert browser.evaluate(f"{box}.top > -1"), (settings, name)
                assert browser.evaluate(f"{box}.bottom < innerHeight + 1"), settings
        assert browser.evaluate("byId('stage-pictures').tabIndex") == -1

    @pytest.mark.parametrize("size", [(390, 844), (667, 375), (844, 390)])
    @pytest.mark.parametrize("name", ["convolutions", "auto"])
    def test_phones_show_whole_pictures(self, browser, written, name, size):
        browser.look(*size)
        browser.open(written(name)[0])
        browser.evaluate("startAtRow(1)")
        browser.frame()
        stage = "byId('stage-pictures')"
        assert browser.evaluate(f"{stage}.scrollHeight <= {stage}.clientHeight")
        bottom = "getBoundingClientRect().bottom"
        picture = f"{stage}.querySelector('canvas, svg').{bottom}"
        assert browser.evaluate(f"{picture} <= {stage}.{bottom}")

    def test_long_tables_scroll_by_the_keyboard(self, browser, tmp_path):
        x = low_rank(np.random.default_rng(0), 120)
        report(VAE(2, **FAST).fit(x), tmp_path / "page.html", x)
        opened(browser, tmp_path / "page.html")
        browser.evaluate("byId('stage-pictures').focus()")
        browser.press("End")
        table = "byId('stage-pictures')"
        assert browser.evaluate(f"document.activeElement === {table}")
        end = f"{table}.scrollHeight - {table}.clientHeight"
        # It scrolls a little at a time.
        moved = f"new Promise((f) => ({table}.onscrollend = () => f(0)))"
        browser.evaluate(f"{table}.scrollTop < {end} - 1 ? {moved} : 0")
        assert browser.evaluate(f"Math.abs({table}.scrollTop - ({end})) < 2")
        assert browser.evaluate(f"{end} > 0")

    def test_the_features_named_at_an_axis_are_shown(self, browser, tmp_path):
        rng = np.random.default_rng(0)
        x = rng.uniform(0.1, 1.0, 100) * low_rank(rng, 100)
        report(VAE(3, **FAST).fit(x), tmp_path / "page.html", x)
        opened(browser, tmp_path / "page.html")
        shown = set(texts(browser, ".bars th"))
        named = re.findall(r"feature \d+", " ".join(texts(browser, ".effect")))
        assert named
        assert set(named) <= shown

    def test_long_names_are_whole_in_the_tables(self, browser, tmp_path):
        x = low_rank(np.random.default_rng(0), 2)
        names = ["first " + 20 * "long " + "one", "second " + 20 * "long " + "one"]
        path = tmp_path / "page.html"
        report(VAE(2, **FAST).fit(x), path, x, feature_names=names)
        opened(browser, path)
        whole = "Array.from(document.querySelectorAll('.numbers tbody th')).every"
        assert texts(browser, "#samples .numbers tbody th") == names
        assert browser.evaluate(f"{whole}((th) => th.scrollWidth <= th.clientWidth)")
        assert max(map(len, texts(browser, ".effect"))) < 120

    def test_curves_have_a_scale_and_nothing_stops_at_its_edge(self, browser, written):
        path, *_ = written("far")
        opened(browser, path)
        view = read(path)["view"]
        words = texts(browser, ".graph span")
        np.testing.assert_allclose(
            [float(word) for word in words[:2]], [view["high"], view["low"]], rtol=1e-2
        )
        assert words[2:] == ["feature 0", "feature 11"]
        beyond = "curvePoints([contents.view.high + 1, contents.view.low - 1])"
        heights = re.findall(r",(-?[\d.]+)", browser.evaluate(beyond))
        assert float(heights[0]) < 0.0
        assert float(heights[1]) > browser.evaluate("CURVE.height")

    def test_one_epoch_and_one_feature_can_be_seen(self, browser, tmp_path):
        x = low_rank(np.random.default_rng(0), 1)
        model = VAE(1, **{**FAST, "max_iter": 1}).fit(x)
        report(model, tmp_path / "page.html", x, kind="curve")
        opened(browser, tmp_path / "page.html")
        lines = (
            "Array.from(document.querySelectorAll('.stroke-first')).map((line) => "
            "line.getBoundingClientRect().width)"
        )
        assert min(browser.evaluate(lines)) > 5.0
        labels = browser.evaluate(
            "Array.from(document.querySelectorAll('#training svg')).map((svg) => "
            "svg.getAttribute('aria-label'))"
        )
        assert all("over 1 epoch," in label for label in labels)

    def test_the_legend_of_training_names_what_is_there(self, browser, tmp_path):
        x = low_rank(np.random.default_rng(0))
        model = VAE(2, **FAST, validation_fraction=0.0).fit(x)
        assert not any(name.startswith("valid") for name in model.history_)
        report(model, tmp_path / "page.html", x)
        opened(browser, tmp_path / "page.html")
        body = browser.evaluate("document.body.innerText")
        assert "training" not in body.partition("Training")[2]
        assert "validation" not in body

    def test_paper_is_white_and_shows_the_bars(self, written, browser):
        browser.look(700, 900, "dark")
        browser.open(written("pipeline")[0])
        browser.send("Emulation.setEmulatedMedia", media="print")
        look = "getComputedStyle(document.querySelector('{}')).{}"
        for selector, key, value in [
            ("body", "backgroundColor", "rgb(255, 255, 255)"),
            (".bars .bar", "printColorAdjust", "exact"),
            (".controls", "display", "none"),
            (".stage-pictures", "position", "static"),
        ]:
            assert browser.evaluate(look.format(selector, key)) == value
        browser.send("Emulation.setEmulatedMedia", media="")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_text_stands_out(self, scheme, written, browser):
        # WCAG 2.2: 4.5 for text, 3 for what is drawn.
        browser.look(900, 700, scheme)
        browser.open(written("pipeline")[0])
        names = ("background", "surface", "text", "muted", "first", "second", "quiet")
        colours = {
            name: luminance(
                browser.evaluate(
                    "getComputedStyle(document.documentElement)"
                    f".getPropertyValue('--{name}')"
                )
            )
            for name in names
        }
        for behind in ("background", "surface"):
            for name in ("text", "muted", "second"):
                assert contrast(colours[name], colours[behind]) >= 4.5, (name, behind)
            for name in ("first", "quiet"):
                assert contrast(colours[name], colours[behind]) >= 3.0, (name, behind)


def status(browser):
    return browser.evaluate("document.getElementById('status').textContent")


def texts(browser, selector):
    every = f"Array.from(document.querySelectorAll('{selector}'))"
    return browser.evaluate(f"{every}.map((found) => found.textContent)")


def click(browser, name):
    browser.evaluate(f"document.getElementById('{name}').click()")
    browser.frame()


def luminance(colour):
    """Return the relative luminance of "#rrggbb", as WCAG defines it."""
    parts = np.array([int(colour.strip()[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    low, high = sorted((one, other))
    return (high + 0.05) / (low + 0.05)
