"""The dimension of reconstructions: known shapes, formulas by loops, what is kept."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from estimator_table import CLASSES, IDS, fast
from scipy.optimize import brentq
from scipy.special import betaincinv, digamma
from scipy.stats import chi2, multivariate_normal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ardvae import ARDVAE, VAE, Autoencoder, CountWarning
from sklearn_ardvae.estimator.dimensions_of_rows import (
    dimensions_as_they_are,
    dimensions_of,
)

every_estimator = pytest.mark.parametrize("cls", CLASSES, ids=IDS)


def sphere(n_dims, n, seed=0):
    z = np.random.default_rng(seed).standard_normal((n, n_dims + 1))
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def centred(rows):
    return rows - rows.mean(axis=0)


def turned(points, n_features, noise, seed=0):
    """Put points into more features, with noise in all."""
    rng = np.random.default_rng(seed)
    frame = np.linalg.qr(rng.standard_normal((n_features, points.shape[1])))[0]
    rows = points @ frame.T
    return rows + noise * rng.standard_normal(rows.shape)


PARTS = np.zeros((1200, 4))
PARTS[:600, :1] = 3.0 * np.random.default_rng(0).random((600, 1))
PARTS[600:, :3] = 3.0 * np.random.default_rng(1).random((600, 3))
PARTS[600:, 3] = 5.0


# --- reconstructions ----------------------------------------------------------------


def mean_log_ratios(rows, first, last):
    """Return of each row the mean of log(r_last / r_j), by loops."""
    means = []
    for row in rows:
        r = np.sort(np.linalg.norm(rows - row, axis=1))[1:]
        means.append(
            np.mean([np.log(r[last - 1] / r[j - 1]) for j in range(first, last)])
        )
    return np.array(means)


def dimension_of(mean, n, first, last):
    """Solve for the sphere whose expected mean log ratio this is."""

    def excess(m):
        shares = [np.exp(digamma(j) - digamma(n)) for j in range(first, last + 1)]
        logs = [0.5 * np.log(betaincinv(m / 2, m / 2, share)) for share in shares]
        return np.mean([logs[-1] - log for log in logs[:-1]]) - mean

    return brentq(excess, 0.5, 200.0)


class TestArrays:
    def test_estimates_are_those_of_the_formula(self):
        rows = centred(np.random.default_rng(3).standard_normal((60, 4)))
        found = dimensions_of(rows, 4, 0.0)
        ratios = mean_log_ratios(rows, 1, 5)
        # Between the tabled dimensions the curve is straight to 1e-4.
        whole = dimension_of(ratios.mean(), 60, 1, 5)
        assert found.whole == pytest.approx(whole, rel=2e-4)
        # A tenth of the rows: the row and its five nearest.
        near = np.argsort(np.linalg.norm(rows - rows[:, None], axis=2), axis=1)[:, :6]
        expected = [dimension_of(ratios[i].mean(), 60, 1, 5) for i in near]
        np.testing.assert_allclose(found.local, expected, rtol=2e-4)

    @pytest.mark.parametrize("n_dims", [1, 2, 5, 12, 25])
    def test_spheres_have_their_dimension(self, n_dims):
        # 2000 rows of 4 ratios each, correlated: a deviation of about 2 %.
        found = dimensions_of(centred(sphere(n_dims, 2000)), n_dims + 1, 0.0)
        assert found.whole == pytest.approx(n_dims, rel=0.06)
        assert np.median(found.local) == pytest.approx(n_dims, rel=0.06)

    def test_normal_rows_fill_all_axes(self):
        rows = centred(np.random.default_rng(0).standard_normal((1500, 8)))
        assert dimensions_of(rows, 8, 0.0).whole == pytest.approx(8.0, rel=0.05)

    def test_noise_along_the_axes_is_looked_past(self):
        # Of a circle, 6 rows in a length of the noise's deviation.
        rng = np.random.default_rng(0)
        rows = centred(np.c_[10.0 * sphere(1, 2000), np.zeros(2000)])
        rows += 0.2 * rng.standard_normal(rows.shape)
        near, far = (dimensions_of(rows, 3, noise) for noise in (0.0, 0.04))
        assert near.whole > 2.0
        assert far.whole == pytest.approx(1.0, rel=0.15)
        assert np.median(far.local) == pytest.approx(1.0, rel=0.15)

    def test_only_parts_in_reach_of_the_noise_look_farther(self):
        X = centred(PARTS + 0.02 * np.random.default_rng(2).standard_normal((1200, 4)))
        near, far = (dimensions_of(X, 4, noise).local for noise in (0.0, 0.0004))
        # A line of 4 rows in a length of the noise's deviation, and a cube.
        assert np.median(near[:600]) > 2.0
        assert np.median(far[:600]) == pytest.approx(1.0, abs=0.2)
        assert np.mean(far[600:] == near[600:]) > 0.95
        assert np.median(far[600:]) == pytest.approx(3.0, abs=0.3)

    def test_noise_of_which_there_is_none_does_not_matter(self):
        rows = centred(sphere(1, 500))
        near, far = (dimensions_of(rows, 2, noise) for noise in (0.0, 1e-3))
        assert far.whole == pytest.approx(near.whole, rel=0.1)

    @pytest.mark.parametrize("n", [4, 5, 9])
    def test_few_rows_are_enough(self, n):
        rows = centred(np.random.default_rng(0).standard_normal((n, 3)))
        found = dimensions_of(rows, 3, 1.0)
        assert found.whole > 0.0
        assert found.local.shape == (n,)

    def test_a_lattice_is_infinite(self):
        lattice = np.stack(np.indices((6, 6, 6)), axis=-1).reshape(-1, 3)
        torus = np.exp(2j * np.pi * lattice / 6)  # on which no row is at an edge
        rows = centred(np.hstack([torus.real, torus.imag]))
        assert dimensions_of(rows, 6, 0.0).whole == np.inf

    def test_scale_and_turns_do_not_matter(self):
        rows = centred(sphere(3, 400))
        expected = dimensions_of(rows, 4, 1e-4)
        for scale in (1e-12, 1e12):
            changed = scale * turned(rows, 30, 0.0)
            found = dimensions_of(changed, 4, 1e-4 * scale**2)
            assert found.whole == pytest.approx(expected.whole, rel=1e-6)
            np.testing.assert_allclose(found.local, expected.local, rtol=1e-6)


def roll(n, seed=0):
    angle, height = np.random.default_rng(seed).uniform(size=(2, n))
    angle = 1.5 * np.pi * (1.0 + 2.0 * angle)
    return np.c_[angle * np.cos(angle), 21.0 * height, angle * np.sin(angle)]


class TestNoiseThatIsNotThere:
    @pytest.mark.parametrize("rows", [roll(1500), sphere(4, 1500)], ids=["roll", "5"])
    def test_rows_are_taken_as_they_are(self, rows):
        rows = centred(turned(rows, 8, 0.0))
        found = dimensions_as_they_are(rows, rows.var())
        expected = dimensions_of(rows, 0, 0.0)
        assert found.whole == expected.whole
        np.testing.assert_array_equal(found.local, expected.local)

    @pytest.mark.parametrize("n_features", [1, 3, 10, 40])
    def test_normal_rows_have_the_noise_that_they_have(self, n_features):
        rows = np.random.default_rng(0).standard_normal((1500, n_features))
        assert dimensions_as_they_are(centred(rows), 1.0) is None

    @pytest.mark.parametrize("noise", [0.03, 0.1, 0.3, 1.0])
    @pytest.mark.parametrize("n_features", [5, 20, 60])
    def test_noise_is_believed(self, n_features, noise):
        rows = centred(turned(3.0 * sphere(2, 1500), n_features, noise))
        assert dimensions_as_they_are(rows, noise**2) is None

    @pytest.mark.parametrize("excess", [3.0, 30.0])
    def test_so_is_some_noise_where_it_is_less_than_said(self, excess):
        # Fewer dimensions farther off: there is some.
        rows = centred(turned(3.0 * sphere(2, 1500), 20, 0.1))
        assert dimensions_as_they_are(rows, excess * 0.01) is None

    def test_few_rows_do_not_tell(self):
        rows = centred(roll(199))
        assert dimensions_as_they_are(rows, 1e3) is None
        assert dimensions_as_they_are(centred(roll(200)), 1e3) is not None

    def test_how_many_dimensions_noise_fills(self):
        # Of normal rows, the number within r grows by this power, from 0 to D: that of
        # r**2 / 2 s**2, which is chi squared.
        for n_features in (1, 4, 25):
            r2 = np.geomspace(1e-3, 0.9, 7) * 2.0 * n_features
            power = r2 * chi2.pdf(r2 / 2.0, n_features) / chi2.cdf(r2 / 2.0, n_features)
            assert np.all(power > n_features - r2 / 2.0)
            assert power[0] == pytest.approx(n_features, rel=2e-3)


# --- estimators ---------------------------------------------------------------------


def fit(X):
    settings = {"n_components": 6, "hidden_layer_sizes": (16,), "max_iter": 20}
    return ARDVAE(**settings, random_state=0).fit(X)


ON_A_SPHERE = turned(sphere(2, 600), 10, 0.05)


@pytest.fixture(scope="module")
def on_a_sphere():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the budget is short
        return fit(ON_A_SPHERE)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
class TestKnownShapes:
    def test_a_sphere_has_one_dimension_less_than_axes(self, on_a_sphere):
        model = on_a_sphere
        assert model.n_active_components_ == 3
        assert model.intrinsic_dimension_ == pytest.approx(2.0, rel=0.1)
        assert isinstance(model.intrinsic_dimension_, float)
        local = model.local_dimension(ON_A_SPHERE)
        assert local.shape == (600,)
        assert np.median(local) == pytest.approx(2.0, rel=0.1)
        # Other rows of it, and noise of their own.
        others = turned(sphere(2, 300, seed=5), 10, 0.05)
        assert np.median(model.local_dimension(others)) == pytest.approx(2.0, rel=0.1)
        said = "3 active axes of 6 (flat), intrinsic dimension "
        assert said in str(model.summary())
        assert said in model._repr_html_()

    def test_parts_have_their_own(self):
        X = turned(PARTS, 8, 0.02)
        model = fit(X)
        local = model.local_dimension(X)
        assert np.median(local[:600]) == pytest.approx(1.0, abs=0.25)
        # Rows at the edge of a cube have fewer neighbours.
        assert np.median(local[600:]) == pytest.approx(3.0, abs=0.35)
        assert np.mean(local[:600] < 2.0) > 0.9
        assert np.mean(local[600:] > 2.0) > 0.9
        # Half of the rows have three times the dimension of the others.
        assert model.intrinsic_dimension_ == pytest.approx(1.5, abs=0.2)

    def test_units_do_not_matter(self, on_a_sphere):
        X = 1e4 * ON_A_SPHERE + 1e5
        # Rows of float64 are standardised in float64 and fitted in float32: what is
        # left is the rounding of the change of units, which a fit may amplify.
        found = fit(X)
        expected = on_a_sphere.intrinsic_dimension_
        assert found.intrinsic_dimension_ == pytest.approx(expected, rel=0.02)
        np.testing.assert_allclose(
            np.median(found.local_dimension(X)),
            np.median(on_a_sphere.local_dimension(ON_A_SPHERE)),
            rtol=0.03,
        )

    def test_a_sphere_without_noise_has_its_axes_too(self):
        # PCA cannot tell it from noise; but noise has no bounds.
        X = sphere(2, 900)
        model = ARDVAE(max_iter=60, random_state=0).fit(X)
        assert model.n_active_components_ == 3
        assert model.intrinsic_dimension_ == pytest.approx(2.0, rel=0.1)
        assert "of all directions: rows are alike in them" in str(model.summary())
        codes = model.transform(X)
        np.testing.assert_allclose(model.inverse_transform(codes), X, atol=1e-5)
        # As likely as a normal density makes them.
        normal = multivariate_normal(X.mean(0), np.cov(X.T, bias=True))
        assert model.score(X) == pytest.approx(normal.logpdf(X).mean(), abs=0.01)

    def test_what_axes_leave_may_be_no_noise(self):
        # Of the roll's three axes of like variance, PCA of few rows tells one.
        X = roll(1500)
        X /= X.std(0) * [1.0, 1.1, 1.1]
        with pytest.warns(CountWarning, match="by their nearest neighbours"):
            model = ARDVAE(max_iter=60, random_state=0).fit(X)
        assert model.n_active_components_ == 1
        assert model.intrinsic_dimension_ == pytest.approx(2.0, rel=0.1)
        local = model.local_dimension(X)
        assert np.median(local) == pytest.approx(2.0, rel=0.1)

    def test_without_axes_rows_are_taken_as_they_are(self, tmp_path):
        X = np.random.default_rng(0).standard_normal((800, 5))
        model = ARDVAE(max_iter=60, random_state=0).fit(X)
        assert model.n_active_components_ == 0
        # 800 rows: a deviation of 3 %.
        assert model.intrinsic_dimension_ == pytest.approx(5.0, rel=0.1)
        local = model.local_dimension(X[:7])
        np.testing.assert_array_equal(local, np.full(7, model.intrinsic_dimension_))
        assert "intrinsic" not in str(model.summary())
        model.save(tmp_path / "model")
        twin = ARDVAE.load(tmp_path / "model")
        assert twin.intrinsic_dimension_ == model.intrinsic_dimension_


class TestWhatIsKept:
    def test_equal_codes_count_once(self, on_a_sphere):
        twin = copy.deepcopy(on_a_sphere)
        codes = twin._training_codes
        twin._training_codes = np.vstack([codes, codes[:200], codes[:200]])
        assert twin.intrinsic_dimension_ == on_a_sphere.intrinsic_dimension_
        np.testing.assert_array_equal(
            twin.local_dimension(ON_A_SPHERE[:50]),
            on_a_sphere.local_dimension(ON_A_SPHERE[:50]),
        )

    def test_no_more_than_2500_codes_are_kept(self):
        X = np.random.default_rng(0).standard_normal((2600, 3)).astype(np.float32)
        first, second = (fast(Autoencoder).fit(X) for _ in range(2))
        kept = first._training_codes
        assert kept.shape == (2500, first.n_active_components_)
        np.testing.assert_array_equal(kept, second._training_codes)
        codes = first.set_params(output_components="active").transform(X)
        # Each is that of a row, which the float32 sums of other batches may change.
        gaps = np.abs(kept[:100, None] - codes).max(axis=2).min(axis=1)
        assert gaps.max() < 1e-5

    @every_estimator
    def test_every_estimator_has_both_answers(self, cls, low_rank, tmp_path):
        model = fast(cls, n_components=4, max_iter=8, learning_rate=0.02)
        model.fit(low_rank)
        whole, local = model.intrinsic_dimension_, model.local_dimension(low_rank)
        as_they_are = model._dimension_of_rows is not None
        most = low_rank.shape[1] if as_they_are else model.n_active_components_
        assert 0.0 <= whole <= most
        assert local.shape == (400,)
        assert local.dtype == np.float64
        assert np.all((local >= 0.0) & (local <= most))
        # A row has the same alone; its code may have another last bit.
        np.testing.assert_allclose(
            [model.local_dimension(low_rank[i : i + 1])[0] for i in range(5)],
            local[:5],
            rtol=1e-3,
        )
        model.save(tmp_path / "model")
        for twin in (
            pickle.loads(pickle.dumps(model)),
            copy.deepcopy(model),
            cls.load(tmp_path / "model"),
        ):
            assert twin.intrinsic_dimension_ == whole
            np.testing.assert_array_equal(twin.local_dimension(low_rank), local)
        assert not hasattr(clone(model), "intrinsic_dimension_")
        with pytest.raises(NotFittedError):
            clone(model).local_dimension(low_rank)

    def test_it_is_that_of_the_last_fit(self, low_rank):
        model = fast(Autoencoder, n_components=4)
        first = model.partial_fit(low_rank[:200]).intrinsic_dimension_
        assert model._training_codes.shape[0] == 200
        second = model.partial_fit(low_rank).intrinsic_dimension_
        assert model._training_codes.shape[0] == 400
        assert first != second

    def test_it_goes_through_a_pipeline(self, low_rank):
        model = fast(Autoencoder).set_output(transform="pandas")
        pipeline = make_pipeline(StandardScaler(), model).fit(low_rank)
        rows = pipeline[:-1].transform(low_rank)
        assert pipeline[-1].local_dimension(rows).shape == (400,)

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_without_axes_it_is_0(self):
        X = np.full((60, 4), 3.0, dtype=np.float32)
        model = fast(VAE).fit(X)
        assert model.n_active_components_ == 0
        assert model.intrinsic_dimension_ == 0.0
        np.testing.assert_array_equal(model.local_dimension(X[:7]), np.zeros(7))
        assert "intrinsic" not in str(model.summary())

    def test_equal_rows_count_once(self, low_rank):
        # In float32, equal rows of one batch may have codes of other last bits.
        model = fast(Autoencoder).fit(np.repeat(low_rank, 3, axis=0))
        assert len(model._training_codes) == 400
        assert model.intrinsic_dimension_ > 1.0

    def test_of_too_few_rows_it_is_not_known(self, low_rank):
        X = np.repeat(low_rank[:3], 9, axis=0)
        settings = {"max_iter": 60, "learning_rate": 0.02, "validation_fraction": 0.0}
        model = fast(Autoencoder, **settings).fit(X)
        assert model.n_active_components_
        assert np.isnan(model.intrinsic_dimension_)
        assert np.isnan(model.local_dimension(low_rank[:4])).all()
        assert "intrinsic" not in str(model.summary())

    def test_a_model_of_before_says_that_it_has_no_codes(self, low_rank):
        model = fast(Autoencoder, batch_size=16).fit(low_rank)
        del model._training_codes, model._dimension_of_rows, model._local_dimensions
        assert not hasattr(model, "intrinsic_dimension_")
        with pytest.raises(AttributeError, match="fit it anew"):
            model.local_dimension(low_rank)
        assert "intrinsic" not in str(model.summary())

    def test_a_model_of_before_asks_its_reconstructions(self, low_rank):
        model = fast(Autoencoder, batch_size=16).fit(low_rank)
        del model._dimension_of_rows, model._local_dimensions
        assert 0.0 < model.intrinsic_dimension_ <= model.n_active_components_
        assert model.local_dimension(low_rank).max() <= model.n_active_components_

    @pytest.mark.parametrize(
        "codes",
        [7, [1.0], np.zeros((5, 2), np.float32), np.zeros((5, 1)), np.zeros(5)],
        ids=["number", "list", "width", "type", "shape"],
    )
    def test_codes_that_do_not_fit_are_not_saved(self, low_rank, codes, tmp_path):
        model = fast(Autoencoder, batch_size=16).fit(low_rank)
        model.active_components_ = model.active_components_[:1]
        model.n_active_components_ = 1
        model._training_codes = codes
        with pytest.raises(ValueError, match="_training_codes"):
            model.save(tmp_path / "model")


@pytest.mark.filterwarnings("ignore:The features of X:UserWarning")
def test_rows_that_coincide_where_they_are_centred_have_a_dimension(tmp_path):
    x = np.array([[0, 0], [0, -170], [-1, 0], [-1e18, 39], [-5, 0]])
    model = fast(Autoencoder).fit(x).partial_fit(x)
    assert 0.0 < model.intrinsic_dimension_ < 1.0
    model.save(tmp_path / "model")
    twin = Autoencoder.load(tmp_path / "model")
    assert twin.intrinsic_dimension_ == model.intrinsic_dimension_
