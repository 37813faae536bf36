"""Displays draw what estimators have found."""

import inspect
import re
import sys

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from estimator_table import CLASSES, IDS, fast
from matplotlib.colors import to_hex
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest, f_regression
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
        assert cls.from_estimator(model, scaled[:20]).plot(max_panels=2).axes_.size == 2
    for cls in of_axes:
        if model.n_active_components_:
            assert cls.from_estimator(model, scaled).plot().axes_.size >= 1
        else:
            with pytest.raises(ValueError, match=f"{name} has no active component"):
                cls.from_estimator(model, scaled)
    if name != "ARDVAECV":
        with pytest.raises(TypeError, match=f"needs a fitted ARDVAECV.*{name}"):
            BetaPathDisplay.from_estimator(model)


def test_nearly_all_of_these_have_axes(models):
    assert sum(model.n_active_components_ > 0 for model in models.values()) > 19


def from_estimator(cls, model, X):
    takes_rows = "X" in inspect.signature(cls.from_estimator).parameters
    return cls.from_estimator(model, X) if takes_rows else cls.from_estimator(model)


@pytest.mark.parametrize("cls", DISPLAYS)
def test_the_convention(cls, models, scaled):
    model = models["ARDVAECV"]
    display = from_estimator(cls, model, scaled)
    # Data are kept by the names of the constructor, and nothing is drawn.
    assert set(vars(display)) == set(inspect.signature(cls).parameters)
    assert not plt.get_fignums()
    assert display.plot() is display
    assert display.ax_.figure is display.figure_
    display.figure_.canvas.draw()
    for panel in getattr(display, "axes_", []):
        assert panel.figure is display.figure_


@pytest.mark.parametrize("cls", DISPLAYS)
def test_all_parameters_and_attributes_are_documented(cls, models, scaled):
    display = from_estimator(cls, models["ARDVAECV"], scaled).plot()
    for made, doc in (
        (set(vars(display)), cls.__doc__),
        (set(inspect.signature(cls.from_estimator).parameters), None),
        (set(inspect.signature(display.plot).parameters), cls.plot.__doc__),
    ):
        text = inspect.cleandoc(doc or cls.from_estimator.__doc__)
        text = text.partition("See Also")[0]
        entries = re.findall(r"^(\w[\w, ]*) : ", text, re.MULTILINE)
        assert made == {name for entry in entries for name in entry.split(", ")}


@pytest.mark.parametrize("cls", DISPLAYS)
def test_a_place_that_is_given_is_used(cls, models, scaled):
    display = from_estimator(cls, models["ARDVAECV"], scaled)
    figure, (_, ax) = plt.subplots(1, 2)
    display.plot(ax=ax)
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    divided = display.ax_ is not ax
    assert ax.axison != divided
    # What is drawn stays in its place.
    left = ax.get_subplotspec().get_position(figure).x0
    assert display.ax_.get_subplotspec().get_position(figure).x0 >= left - 1e-9


def test_panels_may_be_given(models):
    display = TrainingDisplay.from_estimator(models["VAE"])
    n = len(display.plot().axes_)
    _, given = plt.subplots(n, 1)
    assert display.plot(ax=given).axes_.tolist() == given.tolist()
    with pytest.raises(ValueError, match=f"ax holds 2 axes, but .* draws {n} panels"):
        display.plot(ax=given[:2])


def test_axes_without_a_grid_are_divided(models):
    figure = plt.figure()
    ax = figure.add_axes((0.5, 0.25, 0.4, 0.5))
    panels = TrainingDisplay.from_estimator(models["VAE"]).plot(ax=ax).axes_
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
    display = from_estimator(cls, models["ARDVAECV"], scaled)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install sklearn_ardvae\[plot\]"):
        display.plot()


# An ARDVAE has no path, and samples are drawn anew.
OF_ONE_FIT = [cls for cls in DISPLAYS if cls not in (BetaPathDisplay, SampleDisplay)]


@pytest.mark.parametrize("cls", OF_ONE_FIT)
def test_a_pipeline_is_its_last_step_on_transformed_rows(cls, named, scaled, pipeline):
    of_pipeline = from_estimator(cls, pipeline, named)
    of_model = from_estimator(cls, pipeline[-1], scaled)
    for name, value in vars(of_model).items():
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
    titles = [panel.get_title() for panel in display.plot().axes_]
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
        from_estimator(cls, pipeline, named).plot()
        plt.close("all")


# --- each of them -------------------------------------------------------------------


class TestRelevance:
    @pytest.mark.parametrize("name", IDS)
    def test_it_shows_the_axes_in_order(self, name, models):
        model = models[name]
        display = RelevanceDisplay.from_estimator(model).plot()
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
        ).plot()
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
        display = LatentTraversalDisplay.from_estimator(model, colored).plot()
        shown = np.moveaxis(drawn(display.artists_), -1, 2)
        expected = np.clip(display.values, 0.0, 1.0)
        np.testing.assert_allclose(shown.reshape(expected.shape), expected, atol=1e-6)

    def test_curves(self, models, scaled):
        display = LatentTraversalDisplay.from_estimator(
            models["VAE"], scaled, kind="curve"
        ).plot()
        assert len(display.axes_) == len(display.values)
        for lines, curves in zip(display.artists_, display.values, strict=True):
            for line, curve in zip(lines, curves, strict=True):
                np.testing.assert_array_equal(line.get_ydata(), curve)
        assert len({to_hex(line.get_color()) for line in display.artists_[0]}) == 7

    def test_tables_show_effects_in_deviations(self, named, pipeline):
        display = LatentTraversalDisplay.from_estimator(pipeline, named).plot()
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

    @pytest.mark.parametrize(
        "wrong",
        [{"n_axes": 0}, {"n_steps": 1}, {"span": 0.0}],
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
            ({"image_shape": (6, 1, 2)}, "has 6 channels"),
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
            model, scaled[:7], image_shape=(3, 4)
        ).plot(n_columns=4)
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
            kept = 1.0 - np.mean((X - made)[:, i] ** 2) / X[:, i].var()
            assert panel.get_title() == f"{'abc'[i]}\n{kept:.0%} of the variance"


class TestSample:
    def test_images(self, models):
        model = models["VAE"]
        display = SampleDisplay.from_estimator(
            model, n_samples=7, random_state=3, image_shape=(3, 4)
        ).plot(n_columns=4)
        expected = model.sample(7, random_state=3).reshape(7, 3, 4)
        np.testing.assert_array_equal(drawn(display.artists_), expected)

    def test_data_tell_what_is_black_and_white(self, models, scaled):
        display = SampleDisplay.from_estimator(
            models["VAE"], scaled, n_samples=3, image_shape=(3, 4)
        ).plot()
        assert display.artists_[0].get_clim() == (scaled.min(), scaled.max())

    def test_curves_in_front_of_data(self, models, scaled):
        display = SampleDisplay.from_estimator(
            models["VAE"], scaled, n_samples=5, random_state=0, kind="curve"
        ).plot()
        shown = [line.get_ydata() for line in display.artists_]
        np.testing.assert_array_equal(shown, models["VAE"].sample(5, random_state=0))
        others = [o.get_ydata() for o in display.ax_.lines if o not in display.artists_]
        np.testing.assert_array_equal(others, scaled[:5])

    def test_histograms_of_tables(self, models, scaled):
        display = SampleDisplay.from_estimator(
            models["VAE"], scaled, n_samples=50, random_state=0
        ).plot(max_panels=5)
        samples = models["VAE"].sample(50, random_state=0)
        assert len(display.axes_) == 5
        for i, (density, edges, _) in enumerate(display.artists_):
            expected, _ = np.histogram(samples[:, i], edges, density=True)
            np.testing.assert_allclose(density, expected)

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
        display = TrainingDisplay.from_estimator(models[name]).plot()
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


class TestLatentSpace:
    def test_points_are_the_codes_of_each_class(self, models, scaled):
        model, y = models["VAE"], np.arange(200) % 3
        display = LatentSpaceDisplay.from_estimator(model, scaled, y, n_axes=3).plot()
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
        display = LatentSpaceDisplay.from_estimator(models["VAE"], scaled, y).plot()
        (points,) = display.points_[0]
        np.testing.assert_array_equal(points.get_array(), y)
        assert len(display.figure_.axes) == 2
        display.figure_.canvas.draw()
        # Ellipses are of the colours of their points, but for the transparency.
        colors = display.ellipses_[0].get_facecolor()[:, :3]
        np.testing.assert_allclose(colors, points.get_facecolor()[:, :3])

    def test_one_axis_is_a_histogram(self):
        codes = np.arange(10.0)[:, np.newaxis]
        for y in (None, codes[:, 0] + 0.5, np.arange(10) % 2):
            ax = LatentSpaceDisplay(codes, codes, y).plot().ax_
            assert sum(bar.get_height() for bar in ax.patches) == 10

    def test_few_of_many_rows_have_ellipses(self):
        codes = np.random.default_rng(0).standard_normal((50, 2))
        display = LatentSpaceDisplay(codes, np.ones((50, 2)))
        assert len(display.plot(max_ellipses=20).ellipses_[0].get_offsets()) == 20
        assert display.plot(max_ellipses=0).ellipses_ == []

    def test_y_that_does_not_fit_is_refused(self):
        codes = np.zeros((30, 2))
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            LatentSpaceDisplay(codes, y=np.zeros(29)).plot()
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
        display = BetaPathDisplay.from_estimator(model).plot()
        assert display.beta == model.beta_
        assert display.plateau == model.plateau_
        assert display.sizes is None
        np.testing.assert_array_equal(display.evidence_path, model.evidence_path_)

    def test_each_latent_size_has_a_line(self, scaled):
        search = fast(ARDVAECV, n_components=[2, 3], betas=[1.0, 0.1], max_iter=1)
        display = BetaPathDisplay.from_estimator(search.fit(scaled)).plot()
        for i, line in enumerate(display.evidence_lines_):
            expected = search.evidence_path_[:, i].mean(1)
            np.testing.assert_allclose(line.get_ydata(), expected)
        labels = [text.get_text() for text in display.ax_.legend_.get_texts()]
        assert "3 components to begin with" in labels

    def test_one_fold_has_no_error(self):
        display = BetaPathDisplay([1.0, 0.1], [[1.0], [2.0]], [[1], [2]]).plot()
        assert not display.ax_.collections


class TestDimension:
    def test_probabilities_and_local_dimensions(self, models, scaled):
        model = models["ARDVAE"]
        display = DimensionDisplay.from_estimator(model, scaled).plot()
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
        assert len(DimensionDisplay.from_estimator(models["ARDVAE"]).plot().axes_) == 1
        display = DimensionDisplay.from_estimator(models["VAE"], scaled).plot()
        assert len(display.axes_) == 1
        assert display.bars_ is None
        with pytest.raises(ValueError, match="VAE has no count_probabilities_; pass X"):
            DimensionDisplay.from_estimator(models["VAE"])
        with pytest.raises(ValueError, match="nothing to draw"):
            DimensionDisplay(3).plot()

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
