"""Displays draw what estimators have found."""

import inspect
import pickle
import re
import statistics
import sys
import warnings

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from estimator_table import CLASSES, IDS, fast
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Patch
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.metrics import r2_score
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_ardvae import ARDVAE, ARDVAECV, Autoencoder, inspection
from sklearn_ardvae.inspection import (
    BetaPathDisplay,
    DimensionDisplay,
    LatentSpaceDisplay,
    LatentTraversalDisplay,
    ReconstructionDisplay,
    RelevanceDisplay,
    SampleDisplay,
    TrainingDisplay,
    drawing,
)

DISPLAYS = [
    getattr(inspection, name) for name in inspection.__all__ if name.endswith("Display")
]


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def X():
    """Rows (200, 12) on a plane of rank 3, in various units."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 12))
    return (x + 0.1 * rng.standard_normal(x.shape)) * np.arange(1, 13) + 5.0


@pytest.fixture(scope="module")
def scaled(X):
    return StandardScaler().fit_transform(X)


@pytest.fixture(scope="module")
def models(scaled):
    """One fitted estimator of each class."""
    settings = {"n_components": 4, "max_iter": 10, "learning_rate": 0.02}
    return {cls.__name__: fast(cls, **settings).fit(scaled) for cls in CLASSES}


@pytest.fixture(scope="module")
def named(X):
    return pd.DataFrame(X, columns=[f"feature {i}" for i in range(12)])


@pytest.fixture(scope="module")
def pipeline(named):
    model = fast(ARDVAE, n_components=4, max_iter=10, beta=0.05, learning_rate=0.02)
    return make_pipeline(StandardScaler(), model).fit(named)


@pytest.fixture(scope="module")
def images(scaled):
    """Images (200, 3, 2, 2), and a model of them."""
    low, high = scaled.min(), scaled.max()
    colored = ((scaled - low) / (high - low)).reshape(-1, 3, 2, 2)
    model = fast(ARDVAE, n_components=4, input_shape=(3, 2, 2), beta=1e-3)
    return colored, model.fit(colored)


def drawn(images):
    """Return the pixels that a grid of images shows."""
    shown = [image.get_array() for image in images.ravel()]
    return np.array(shown).reshape(*images.shape, *shown[0].shape)


# --- what all have in common --------------------------------------------------------


@pytest.mark.parametrize("name", IDS)
def test_every_estimator_can_be_drawn(name, models, scaled):
    model = models[name]
    of_rows = {ReconstructionDisplay, SampleDisplay}
    of_axes = {LatentTraversalDisplay, LatentSpaceDisplay, DimensionDisplay}
    for cls in of_rows:
        assert cls.from_estimator(model, scaled[:20], max_panels=2).axes_.size == 2
    for cls in of_axes:
        if model.n_active_components_:
            assert cls.from_estimator(model, scaled).axes_.size >= 1
        else:
            with pytest.raises(ValueError, match=f"{name} has no active component"):
                cls.from_estimator(model, scaled)
    if name != "ARDVAECV":
        with pytest.raises(TypeError, match=f"needs a fitted ARDVAECV.*{name}"):
            BetaPathDisplay.from_estimator(model)


def test_nearly_all_of_these_have_axes(models):
    assert sum(model.n_active_components_ > 0 for model in models.values()) > 19


def from_estimator(cls, model, X, **kwargs):
    takes_rows = "X" in inspect.signature(cls.from_estimator).parameters
    return cls.from_estimator(model, *([X] if takes_rows else []), **kwargs)


def data_of(display):
    """Return what a display holds, without what it has drawn."""
    return {k: v for k, v in vars(display).items() if not k.endswith("_")}


@pytest.mark.parametrize("cls", DISPLAYS)
def test_the_convention(cls, models, scaled):
    model = models["ARDVAECV"]
    drawn = from_estimator(cls, model, scaled)
    # As scikit-learn's it is drawn at once.
    assert plt.get_fignums() == [drawn.figure_.number]
    # Data are kept by the names of the constructor, which draws nothing.
    assert set(data_of(drawn)) == set(inspect.signature(cls).parameters)
    display = cls(**data_of(drawn))
    assert vars(display).keys() == data_of(drawn).keys()
    assert len(plt.get_fignums()) == 1
    assert display.plot() is display
    assert display.figure_ is not drawn.figure_
    assert display.ax_.figure is display.figure_
    display.figure_.canvas.draw()
    for panel in getattr(display, "axes_", []):
        assert panel.figure is display.figure_


@pytest.mark.parametrize("cls", DISPLAYS)
def test_a_display_can_be_pickled(cls, models, scaled):
    display = from_estimator(cls, models["ARDVAECV"], scaled)
    copy = pickle.loads(pickle.dumps(display))
    assert set(vars(copy)) == set(vars(display))
    copy.figure_.canvas.draw()


@pytest.mark.parametrize("cls", DISPLAYS)
def test_what_plot_takes_is_passed_on(cls, models, scaled):
    with pytest.raises(TypeError, match="'no_such_option'"):
        from_estimator(cls, models["ARDVAECV"], scaled, no_such_option=1)
    if "cmap" in inspect.signature(cls.plot).parameters:
        images = {"image_shape": (3, 4), "cmap": "magma"}
        display = cls.from_estimator(models["ARDVAECV"], scaled, **images)
        assert display.artists_.ravel()[0].get_cmap().name == "magma"


@pytest.mark.parametrize("cls", DISPLAYS)
def test_all_parameters_and_attributes_are_documented(cls, models, scaled):
    display = from_estimator(cls, models["ARDVAECV"], scaled)
    for made, doc in (
        (set(vars(display)), cls.__doc__),
        (set(inspect.signature(cls.from_estimator).parameters), None),
        (set(inspect.signature(display.plot).parameters), cls.plot.__doc__),
    ):
        text = inspect.cleandoc(doc or cls.from_estimator.__doc__)
        text = text.partition("See Also")[0]
        entries = re.findall(r"^(?:\*\*)?(\w[\w, ]*) : ", text, re.MULTILINE)
        assert made == {name for entry in entries for name in entry.split(", ")}


@pytest.mark.parametrize("cls", DISPLAYS)
def test_a_place_that_is_given_is_used(cls, models, scaled):
    figure, (_, ax) = plt.subplots(1, 2)
    display = from_estimator(cls, models["ARDVAECV"], scaled, ax=ax)
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    divided = display.ax_ is not ax
    assert ax.axison != divided
    # What is drawn stays in its place.
    left = ax.get_subplotspec().get_position(figure).x0
    assert display.ax_.get_subplotspec().get_position(figure).x0 >= left - 1e-9


def test_panels_may_be_given(models):
    display = TrainingDisplay.from_estimator(models["VAE"])
    n = len(display.axes_)
    _, given = plt.subplots(n, 1)
    assert display.plot(ax=given).axes_.tolist() == given.tolist()
    with pytest.raises(ValueError, match=f"ax holds 2 axes, but .* draws {n} panels"):
        display.plot(ax=given[:2])


def test_a_place_is_divided_once(models):
    ax = plt.figure().gca()
    display = TrainingDisplay.from_estimator(models["VAE"], ax=ax)
    with pytest.raises(ValueError, match="ax has been divided before"):
        display.plot(ax)
    assert display.plot(display.axes_).figure_ is ax.figure


@pytest.mark.parametrize("cls", DISPLAYS)
def test_what_is_no_axes_is_refused(cls, models, scaled):
    display = from_estimator(cls, models["ARDVAECV"], scaled)
    for wrong in (plt.figure(), "left", plt.subplots()):
        with pytest.raises(TypeError, match="ax must be matplotlib Axes"):
            display.plot(wrong)


def test_axes_without_a_grid_are_divided(models):
    figure = plt.figure()
    ax = figure.add_axes((0.5, 0.25, 0.4, 0.5))
    panels = TrainingDisplay.from_estimator(models["VAE"], ax=ax).axes_
    boxes = np.array([panel.get_position().extents for panel in panels])
    np.testing.assert_allclose(boxes.min(axis=0)[:2], [0.5, 0.25])
    np.testing.assert_allclose(boxes.max(axis=0)[2:], [0.9, 0.75])


@pytest.mark.parametrize("cls", DISPLAYS)
def test_other_estimators_are_refused(cls, scaled):
    for other in (PCA(2).fit(scaled), make_pipeline(PCA(2)).fit(scaled)):
        with pytest.raises(TypeError, match=r"estimator of sklearn_ardvae.*PCA"):
            from_estimator(cls, other, scaled)
    with pytest.raises(NotFittedError, match="ARDVAECV"):
        from_estimator(cls, ARDVAECV(), scaled)


@pytest.mark.parametrize("cls", DISPLAYS)
def test_matplotlib_is_named_where_it_is_missing(cls, models, scaled, monkeypatch):
    display = cls(**data_of(from_estimator(cls, models["ARDVAECV"], scaled)))
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install sklearn_ardvae\[plot\]"):
        display.plot()


# An ARDVAE has no path, and samples are drawn anew.
OF_ONE_FIT = [cls for cls in DISPLAYS if cls not in (BetaPathDisplay, SampleDisplay)]


@pytest.mark.parametrize("cls", OF_ONE_FIT)
def test_a_pipeline_is_its_last_step_on_transformed_rows(cls, named, scaled, pipeline):
    of_pipeline = from_estimator(cls, pipeline, named)
    of_model = from_estimator(cls, pipeline[-1], scaled)
    for name, value in data_of(of_model).items():
        shown = vars(of_pipeline)[name]
        if name in ("X", "values", "base", "reconstructed"):
            value = pipeline[0].inverse_transform(np.reshape(value, (-1, 12)))
            shown = np.reshape(shown, (-1, 12))
        if name in ("limits", "feature_scales", "feature_names"):
            continue  # which are in other units
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            np.testing.assert_allclose(shown, value, rtol=1e-4, atol=1e-4)
        else:
            assert np.all(shown == value)


def test_a_pipeline_gives_original_units_and_names(named, pipeline):
    display = ReconstructionDisplay.from_estimator(pipeline, named)
    np.testing.assert_array_equal(display.X, named)
    expected = pipeline.inverse_transform(pipeline.transform(named))
    np.testing.assert_allclose(display.reconstructed, expected, rtol=1e-5)
    titles = [panel.get_title() for panel in display.axes_]
    for title, name in zip(titles, named, strict=True):
        assert title.startswith(f"{name}\n")


def test_steps_that_cannot_be_undone_leave_their_units(X):
    before = make_pipeline(StandardScaler(), FunctionTransformer(np.tanh, np.arctanh))
    model = fast(ARDVAE, beta=0.05)
    for undone in (True, False):
        last = [] if undone else [PowerWithoutWayBack()]
        pipeline = make_pipeline(*before, *last, model).fit(X)
        display = ReconstructionDisplay.from_estimator(pipeline, X)
        shown = X if undone else pipeline[:-1].transform(X)
        np.testing.assert_allclose(display.X, shown)


class PowerWithoutWayBack(StandardScaler):
    """A step that has no inverse."""

    inverse_transform = property(lambda self: self.no_such_thing)


def test_selected_features_come_back_in_their_places(named):
    select = SelectKBest(f_regression, k=5)
    pipeline = make_pipeline(select, StandardScaler(), fast(ARDVAE, beta=0.05))
    pipeline.fit(named, named.iloc[:, 0])
    display = SampleDisplay.from_estimator(pipeline, n_samples=30, random_state=0)
    samples = pipeline[1].inverse_transform(pipeline[-1].sample(30, random_state=0))
    assert display.samples.shape == (30, 12)
    kept = pipeline[0].get_support()
    np.testing.assert_allclose(display.samples[:, kept], samples, rtol=1e-5)
    assert not display.samples[:, ~kept].any()


def test_frames_come_out_of_no_step(named, scaled):
    model = fast(ARDVAE, n_components=4, beta=0.05)
    pipeline = make_pipeline(StandardScaler(), model).set_output(transform="pandas")
    pipeline.fit(named)
    for cls in (*OF_ONE_FIT, SampleDisplay):
        from_estimator(cls, pipeline, named)
        plt.close("all")


@pytest.mark.parametrize("cls", DISPLAYS)
def test_legends_hide_nothing_and_are_not_cut(cls, models, named, scaled):
    display = from_estimator(cls, models["ARDVAECV"], scaled)
    display.figure_.canvas.draw()
    width, height = display.figure_.canvas.get_width_height()
    for panel in getattr(display, "axes_", [display.ax_]):
        if panel.legend_ is None:
            continue
        inside, box = panel.get_window_extent(), panel.legend_.get_window_extent()
        top = panel.title.get_window_extent().y1 if panel.get_title() else inside.y1
        assert box.y0 >= top
        assert 0 <= box.x0 < box.x1 <= width
        assert box.y1 <= height


@pytest.mark.parametrize("cls", DISPLAYS)
def test_what_is_black_is_white_on_black(cls, models, scaled):
    with plt.style.context("dark_background"):
        display = from_estimator(cls, models["ARDVAECV"], scaled)
        display.figure_.canvas.draw()
        for panel in getattr(display, "axes_", [display.ax_]):
            for artist in (*panel.lines, *panel.collections, *panel.patches):
                if isinstance(artist, Collection):
                    colors = (*artist.get_facecolor(), *artist.get_edgecolor())
                elif isinstance(artist, Patch):
                    colors = (artist.get_facecolor(),)
                else:
                    colors = (artist.get_color(),)
                assert "#000000" not in {to_hex(color) for color in colors}


def test_figures_grow_with_their_fonts(models, scaled):
    sizes = []
    for size in (8, 10, 20):
        with plt.rc_context({"font.size": size}):
            display = RelevanceDisplay.from_estimator(models["VAE"])
            other = TrainingDisplay.from_estimator(models["VAE"])
            sizes.append(
                [d.figure_.get_size_inches().tolist() for d in (display, other)]
            )
    small, usual, large = np.array(sizes)
    np.testing.assert_array_equal(small, usual)
    np.testing.assert_allclose(large, 2 * usual)


# Of Machado, Oliveira, Fernandes 2009, for whom one kind of cone is missing.
SEEN_BY = {
    "protanope": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranope": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanope": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("who", SEEN_BY)
def test_colours_are_told_apart(who):
    palette = np.array([to_rgb(color) for color in drawing.categories()])
    linear = np.where(
        palette <= 0.04045, palette / 12.92, ((palette + 0.055) / 1.055) ** 2.4
    )
    seen = np.clip(linear @ np.transpose(SEEN_BY[who]), 0.0, 1.0)
    to_xyz = [
        [0.4124, 0.3576, 0.1805],
        [0.2126, 0.7152, 0.0722],
        [0.0193, 0.1192, 0.9505],
    ]
    xyz = seen @ np.transpose(to_xyz) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lightness, red, blue = 116 * f[:, 1] - 16, f[:, 0] - f[:, 1], f[:, 1] - f[:, 2]
    places = np.column_stack((lightness, 500 * red, 200 * blue))
    # Of CIELAB, in which 2.3 is a difference that is just seen.
    assert pdist(places).min() > 15


# --- each of them -------------------------------------------------------------------


class TestRelevance:
    @pytest.mark.parametrize("name", IDS)
    def test_it_shows_the_axes_in_order(self, name, models):
        model = models[name]
        display = RelevanceDisplay.from_estimator(model)
        order = [int(t.get_text()) for t in display.ax_.get_xticklabels()]
        n_active = model.n_active_components_
        assert order[:n_active] == model.active_components_.tolist()
        heights = [bar.get_height() for bar in display.bars_]
        np.testing.assert_array_equal(heights, model.relevance_[order])
        shares = np.cumsum(model.relevance_ratio_[order], dtype=float)
        np.testing.assert_allclose(display.line_.get_ydata(), shares, atol=1e-6)
        colors = {bar.get_facecolor() for bar in display.bars_[:n_active]}
        others = {bar.get_facecolor() for bar in display.bars_[n_active:]}
        assert len(colors) <= 1
        assert not colors & others

    def test_a_threshold_is_shown_where_it_decides(self, models):
        of = RelevanceDisplay.from_estimator
        assert of(models["Autoencoder"]).threshold == 0.99
        assert of(models["ARDVAE"]).threshold is None  # evidence decides
        assert of(models["MaskAAE"]).threshold is None
        display = of(models["Autoencoder"]).plot()
        (line,) = (o for o in display.cumulative_ax_.lines if o is not display.line_)
        assert set(line.get_ydata()) == {0.99}

    def test_intervals_are_those_of_the_prior_variances(self, models):
        model = models["ARDVAECV"]
        display = RelevanceDisplay.from_estimator(model, confidence=0.8)
        # Relevance is a weight of the decoder times the prior variance.
        weights = model.relevance_ / model.prior_variance_
        ends = weights[:, None] * model.prior_variance_interval(0.8)
        np.testing.assert_allclose(display.intervals, ends, rtol=1e-6)
        assert np.all(ends[:, 0] < model.relevance_)
        assert np.all(model.relevance_ < ends[:, 1])
        (lines,) = display.plot().ax_.collections
        order = [int(t.get_text()) for t in display.ax_.get_xticklabels()]
        drawn_ends = [segment[:, 1] for segment in lines.get_segments()]
        np.testing.assert_allclose(drawn_ends, ends[order], rtol=1e-6)
        assert RelevanceDisplay.from_estimator(models["VAE"]).intervals is None

    def test_the_legend_has_the_numbers(self, models):
        display = RelevanceDisplay.from_estimator(models["ARDVAECV"], confidence=0.8)
        texts = [text.get_text() for text in display.ax_.legend_.get_texts()]
        assert texts == ["99% of the total", "80% interval"]
        display = RelevanceDisplay([3.0, 1.0], [0], threshold=0.999).plot()
        (text,) = display.ax_.legend_.get_texts()
        assert text.get_text() == "99.9% of the total"
        assert RelevanceDisplay([3.0, 1.0], [0]).plot().ax_.legend_ is None

    def test_numbers_that_cannot_be_are_refused(self, models):
        for n_axes in (0, -1):
            with pytest.raises(ValueError, match="n_axes"):
                RelevanceDisplay([3.0, 1.0], [0]).plot(n_axes=n_axes)
        for name in ("VAE", "ARDVAECV"):
            with pytest.raises(ValueError, match="confidence"):
                RelevanceDisplay.from_estimator(models[name], confidence=1.5)

    def test_active_axes_come_first_whatever_their_relevance(self):
        display = RelevanceDisplay([4.0, 1.0, 2.0, 3.0], [2, 1]).plot()
        heights = [bar.get_height() for bar in display.bars_]
        assert heights == [2.0, 1.0, 4.0, 3.0]
        assert len(display.plot(n_axes=3).bars_) == 3

    def test_axes_without_relevance_can_be_drawn(self):
        display = RelevanceDisplay(np.zeros(20), []).plot()
        assert len(display.bars_) == 10
        assert not np.any(display.line_.get_ydata())


class TestTraversal:
    @pytest.mark.parametrize("name", ["ARDVAE", "VAE", "IRMAE", "MaskAAE"])
    def test_values_are_those_of_codes_made_by_hand(self, name, models, scaled):
        model = models[name]
        display = LatentTraversalDisplay.from_estimator(
            model, scaled, n_axes=2, n_steps=5, span=2.0
        )
        codes = model.transform(scaled)
        for i, axis in enumerate(model.active_components_[:2]):
            is_all = model.output_components == "all"
            column = axis if is_all else i
            for step, value in zip((-2, -1, 0, 1, 2), display.values[i], strict=True):
                z = codes.mean(0)
                z[column] += step * codes[:, column].std()
                expected = model.inverse_transform(z[np.newaxis])[0]
                np.testing.assert_allclose(value, expected, atol=1e-5)
        np.testing.assert_allclose(display.values[0][2], display.base, atol=1e-5)
        share = f"{model.relevance_ratio_[model.active_components_[0]]:.0%}"
        label = f"axis {model.active_components_[0]} ({share})"
        assert display.axis_labels[0] == label

    def test_it_goes_through_a_row(self, models, scaled):
        model = models["VAE"]
        display = LatentTraversalDisplay.from_estimator(model, scaled, around=7)
        expected = model.inverse_transform(model.transform(scaled[7:8]))[0]
        np.testing.assert_allclose(display.base, expected, atol=1e-5)

    def test_grey_images(self, models, scaled):
        display = LatentTraversalDisplay.from_estimator(
            models["VAE"], scaled, image_shape=(3, 4)
        )
        n_axes, n_steps, _ = display.values.shape
        expected = display.values.reshape(n_axes, n_steps, 3, 4)
        np.testing.assert_array_equal(drawn(display.artists_), expected)
        limits = {image.get_clim() for image in display.artists_.ravel()}
        assert limits == {(scaled.min(), scaled.max())}
        # Image (i, j) is at row i and column j.
        centre = np.mean(display.artists_[1, 2].get_extent()[:2])
        assert (centre, np.mean(display.artists_[1, 2].get_extent()[2:])) == (2.0, 1.0)
        labels = [label.get_text() for label in display.ax_.get_xticklabels()]
        assert labels == ["-3", "-2", "-1", "0", "+1", "+2", "+3"]

    def test_coloured_images_of_an_input_shape(self, images):
        colored, model = images
        display = LatentTraversalDisplay.from_estimator(model, colored)
        shown = np.moveaxis(drawn(display.artists_), -1, 2)
        expected = np.clip(display.values, 0.0, 1.0)
        np.testing.assert_allclose(shown.reshape(expected.shape), expected, atol=1e-6)

    def test_curves(self, models, scaled):
        display = LatentTraversalDisplay.from_estimator(
            models["VAE"], scaled, kind="curve"
        )
        assert len(display.axes_) == len(display.values)
        for lines, curves in zip(display.artists_, display.values, strict=True):
            for line, curve in zip(lines, curves, strict=True):
                np.testing.assert_array_equal(line.get_ydata(), curve)
        assert len({to_hex(line.get_color()) for line in display.artists_[0]}) == 7

    def test_tables_show_effects_in_deviations(self, named, pipeline):
        display = LatentTraversalDisplay.from_estimator(pipeline, named)
        values = np.asarray(display.values)
        effects = (values - display.base) / named.to_numpy().std(0)
        for i, points in enumerate(display.artists_):
            for j, some in enumerate(points):
                np.testing.assert_allclose(some.get_offsets()[:, 0], effects[i, j])
        shown = [label.get_text() for label in display.ax_.get_yticklabels()]
        assert shown == list(named)

    def test_tables_of_many_features_show_those_that_move(self):
        values = np.zeros((1, 2, 5))
        values[0, :, 1], values[0, :, 4] = [-1.0, 1.0], [2.0, 0.0]
        display = LatentTraversalDisplay(values, [-1, 1], np.zeros(5))
        display.plot(max_features=2)
        shown = [label.get_text() for label in display.ax_.get_yticklabels()]
        assert shown == ["x1", "x4"]

    def test_constant_features_do_not_hide_the_others(self):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((80, 2)) @ rng.standard_normal((2, 5))
        X[:, 3] = 0.1  # whose deviation is 1e-17 in floating point
        assert X[:, 3].std() > 0.0
        model = fast(ARDVAE, beta=0.05).fit(X)
        display = LatentTraversalDisplay.from_estimator(model, X)
        scales = X.std(0)
        scales[3] = 1.0
        np.testing.assert_array_equal(display.feature_scales, scales)

    def test_all_axes_are_drawn_if_there_are_few(self, named):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((60, 14))
        linear = {"hidden_layer_sizes": (), "max_iter": 10, "learning_rate": 0.02}
        model = fast(Autoencoder, n_components=14, **linear).fit(X)
        of = LatentTraversalDisplay.from_estimator
        assert model.n_active_components_ == 14
        images = {"image_shape": (2, 7)}
        assert len(of(model, X, **images).artists_) == 12
        assert len(of(model, X, n_axes=None, **images).artists_) == 14
        assert len(of(model, X, n_axes=np.int64(2), **images).artists_) == 2

    def test_one_row_has_no_deviation(self, models, scaled):
        with pytest.raises(ValueError, match="X has 1 row"):
            LatentTraversalDisplay.from_estimator(models["VAE"], scaled[:1], around=0)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"n_axes": 0},
            {"n_steps": 1},
            {"span": 0.0},
            {"span": np.nan},
            {"around": 200},
            {"around": -1},
            {"max_features": 0},
        ],
    )
    def test_what_cannot_be_is_refused(self, wrong, models, scaled):
        (name,) = wrong
        with pytest.raises(ValueError, match=name):
            LatentTraversalDisplay.from_estimator(models["VAE"], scaled, **wrong)


class TestRows:
    """How rows are shown, of any display of rows."""

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"kind": "sound"}, "kind must be one of .*'sound'"),
            ({"kind": "image"}, r"needs image_shape=\(height, width\)"),
            ({"image_shape": (3, 3)}, r"\(3, 3\) must be .*, of 12 numbers"),
            ({"image_shape": (12,)}, r"image_shape=\(12,\) must be"),
            ({"image_shape": 12}, "image_shape=12 must be"),
            ({"image_shape": (-3, -4)}, r"image_shape=\(-3, -4\) must be"),
            ({"image_shape": (6, 1, 2)}, "has 6 channels, or 2 if they come last"),
            ({"image_shape": (3, 4), "limits": (1, 0)}, r"limits must .* \(1, 0\)"),
            ({"image_shape": (3, 4), "limits": (0, np.nan)}, "limits must"),
            ({"image_shape": (3, 4), "limits": (1,)}, r"limits must .* \(1,\)"),
            ({"feature_names": ["a"]}, "1 names for 12 features"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, wrong, message, scaled):
        with pytest.raises(ValueError, match=message):
            SampleDisplay(scaled, **wrong).plot()

    @pytest.mark.parametrize(
        ("input_shape", "kind", "image_shape"),
        [
            ((12,), "curve", None),
            ((1, 12), "curve", None),
            ((3, 4), "auto", (3, 4)),
            ((1, 3, 4), "auto", (1, 3, 4)),
            ((2, 3, 2), "auto", None),
        ],
    )
    def test_the_shape_of_a_model_tells(self, input_shape, kind, image_shape, scaled):
        model = fast(Autoencoder, input_shape=input_shape, max_iter=1).fit(scaled)
        display = SampleDisplay.from_estimator(model, scaled, n_samples=3)
        assert (display.kind, display.image_shape) == (kind, image_shape)
        assert SampleDisplay.from_estimator(model, kind="table").image_shape is None
        display.plot()

    def test_channels_may_come_last(self, images):
        colored, _ = images
        last = np.moveaxis(colored, 1, -1)
        flat = last.reshape(len(last), -1)
        shown = [
            ReconstructionDisplay(rows, rows, image_shape=shape).plot()
            for rows, shape in (
                (flat, (2, 2, 3)),
                (colored.reshape(len(colored), -1), (3, 2, 2)),
            )
        ]
        np.testing.assert_allclose(drawn(shown[0].artists_)[:, 0], last[:100])
        np.testing.assert_allclose(drawn(shown[1].artists_)[:, 0], last[:100])
        model = fast(Autoencoder, input_shape=(2, 2, 3), max_iter=1).fit(last)
        display = ReconstructionDisplay.from_estimator(model, last)
        assert display.image_shape == (2, 2, 3)
        np.testing.assert_allclose(drawn(display.artists_)[:, 0], last[:100])

    def test_the_height_of_images_is_that_of_their_shape(self):
        for shape in ((2, 6), (1, 2, 6), (2, 6, 1), (3, 2, 6), (2, 6, 3)):
            rows = np.zeros((1, np.prod(shape)))
            display = SampleDisplay(rows, image_shape=shape).plot()
            assert display.artists_[0].get_array().shape[:2] == (2, 6)
            assert display.ax_.get_aspect() == 2 / 6

    def test_long_names_are_cut_and_stay_different(self):
        long = [f"a measured quantity, number {i}, in milligrams" for i in range(3)]
        other = "concentration of a substance that has a name"
        X = np.random.default_rng(0).standard_normal((9, 6))
        names = [*long, other, "short", "other"]
        display = SampleDisplay(X, feature_names=names).plot()
        titles = [panel.get_title() for panel in display.axes_]
        assert titles[:3] == [
            f"a measured qua\N{HORIZONTAL ELLIPSIS} ({i})" for i in range(3)
        ]
        assert titles[3] == "concentration \N{HORIZONTAL ELLIPSIS}hat has a name"
        assert titles[4:] == ["short", "other"]

    def test_frames_of_several_types_can_be_drawn(self, named):
        frame = named.astype({"feature 0": "Float64"})
        model = fast(ARDVAE, beta=0.05, max_iter=1).fit(named.to_numpy())
        display = ReconstructionDisplay.from_estimator(model, frame.to_numpy(object))
        assert display.X.dtype == np.float64
        np.testing.assert_array_equal(display.X, named)

    def test_black_and_white_are_those_that_are_asked_for(self, scaled):
        display = SampleDisplay(scaled[:4], image_shape=(3, 4), limits=(-9.0, 9.0))
        image = display.plot().artists_[0]
        assert image.get_clim() == (-9.0, 9.0)
        colored = SampleDisplay(scaled[:4], image_shape=(3, 2, 2), limits=(-9.0, 9.0))
        pixels = colored.plot().artists_[1].get_array()
        expected = (np.moveaxis(scaled[1].reshape(3, 2, 2), 0, 2) + 9.0) / 18.0
        np.testing.assert_allclose(pixels, expected)


class TestReconstruction:
    def test_images_are_below_each_other(self, models, scaled):
        model = models["IRMAE"]
        display = ReconstructionDisplay.from_estimator(
            model, scaled[:7], image_shape=(3, 4), n_columns=4
        )
        shown = drawn(display.artists_).reshape(7, 2, 12)
        np.testing.assert_array_equal(shown[:, 0], scaled[:7])
        np.testing.assert_array_equal(shown[:, 1], model.reconstruct(scaled[:7]))
        given, made = (image.get_extent() for image in display.artists_[5])
        assert given[:2] == made[:2]
        assert np.mean(made[2:]) == np.mean(given[2:]) + 1.0 == 3.0

    def test_coloured_images_may_leave_places_empty(self, images):
        colored, model = images
        display = ReconstructionDisplay.from_estimator(model, colored[:3])
        shown = drawn(display.plot(n_columns=2).artists_)
        np.testing.assert_allclose(
            shown[:, 0], np.moveaxis(colored[:3], 1, -1), atol=1e-7
        )
        display.figure_.canvas.draw()

    def test_curves(self, models, scaled):
        model = models["VAE"]
        display = ReconstructionDisplay.from_estimator(model, scaled, kind="curve")
        display.plot(max_panels=3)
        made = model.reconstruct(scaled)
        for i, (given, reconstructed) in enumerate(display.artists_):
            np.testing.assert_array_equal(given.get_ydata(), scaled[i])
            np.testing.assert_array_equal(reconstructed.get_ydata(), made[i])
        assert len(display.axes_) == 3

    def test_tables_show_the_worst_features(self):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((50, 3)) * [1.0, 100.0, 1.0]
        made = X + rng.standard_normal((50, 3)) * [0.5, 1.0, 0.7]
        display = ReconstructionDisplay(X, made, feature_names=list("abc"))
        display.plot(max_panels=2)
        for panel, points, i in zip(
            display.axes_, display.artists_, (0, 2), strict=True
        ):
            np.testing.assert_array_equal(
                points.get_offsets(), np.column_stack((X[:, i], made[:, i]))
            )
            kept = r2_score(X[:, i], made[:, i])
            assert panel.get_title() == f"{'abc'[i]}\nR\N{SUPERSCRIPT TWO} = {kept:.2f}"

    def test_constant_features_have_lost_nothing(self):
        rng = np.random.default_rng(0)
        X = np.column_stack((np.full(50, 0.1), rng.standard_normal(50)))
        display = ReconstructionDisplay(X, X + 1e-6).plot()
        titles = [panel.get_title() for panel in display.axes_]
        assert titles == ["x0\nconstant", "x1\nR\N{SUPERSCRIPT TWO} = 1.00"]
        # What explains nothing is not said to explain -0.
        display = ReconstructionDisplay(X, np.full_like(X, X.mean(0) + 1e-9)).plot()
        assert display.axes_[1].get_title().endswith(" 0.00")

    def test_of_many_points_each_is_small_and_the_line_is_seen(self):
        X = np.random.default_rng(0).standard_normal((20_000, 1))
        few, many = (ReconstructionDisplay(x, x).plot() for x in (X[:100], X))
        (points,), (others,) = few.artists_, many.artists_
        assert others.get_sizes() < points.get_sizes() / 3
        assert others.get_alpha() < points.get_alpha()
        (line,) = many.ax_.lines
        assert line.get_zorder() > others.get_zorder()

    def test_of_many_images_the_first_are_drawn(self, scaled):
        display = ReconstructionDisplay(scaled, scaled, image_shape=(3, 4)).plot()
        assert display.artists_.shape == (100, 2)
        assert display.plot(max_images=7).artists_.shape == (7, 2)

    def test_shapes_that_differ_are_refused(self, scaled):
        for other in (scaled[:-1], scaled[:, :-1], scaled[0]):
            with pytest.raises(ValueError, match=r"X of shape \(200, 12\)"):
                ReconstructionDisplay(scaled, other).plot()
        with pytest.raises(ValueError, match="nothing to draw"):
            ReconstructionDisplay(scaled[:0], scaled[:0], kind="curve").plot()


class TestSample:
    def test_images(self, models):
        model = models["VAE"]
        display = SampleDisplay.from_estimator(
            model, n_samples=7, random_state=3, image_shape=(3, 4), n_columns=4
        )
        expected = model.sample(7, random_state=3).reshape(7, 3, 4)
        np.testing.assert_array_equal(drawn(display.artists_), expected)

    def test_data_tell_what_is_black_and_white(self, models, scaled):
        display = SampleDisplay.from_estimator(
            models["VAE"], scaled, n_samples=3, image_shape=(3, 4)
        )
        assert display.artists_[0].get_clim() == (scaled.min(), scaled.max())

    def test_curves_in_front_of_data(self, models, scaled):
        display = SampleDisplay.from_estimator(
            models["VAE"], scaled, n_samples=5, random_state=0, kind="curve"
        )
        shown = [line.get_ydata() for line in display.artists_]
        np.testing.assert_array_equal(shown, models["VAE"].sample(5, random_state=0))
        others = [o.get_ydata() for o in display.ax_.lines if o not in display.artists_]
        np.testing.assert_array_equal(others, scaled[:5])

    def test_histograms_of_tables(self, models, scaled):
        display = SampleDisplay.from_estimator(
            models["VAE"], scaled, n_samples=50, random_state=0, max_panels=5
        )
        samples = models["VAE"].sample(50, random_state=0)
        assert len(display.axes_) == 5
        for i, (density, edges, _) in enumerate(display.artists_):
            expected, _ = np.histogram(samples[:, i], edges, density=True)
            np.testing.assert_allclose(density, expected)

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (lambda X: X[:, :9], "X has 9 features"),
            (lambda X: X[0], "Expected 2D array"),
            (lambda X: np.where(X[3, 4] == X, np.nan, X), "X contains NaN"),
        ],
    )
    def test_data_are_those_of_the_estimator(self, wrong, message, models, scaled):
        with pytest.raises(ValueError, match=message):
            SampleDisplay.from_estimator(models["VAE"], wrong(scaled))

    def test_a_density_is_fitted_to_the_rows(self, models, scaled):
        kernels = KernelDensity(bandwidth=0.1)
        display = SampleDisplay.from_estimator(
            models["VAE"], scaled, n_samples=5, density=kernels, random_state=0
        )
        expected = models["VAE"].sample(5, 0, density=kernels, X=scaled)
        np.testing.assert_array_equal(display.samples, expected)


class TestTraining:
    @pytest.mark.parametrize("name", IDS)
    def test_every_entry_is_a_line(self, name, models):
        history = models[name].history_
        display = TrainingDisplay.from_estimator(models[name])
        assert set(display.lines_) == set(history)
        for entry, line in display.lines_.items():
            np.testing.assert_array_equal(line.get_ydata(), history[entry])
            assert line.get_xdata().tolist() == list(range(1, models[name].n_iter_ + 1))

    def test_validation_shares_the_panel_of_its_term(self):
        history = {"train_loss": [3.0, 1.0], "valid_loss": [4.0, 2.0], "beta": [1, 2]}
        display = TrainingDisplay(history).plot()
        first, second = display.axes_
        assert display.lines_["train_loss"].axes is first
        assert display.lines_["valid_loss"].axes is first
        assert display.lines_["beta"].axes is second
        assert first.get_title() == "loss"

    def test_decades_have_a_logarithmic_axis(self):
        nan = float("nan")
        history = {"train_loss": [1e4, nan, 1.0], "train_kl": [1e4, 0.0, 1.0]}
        scales = [p.get_yscale() for p in TrainingDisplay(history).plot().axes_]
        assert scales == ["log", "linear"]

    def test_an_epoch_alone_is_seen(self):
        nan = float("nan")
        history = {"train_loss": [3.0], "n_active": [nan, 8, nan, 7, 6], "beta": [1, 2]}
        markers = {
            k: v.get_marker() for k, v in TrainingDisplay(history).plot().lines_.items()
        }
        assert markers == {"train_loss": ".", "n_active": ".", "beta": ""}

    def test_counts_have_whole_ticks(self):
        for counts in ([8, 8, 8], [7, 8, 8]):
            panel = TrainingDisplay({"n_active": counts}).plot().ax_
            low, high = panel.get_ylim()
            ticks = [tick for tick in panel.get_yticks() if low <= tick <= high]
            assert ticks == sorted(set(counts))

    def test_an_empty_history_is_refused(self):
        with pytest.raises(ValueError, match="nothing to draw"):
            TrainingDisplay({}).plot()


class TestLatentSpace:
    def test_points_are_the_codes_of_each_class(self, models, scaled):
        model, y = models["VAE"], np.arange(200) % 3
        display = LatentSpaceDisplay.from_estimator(model, scaled, y, n_axes=3)
        codes = model.transform(scaled)[:, model.active_components_]
        n_axes = min(3, codes.shape[1])
        pairs = [(i, j) for i in range(n_axes) for j in range(i + 1, n_axes)]
        assert len(display.points_) == len(pairs)
        for (i, j), points in zip(pairs, display.points_, strict=True):
            for k, some in enumerate(points):
                expected = codes[y == k][:, [i, j]]
                np.testing.assert_allclose(some.get_offsets(), expected)
        colors = {to_hex(some.get_facecolor()[0]) for some in display.points_[0]}
        assert len(colors) == 3
        labels = [text.get_text() for text in display.axes_[-1].legend_.get_texts()]
        assert labels == ["0", "1", "2"]

    def test_ellipses_have_the_deviations_of_the_posterior(self, models, scaled):
        model = models["ARDVAECV"]
        display = LatentSpaceDisplay.from_estimator(model, scaled)
        display.plot(n_deviations=2.0)
        q = model.code_posterior(scaled)
        display.figure_.canvas.draw()
        (ellipses,) = display.ellipses_
        np.testing.assert_allclose(ellipses.get_offsets(), q.mean[:, :2])
        # From the unit circle to ellipses in units of the data.
        sizes = ellipses.get_transforms()[:, [0, 1], [0, 1]]
        np.testing.assert_allclose(sizes, 2.0 * q.std[:, :2], rtol=1e-5)
        (points,) = display.points_[0]
        np.testing.assert_allclose(points.get_offsets(), q.mean[:, :2])

    def test_a_method_without_posterior_has_none(self, models, scaled):
        display = LatentSpaceDisplay.from_estimator(models["IRMAE"], scaled)
        assert display.std is None
        assert display.plot().ellipses_ == []

    def test_numbers_have_a_scale(self, models, scaled):
        y = scaled[:, 0]
        display = LatentSpaceDisplay.from_estimator(models["VAE"], scaled, y)
        (points,) = display.points_[0]
        np.testing.assert_array_equal(points.get_array(), y)
        assert len(display.figure_.axes) == 2
        display.figure_.canvas.draw()
        # Ellipses are of the colours of their points, but for the transparency.
        colors = display.ellipses_[0].get_facecolor()[:, :3]
        np.testing.assert_allclose(colors, points.get_facecolor()[:, :3])

    def test_one_axis_is_a_histogram(self):
        codes = np.arange(10.0)[:, np.newaxis]
        for y in (None, np.arange(10) % 2, np.arange(10)):
            display = LatentSpaceDisplay(codes, codes, y).plot()
            assert sum(bar.get_height() for bar in display.ax_.patches) == 10
            assert display.points_ == [[]]

    def test_numbers_are_drawn_over_one_axis(self):
        codes, y = np.arange(10.0)[:, np.newaxis], np.linspace(0.5, 1, 10)
        y[3] = np.nan
        display = LatentSpaceDisplay(codes, y=y).plot()
        ((points,),) = display.points_
        at = np.column_stack((codes, y))
        np.testing.assert_array_equal(points.get_offsets()[:3], at[:3])
        assert points.get_offsets().mask.any(axis=1).nonzero()[0].tolist() == [3]
        assert display.ax_.get_ylabel() == "y"
        assert len(display.figure_.axes) == 1

    @pytest.mark.parametrize(
        ("y", "names", "members"),
        [
            ([True, False, True], ["False", "True"], [[1], [0, 2]]),
            (["b", None, "a"], ["a", "b", "missing"], [[2], [0], [1]]),
            ([2.0, np.nan, 10.0], ["2", "10", "missing"], [[0], [2], [1]]),
            ([[2], [0], [2]], ["0", "2"], [[1], [0, 2]]),
            ([np.nan] * 3, ["missing"], [[0, 1, 2]]),
            (np.array([1, "a", 2.5], dtype=object), ["1", "2.5", "a"], [[0], [2], [1]]),
            (pd.array([7, None, 3], dtype="Int64"), ["3", "7", "missing"], None),
            (pd.array([True, None, False], dtype="boolean"), None, [[2], [0], [1]]),
            (pd.array(["x", None, "y"], dtype="string"), ["x", "y", "missing"], None),
            # Of a categorical, as it says, without those that no row has.
            (
                pd.Categorical(["low", "high", "low"], ["low", "middle", "high"]),
                ["low", "high"],
                [[0, 2], [1]],
            ),
            (
                pd.Series(["b", None, "a"], dtype=pd.CategoricalDtype(["b", "a"])),
                ["b", "a", "missing"],
                [[0], [2], [1]],
            ),
        ],
    )
    def test_y_of_any_type_has_classes(self, y, names, members):
        codes = np.arange(6.0).reshape(3, 2)
        display = LatentSpaceDisplay(codes, np.ones((3, 2)), y).plot()
        texts = [text.get_text() for text in display.ax_.legend_.get_texts()]
        if names is not None:
            assert texts == names
        if members is not None:
            found = [points.get_offsets().tolist() for points in display.points_[0]]
            assert found == [codes[rows].tolist() for rows in members]
        # Ellipses have the colours of their points.
        of_row = {
            tuple(at): points.get_facecolor()[0][:3]
            for points in display.points_[0]
            for at in points.get_offsets()
        }
        expected = [of_row[tuple(at)] for at in codes]
        shown = display.ellipses_[0].get_facecolor()[:, :3]
        np.testing.assert_array_equal(shown, expected)

    @pytest.mark.parametrize("y", [[0.5, np.nan, 1.5], [0.5, None, 0.5]])
    def test_numbers_may_be_missing(self, y):
        codes = np.arange(6.0).reshape(3, 2)
        series = pd.Series(y, dtype=object, name="alcohol")
        display = LatentSpaceDisplay(codes, np.ones((3, 2)), series).plot()
        numbers, missing = display.points_[0]
        assert numbers.get_offsets().tolist() == codes[[0, 2]].tolist()
        assert missing.get_offsets().tolist() == codes[[1]].tolist()
        display.figure_.canvas.draw()
        colors = display.ellipses_[0].get_facecolor()[[0, 2], :3]
        np.testing.assert_allclose(colors, numbers.get_facecolor()[:, :3])
        assert display.figure_.axes[-1].get_ylabel() == "alcohol"

    def test_classes_differ_in_form_and_colour(self):
        codes = np.random.default_rng(0).standard_normal((280, 2))
        display = LatentSpaceDisplay(codes, y=np.arange(280) % 28).plot()
        looks = {
            (
                to_hex(points.get_facecolor()[0]),
                points.get_paths()[0].vertices.tobytes(),
            )
            for points in display.points_[0]
        }
        assert len(looks) == 28
        # The legend is within the figure, and leaves the axes their height.
        display.figure_.canvas.draw()
        legend = display.ax_.legend_.get_window_extent()
        width, height = display.figure_.canvas.get_width_height()
        assert 0 < legend.y0 < legend.y1 < height
        assert legend.x1 <= width
        assert display.ax_.get_position().height > 0.75

    def test_few_of_many_rows_have_ellipses(self):
        codes = np.random.default_rng(0).standard_normal((50, 2))
        display = LatentSpaceDisplay(codes, np.ones((50, 2)))
        assert len(display.plot(max_ellipses=20).ellipses_[0].get_offsets()) == 20
        assert display.plot(max_ellipses=0).ellipses_ == []

    def test_y_that_does_not_fit_is_refused(self):
        codes = np.zeros((30, 2))
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            LatentSpaceDisplay(codes, y=np.zeros(29)).plot()
        with pytest.raises(ValueError, match=r"y must be of shape .* \(30, 2\)"):
            LatentSpaceDisplay(codes, y=codes).plot()
        with pytest.raises(ValueError, match="y holds infinite numbers"):
            LatentSpaceDisplay(codes, y=np.full(30, np.inf)).plot()
        with pytest.raises(ValueError, match="n_deviations"):
            LatentSpaceDisplay(codes, codes + 1.0).plot(n_deviations=0)
        with pytest.raises(ValueError, match="axis_labels holds 1 names for 2 axes"):
            LatentSpaceDisplay(codes, axis_labels=["a"]).plot()
        names = [f"class {i}" for i in range(30)]
        with pytest.raises(ValueError, match="holds 30 classes, but 28 are the most"):
            LatentSpaceDisplay(codes, y=names).plot()


class TestBetaPath:
    def test_lines_are_means_and_medians_over_folds(self):
        rng = np.random.default_rng(0)
        evidence = rng.standard_normal((4, 3))
        counts = rng.integers(0, 9, (4, 3))
        betas = np.array([1.0, 0.1, 0.01, 0.001])
        display = BetaPathDisplay(betas, evidence, counts).plot()
        (line,), (count,) = display.evidence_lines_, display.count_lines_
        np.testing.assert_array_equal(line.get_xdata(), betas)
        np.testing.assert_allclose(line.get_ydata(), evidence.mean(1))
        np.testing.assert_array_equal(count.get_ydata(), np.median(counts, axis=1))
        (bars,) = display.ax_.collections
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        error = evidence.std(1, ddof=1) / np.sqrt(3)
        np.testing.assert_allclose(np.ptp(ends, axis=1), 2 * error)

    def test_of_an_estimator(self, models):
        model = models["ARDVAECV"]
        display = BetaPathDisplay.from_estimator(model)
        assert display.beta == model.beta_
        assert display.plateau == model.plateau_
        assert display.sizes is None
        np.testing.assert_array_equal(display.evidence_path, model.evidence_path_)

    def test_each_latent_size_has_a_line(self, scaled):
        search = fast(ARDVAECV, n_components=[2, 3], betas=[1.0, 0.1], max_iter=1)
        display = BetaPathDisplay.from_estimator(search.fit(scaled))
        for i, line in enumerate(display.evidence_lines_):
            expected = search.evidence_path_[:, i].mean(1)
            np.testing.assert_allclose(line.get_ydata(), expected)
        labels = [text.get_text() for text in display.ax_.legend_.get_texts()]
        assert labels[:3] == ["chosen, 1", "from 2 components", "from 3 components"]

    def test_one_beta_is_a_point(self):
        display = BetaPathDisplay([0.1], [[1.0, 2.0]], [[3, 4]], beta=0.1).plot()
        display.figure_.canvas.draw()
        for (line,) in (display.evidence_lines_, display.count_lines_):
            assert line.get_marker() == "o"
            low, high = line.axes.get_xlim()
            assert low < 0.1 < high

    def test_one_fold_has_no_error(self):
        display = BetaPathDisplay([1.0, 0.1], [[1.0], [2.0]], [[1], [2]]).plot()
        assert not display.ax_.collections


class TestDimension:
    def test_probabilities_and_local_dimensions(self, models, scaled):
        model = models["ARDVAE"]
        display = DimensionDisplay.from_estimator(model, scaled)
        for bar in display.bars_:
            count = round(bar.get_x() + bar.get_width() / 2)
            assert bar.get_height() == model.count_probabilities_[count]
        np.testing.assert_array_equal(
            display.points_.get_array(), model.local_dimension(scaled)
        )
        codes = model.transform(scaled)[:, :2]
        np.testing.assert_allclose(display.points_.get_offsets(), codes)
        found = {bar.get_facecolor() for bar in display.bars_}
        assert len(found) == 2

    def test_it_shows_what_there_is(self, models, scaled):
        assert len(DimensionDisplay.from_estimator(models["ARDVAE"]).axes_) == 1
        display = DimensionDisplay.from_estimator(models["VAE"], scaled)
        assert len(display.axes_) == 1
        assert display.bars_ is None
        with pytest.raises(ValueError, match="VAE has no count_probabilities_; pass X"):
            DimensionDisplay.from_estimator(models["VAE"])
        with pytest.raises(ValueError, match="nothing to draw"):
            DimensionDisplay(3).plot()

    def test_an_ensemble_has_shares(self, models, scaled):
        several = [models[name] for name in ("NGVAE", "VAE", "ARDVAE", "VAE", "IRMAE")]
        counts = [model.n_active_components_ for model in several]
        usual = statistics.multimode(sorted(counts))[0]
        first = several[counts.index(usual)]
        display = DimensionDisplay.from_estimator(several, scaled)
        assert display.n_active == usual
        np.testing.assert_array_equal(display.counts, counts)
        np.testing.assert_allclose(display.codes, first.transform(scaled)[:, :2])
        for bar in display.bars_:
            count = round(bar.get_x() + bar.get_width() / 2)
            assert bar.get_height() == counts.count(count) / 5
        assert display.ax_.get_ylabel() == "share of 5 fits"
        assert len(DimensionDisplay.from_estimator(several).axes_) == 1
        with pytest.raises(ValueError, match="estimator is an empty list"):
            DimensionDisplay.from_estimator([])

    def test_without_an_axis_there_are_probabilities(self, scaled):
        rng = np.random.default_rng(0)
        noise = rng.standard_normal((200, 4))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that no axis is active
            model = ARDVAE(4, max_iter=20, random_state=0).fit(noise)
        assert model.n_active_components_ == 0
        display = DimensionDisplay.from_estimator(model, noise)
        assert display.codes is None
        assert display.points_ is None
        heights = [bar.get_height() for bar in display.bars_]
        expected = model.count_probabilities_[: len(heights)]
        np.testing.assert_array_equal(heights, expected)

    def test_one_axis_is_drawn_against_the_dimension(self):
        codes, local = np.arange(5.0)[:, np.newaxis], np.linspace(1, 2, 5)
        display = DimensionDisplay(1, codes=codes, local_dimension=local).plot()
        np.testing.assert_array_equal(
            display.points_.get_offsets(), np.column_stack((codes, local))
        )

    def test_too_few_rows_say_so(self):
        nan = np.full(3, np.nan)
        display = DimensionDisplay(2, codes=np.eye(3, 2), local_dimension=nan).plot()
        assert display.ax_.get_title() == "too few rows for a local dimension"
        display.figure_.canvas.draw()
