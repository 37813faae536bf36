"""Distances of distributions against closed forms."""

import builtins
import sys
import types

import numpy as np
import pytest
import torch
from scipy import linalg
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from sklearn_ardvae.metrics import (
    extract_features,
    frechet_distance,
    frechet_distance_from_moments,
    interpolated_samples,
    precision_recall_distribution,
    random_samples,
    train_classifier_features,
)
from sklearn_ardvae.metrics import generation as generation_module

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 5)) @ RNG.standard_normal((5, 5))
Y = 1.5 * RNG.standard_normal((200, 5)) + 0.3


def _whitened(n, width):
    """Rows of mean 0 and covariance I exactly."""
    rows = np.random.default_rng(1).standard_normal((n, width))
    return np.linalg.qr(rows - rows.mean(0))[0] * np.sqrt(n - 1)


@pytest.fixture(params=[False, True], ids=["exact", "wide"])
def either_route(request, monkeypatch):
    """Both ways to the trace of the root; the wide one is for many features."""
    if request.param:
        monkeypatch.setattr(generation_module, "_EXACT_WIDTH", 1)
    return 1e-6 if request.param else 1e-10


# --- Frechet distance -------------------------------------------------------------


def test_frechet_distance_of_shifted_and_scaled_gaussians(either_route):
    z = _whitened(100, 4)
    m = np.array([1.0, -2.0, 0.5, 3.0])
    found = frechet_distance(z, z + m)
    assert found == pytest.approx(m @ m, abs=either_route)
    scale = np.array([0.5, 2.0, 1.0, 3.0])
    expected = m @ m + np.sum((1 - scale) ** 2)
    assert frechet_distance(z, z * scale + m) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(z, z) == pytest.approx(0.0, abs=either_route)


def test_frechet_distance_is_that_of_the_matrix_root(either_route):
    c1, c2 = np.cov(X.T), np.cov(Y.T)
    root = linalg.sqrtm(c1 @ c2).real
    expected = np.sum((X.mean(0) - Y.mean(0)) ** 2) + np.trace(c1 + c2 - 2 * root)
    assert frechet_distance(X, Y) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(Y, X) == pytest.approx(expected, rel=1e-9)
    moments = X.mean(0), c1, Y.mean(0), c2
    assert frechet_distance_from_moments(*moments) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_singular_covariances(either_route):
    z = _whitened(60, 3)
    flat = np.hstack([z, np.zeros((60, 2))])
    moved = np.hstack([2 * z, np.ones((60, 2))])
    # Scales 1 against 2 on three axes, means 0 against 1 on two.
    found = frechet_distance(flat, moved)
    assert found == pytest.approx(5.0, abs=1e-6)
    assert np.isrealobj(found)


def test_few_rows_warn_and_still_give_the_value(either_route):
    few = np.random.default_rng(0).standard_normal((6, 10))
    c1, c2 = np.cov(few.T), np.cov(2 * few.T + 1)
    expected = frechet_distance_from_moments(few.mean(0), c1, 2 * few.mean(0) + 1, c2)
    with pytest.warns(UserWarning, match="6 rows of 10 features"):
        found = frechet_distance(few, 2 * few + 1)
    assert found == pytest.approx(expected, rel=1e-5)


def test_frechet_distance_survives_any_scale():
    expected = frechet_distance(X, Y)
    for scale in (1e-100, 1e100):
        found = frechet_distance(X * scale, Y * scale) / scale / scale
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X, Y[:, :4]), "X has 5 features, X_generated 4"),
        ((X, Y[:1]), "X_generated has 1 row"),
        ((X, np.where(Y > 1, np.nan, Y)), "X_generated contains NaN"),
    ],
)
def test_bad_data_for_a_distance_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0], np.eye(2), [0.0], np.eye(1)), "does not fit a covariance"),
        (([0.0], [[1.0]], [0.0, 0.0], np.eye(2)), "mean has 1 features"),
        (([0.0], [[-1.0]], [0.0], [[1.0]]), "positive semi-definite"),
    ],
)
def test_bad_moments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance_from_moments(*arguments)


# --- precision and recall ---------------------------------------------------------


def test_equal_sets_have_precision_and_recall_1():
    found = precision_recall_distribution(X, X, n_runs=2, random_state=0)
    assert found.f_8 == pytest.approx(1.0, abs=1e-6)
    assert found.f_1_8 == pytest.approx(1.0, abs=1e-6)
    middle = len(found.precision) // 2
    assert found.precision[middle] == pytest.approx(1.0)
    assert found.recall[middle] == pytest.approx(1.0)


def test_disjoint_sets_have_none():
    found = precision_recall_distribution(X, X + 1e3, n_runs=2, random_state=0)
    assert found.f_8 == found.f_1_8 == 0.0
    assert np.all(found.precision + found.recall == 0.0)


def test_a_lost_mode_costs_recall_and_a_false_one_precision():
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    near = [c + 1e-3 * rng.standard_normal((100, 2)) for c in centres]
    two, three = np.vstack(near[:2]), np.vstack(near)
    settings = {"n_clusters": 3, "n_runs": 1, "random_state": 0}
    # Of 200 rows each, drawn from the larger set, near a third is the third mode.
    lost = precision_recall_distribution(three, two, **settings)
    assert lost.precision[-1] == pytest.approx(1.0, abs=1e-6)
    assert lost.recall.max() == pytest.approx(2 / 3, abs=0.1)
    # max over the curve of min(p, q / slope) at a small slope: all that is covered.
    assert lost.f_8 < 0.8 < lost.f_1_8
    false = precision_recall_distribution(two, three, **settings)
    assert false.f_1_8 < 0.8 < false.f_8
    assert false.precision.max() == pytest.approx(lost.recall.max(), abs=1e-6)


def test_the_curve_of_known_shares():
    from sklearn_ardvae.metrics.prd import _curve

    real = np.repeat([0, 1, 2], [5, 5, 0])
    generated = np.repeat([0, 1, 2], [2, 0, 8])
    precision, recall = _curve(real, generated, 3, 3)
    # Angles near 0, pi / 4 and near pi / 2.
    np.testing.assert_allclose(precision, [0.0, 0.2, 0.2], atol=1e-8)
    np.testing.assert_allclose(recall, [0.5, 0.2, 0.0], atol=1e-8)


def test_scores_of_precision_and_recall_are_named_when_impossible():
    found = precision_recall_distribution(X, Y, n_runs=1, random_state=0)
    with pytest.raises(ValueError, match="beta == 0"):
        found.f_score(0.0)
    with pytest.raises(ValueError, match="n_clusters=20 is more than the 6 rows"):
        precision_recall_distribution(X[:3], Y[:3])


# --- protocols --------------------------------------------------------------------


def test_interpolations_lie_between_two_codes():
    codes = np.diag([1.0, 2.0, 4.0])
    points = interpolated_samples(lambda z: z, codes, random_state=0)
    assert points.shape == (1250, 3)
    shares = points / [1.0, 2.0, 4.0]
    np.testing.assert_allclose(shares.sum(1), 1.0)
    assert np.all(np.count_nonzero(points, axis=1) == 2)  # never a code with itself
    np.testing.assert_allclose(np.unique(shares.round(6)), np.arange(6) / 6, atol=1e-6)
    np.testing.assert_array_equal(
        points, interpolated_samples(lambda z: z, codes, random_state=0)
    )


def test_random_samples_follow_the_codes():
    codes = np.random.default_rng(0).normal([5.0, 0.0], size=(2000, 2))
    drawn = random_samples(lambda z: z, codes, random_state=0)
    assert drawn.shape == (1250, 2)
    # Means of 1250 and of 2000 draws.
    np.testing.assert_allclose(drawn.mean(0), [5.0, 0.0], atol=0.2)
    one = GaussianMixture(1)
    assert random_samples(np.ravel, codes, density=one, n_samples=4).shape == (8,)
    with pytest.raises(ValueError, match="density must be"):
        random_samples(np.ravel, codes, density="prior")


# --- features ---------------------------------------------------------------------


def test_pca_features_are_scores_on_components_of_the_real_data():
    real, generated = extract_features(X, Y, features="pca", random_state=0)
    expected = PCA().fit(X)
    np.testing.assert_allclose(np.abs(real), np.abs(expected.transform(X)), atol=1e-10)
    assert generated.shape == Y.shape
    # An orthogonal map of everything: distances stay.
    found = frechet_distance(X, Y, features="pca", random_state=0)
    assert found == pytest.approx(frechet_distance(X, Y))


def test_callables_get_the_data_as_they_are():
    images = np.random.default_rng(0).random((12, 4, 4))
    shapes = []

    def means(x):
        shapes.append(x.shape)
        return torch.from_numpy(x).mean((1, 2))[:, None]

    real, generated = extract_features(images, images[:9], features=means)
    assert shapes == [(12, 4, 4), (9, 4, 4)]
    np.testing.assert_allclose(real[:, 0], images.mean((1, 2)))
    assert generated.shape == (9, 1)


@pytest.mark.parametrize("shape", [None, (8, 8), (1, 8, 8)])
def test_a_classifier_learns_digits_from_rows_and_images(shape):
    rows, y = load_digits(return_X_y=True)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    settings = {"input_shape": shape, "n_epochs": 8, "random_state": 0}
    features = train_classifier_features(rows, y, **settings)
    assert features.accuracy_ > 0.9
    assert features(rows[:7]).shape == (7, 64)
    again = train_classifier_features(rows, y, **settings)
    np.testing.assert_array_equal(features(rows), again(rows))
    torch.testing.assert_close(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    with pytest.raises(ValueError, match="trained on samples of shape"):
        features(rows[:, :9])


def test_images_and_rows_of_images_have_the_same_classifier():
    data = load_digits()
    settings = {"n_epochs": 1, "random_state": 0}
    from_rows = train_classifier_features(
        data.data, data.target, input_shape=(8, 8), **settings
    )
    from_images = train_classifier_features(data.images, data.target, **settings)
    np.testing.assert_array_equal(from_rows(data.data), from_images(data.images))


def test_classifier_features_tell_classes_apart():
    rows, y = load_digits(return_X_y=True)
    names = np.array(["zero", "one"])
    chosen = y < 2
    rows, labels = rows[chosen], names[y[chosen]]
    settings = {"features": "classifier", "y": labels, "random_state": 0}
    same = frechet_distance(rows, rows[::-1][:300], **settings)
    other = frechet_distance(rows, rows[labels == "one"], **settings)
    assert other > 5 * same


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": "no"}, "features must be one of"),
        ({"features": "classifier"}, "needs y="),
        ({"features": "classifier", "y": np.zeros(300)}, "y has one value only"),
        ({"features": "classifier", "y": np.zeros(3)}, "inconsistent numbers"),
        ({"features": "pca", "y": np.zeros(300)}, "leave it out"),
        ({"features": lambda x: x[:3]}, "must return one for each"),
        ({"features": lambda x: x * np.nan}, "that features returned contains NaN"),
        (
            {"features": "classifier", "y": np.arange(300) % 2, "input_shape": (2, 3)},
            "with 5 numbers in all",
        ),
    ],
)
def test_bad_features_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        extract_features(X, Y, **settings)


def test_inception_says_what_is_missing(monkeypatch):
    real_import = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("pytorch_fid"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pytorch-fid and torchvision"):
        frechet_distance(X, Y, features="inception")


class _FakeInception(torch.nn.Module):
    """Has the interface of pytorch-fid's network; the features are channel means."""

    BLOCK_INDEX_BY_DIM = {2048: 3}

    def __init__(self, blocks):
        super().__init__()
        assert blocks == [3]

    def forward(self, x):
        assert x.shape[1] == 3
        assert not self.training
        return [x.mean((2, 3), keepdim=True)]


def test_inception_gets_images_of_three_channels(monkeypatch):
    module = types.ModuleType("pytorch_fid.inception")
    module.InceptionV3 = _FakeInception
    monkeypatch.setitem(sys.modules, "pytorch_fid", types.ModuleType("pytorch_fid"))
    monkeypatch.setitem(sys.modules, "pytorch_fid.inception", module)
    rows = np.random.default_rng(0).random((40, 16))
    settings = {"features": "inception", "input_shape": (4, 4)}
    real, _ = extract_features(rows, rows, **settings)
    np.testing.assert_allclose(real, np.tile(rows.mean(1)[:, None], 3), rtol=1e-6)
    with pytest.raises(ValueError, match=r"pixels in \[0, 1\]"):
        extract_features(rows, rows - 1, **settings)
    with pytest.raises(ValueError, match="images of 1 or 3 channels"):
        extract_features(rows, rows, features="inception")
