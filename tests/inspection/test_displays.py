"""Displays draw what estimators have found."""

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from estimator_table import CLASSES, IDS, fast
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.inspection import RelevanceDisplay


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
    settings = {"n_components": 4, "max_iter": 6, "learning_rate": 0.02}
    return {cls.__name__: fast(cls, **settings).fit(scaled) for cls in CLASSES}


@pytest.fixture(scope="module")
def pipeline(X):
    model = fast(ARDVAE, n_components=4, max_iter=6, beta=0.05)
    return make_pipeline(StandardScaler(), model).fit(X)


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
