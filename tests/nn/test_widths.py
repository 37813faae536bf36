"""How many principal axes: of planes, columns, bent sheets and noise of any kind."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import binom, chi2
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.model_selection import cross_val_score

from sklearn_ardvae.nn import widths
from sklearn_ardvae.nn.elimination import AXIS_PRICE
from sklearn_ardvae.nn.principal import PrincipalBasis, WidthCurves
from sklearn_ardvae.nn.widths import Folds, width_of_half


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def width_of(x, most, generator):
    return Folds(x, most, generator).widths().width


def noise(rng, n, n_features):
    return torch.from_numpy(rng.standard_normal((n, n_features)))


def plane(rng, n, n_features, rank, deviation=0.3):
    """Unit variance in each of some directions, beside noise."""
    axes = np.linalg.qr(rng.standard_normal((n_features, rank)))[0]
    codes = rng.standard_normal((n, rank)) * math.sqrt(n_features / rank)
    return torch.from_numpy(codes @ axes.T) + deviation * noise(rng, n, n_features)


PLANES = [(60, 6, 1), (100, 8, 2), (300, 20, 5), (40, 60, 3), (1000, 20, 5)]


class TestByEvidence:
    @pytest.mark.parametrize(
        ("n", "n_features"), [(20, 5), (30, 40), (100, 2), (100, 8), (300, 30)]
    )
    def test_noise_has_no_axes(self, n, n_features):
        n_tables = 100
        widths = []
        for seed in range(n_tables):
            rng = np.random.default_rng(seed)
            x = 10.0 ** rng.uniform(-6, 6) * noise(rng, n, n_features) + rng.normal()
            widths.append(width_of(x, n_features, generator(seed)))
        # Each width is beyond three standard errors in 0.135 % of tables, if its gain
        # is 0; it is less. So many of the tables are exceeded once in a thousand times.
        at_most = binom(n_tables, 0.00135 * min(n, n_features)).ppf(0.999)
        assert np.count_nonzero(widths) <= at_most

    @pytest.mark.parametrize(("n", "n_features", "rank"), PLANES)
    def test_a_plane_has_no_fewer_axes_than_its_rank(self, n, n_features, rank):
        for seed in range(30):
            x = plane(np.random.default_rng(seed), n, n_features, rank)
            assert width_of(x, n_features, generator(seed)) >= rank

    @pytest.mark.parametrize(("n", "n_features", "rank"), PLANES)
    def test_a_plane_has_as_many_axes_as_its_rank(self, n, n_features, rank):
        # The highest density, as AIC, takes too many in a fifth to a third of small
        # tables, and more rows do not lessen that.
        n_tables = 60
        right = 0
        for seed in range(n_tables):
            x = plane(np.random.default_rng(seed), n, n_features, rank)
            right += width_of(x, n_features, generator(seed)) == rank
        # 85 % of tables, less what chance does once in a thousand times.
        assert right >= binom(n_tables, 0.85).ppf(0.001)

    @pytest.mark.parametrize("seed", range(3))
    def test_many_rows_tell_of_axes_that_are_worth_little(self, seed):
        # Independent columns: those of the least variance hardly differ from noise, and
        # their axes are worth less than 0.005 nats a feature together.
        deviations = np.linspace(0.5, 1.5, 16)
        x = deviations * np.random.default_rng(seed).standard_normal((3000, 16))
        scores = [cross_val_score(PCA(k), x).mean() for k in range(16)]
        width = width_of(torch.from_numpy(x), 16, generator(seed))
        # Other folds, and two standard errors.
        assert abs(width - np.argmax(scores)) <= 1

    @pytest.mark.parametrize("shape", [(300, 12), (40, 60)])
    def test_units_place_and_turn_of_the_rows_do_not_matter(self, shape):
        rng = np.random.default_rng(3)
        x = plane(rng, *shape, 3, deviation=0.1)
        turn = torch.from_numpy(
            np.linalg.qr(rng.standard_normal((shape[1], shape[1])))[0]
        )
        n = shape[1]
        width = width_of(x, n, generator())
        assert width == 3
        for scale in (1e-6, 1e6):
            assert width_of(scale * x, n, generator()) == width
        assert width_of(x + 1e6, n, generator()) == width
        assert width_of(x @ turn, n, generator()) == width
        assert width_of(x.flip(1), n, generator()) == width

    def test_it_is_the_same_each_time_and_does_not_depend_on_the_folds(self):
        x = plane(np.random.default_rng(0), 300, 12, 3, deviation=0.1)
        widths = {width_of(x, 12, generator(seed)) for seed in (0, 0, 1, 2)}
        order = torch.randperm(300, generator=generator(5))
        widths |= {width_of(x[order], 12, generator())}
        assert widths == {3}

    def test_no_generator_but_the_given_one_is_drawn_from(self):
        before = torch.get_rng_state()
        given = generator()
        x = plane(np.random.default_rng(0), 40, 6, 2)
        width_of(x, 6, given)
        assert torch.equal(torch.get_rng_state(), before)
        assert not torch.equal(given.get_state(), generator().get_state())

    def test_one_cut_does_where_many_are_dear(self, monkeypatch):
        x = plane(np.random.default_rng(0), 300, 12, 3, deviation=0.1)
        calls = []
        original = WidthCurves.of
        monkeypatch.setattr(
            WidthCurves, "of", lambda *a: calls.append(1) or original(*a)
        )
        width_of(x, 12, generator())
        assert len(calls) == 5
        monkeypatch.setattr(widths, "_CHEAP", 0.0)
        assert width_of(x, 12, generator()) == 3
        assert len(calls) == 6

    @pytest.mark.parametrize(
        ("x", "most"),
        [
            (torch.full((20, 4), 3.0), 4),  # nothing varies
            (torch.tensor([[0.0, 1.0], [2.0, 3.0]]), 2),  # two rows
            (torch.arange(60.0)[:, None], 1),  # one feature
            (plane(np.random.default_rng(0), 60, 7, 2), 0),  # none are wanted
        ],
    )
    def test_there_may_be_none(self, x, most):
        assert width_of(x, most, generator()) == 0

    @pytest.mark.parametrize("n", [1, 2, 5, 9, 10, 11])
    def test_fewer_than_ten_rows_tell_nothing(self, n):
        # Deviations of 2.4 beside 0.001: some ten nats a row and axis.
        x = plane(np.random.default_rng(0), n, 12, 2, deviation=1e-3)
        width = width_of(x, 12, generator())
        assert width == 0 if n < 10 else width >= 2

    def test_axes_that_add_next_to_nothing_are_left_out(self):
        # Beside noise of 1, the first axis is worth some 20 nats a row and two others
        # some two each: far more than 0.005 nats a feature. Further ones have none.
        rng = np.random.default_rng(0)
        spread = np.array([20.0, 3.0, 3.0, *[1.0] * 27])
        x = torch.from_numpy(rng.standard_normal((2000, 30)) * spread)
        assert width_of(x, 30, generator()) == 3
        densities = WidthCurves.of(PrincipalBasis.of(x, 6), x).densities.mean(0)
        worth = densities.diff().tolist()
        assert worth[0] > 4.0
        assert all(1.0 < gain < 2.8 for gain in worth[1:3])
        assert max(worth[3:]) < 0.1

    def test_there_are_no_more_than_wanted(self):
        x = plane(np.random.default_rng(0), 300, 12, 5, deviation=0.1)
        assert width_of(x, 3, generator()) == 3

    def test_without_noise_it_is_the_rank(self):
        # As networks see rows: what float64 rounds differs from machine to machine.
        x = plane(np.random.default_rng(0), 50, 12, 4, deviation=0.0).float()
        assert width_of(x, 12, generator()) == 4


def normal_worth(variances, noise=1.0):
    """Nats a row that known axes of these variances are worth beside noise."""
    ratio = np.asarray(variances) / noise
    return 0.5 * (ratio - 1.0 - np.log(ratio))


def bent(n, n_features, kind="square", deviation=0.4, seed=0):
    """Rows of two dimensions, a little bent into others, beside normal noise."""
    rng = np.random.default_rng(seed)
    u, v = rng.standard_normal((2, n))
    into = {
        "square": (u**2 - v**2) / 2.0,
        "product": u * v,
        "cube": (u**3 - 3.0 * u) / math.sqrt(6.0),
        # As wide, and as far from normal; but it follows from nothing.
        "alone": rng.permutation((u**3 - 3.0 * u) / math.sqrt(6.0)),
    }[kind]
    signal = np.column_stack((3.0 * u, 3.0 * v, 0.3 * into))
    axes = np.linalg.qr(rng.standard_normal((n_features, 3)))[0].T
    return torch.from_numpy(signal @ axes) + deviation * noise(rng, n, n_features)


class TestByPrice:
    @pytest.mark.parametrize("seed", range(5))
    def test_axes_count_that_are_worth_their_price(self, seed):
        # Expected gains of columns, four of them by far over the price and four by far
        # under it, though clear of zero: half of a percent of the noise's nats a row.
        n_features = 20
        price = AXIS_PRICE * n_features
        variances = np.array([9.0, 6.0, 4.0, 3.0, 1.5, 1.45, 1.4, 1.35])
        worth = normal_worth(variances)
        assert min(worth[:4]) > 3.0 * price
        assert 0.0 < max(worth[4:]) < 0.5 * price
        scale = np.sqrt(np.concatenate((variances, np.ones(n_features - 8))))
        x = scale * np.random.default_rng(seed).standard_normal((6000, n_features))
        folds = Folds(torch.from_numpy(x), n_features, generator())
        by_evidence, by_price = folds.by_evidence_and_price()
        assert by_price == 4
        assert by_evidence > 5
        # Nothing follows from anything: they are axes.
        assert folds.widths().width == by_evidence

    def test_those_that_are_worth_much_together_do(self):
        # Of columns from 20 to 1, none but the first seven pays its price beside the
        # mean of the others for noise; together they are worth 0.126 nats a feature.
        n_features, variances = 60, np.geomspace(20.0, 1.0, 60)
        densities = [
            -0.5 * np.log(variances[:k]).sum()
            - 0.5 * (n_features - k) * np.log(variances[k:].mean())
            for k in range(n_features)
        ]
        assert max(np.diff(densities)[7:]) < AXIS_PRICE * n_features
        assert densities[-1] - densities[7] > 0.1 * n_features
        drawn = np.random.default_rng(0).standard_normal((6000, n_features))
        x = torch.from_numpy(np.sqrt(variances) * drawn)
        folds = Folds(x, n_features, generator())
        by_evidence, by_price = folds.by_evidence_and_price()
        assert by_evidence == by_price > 50


class TestFollow:
    @pytest.mark.parametrize("kind", ["square", "product", "cube"])
    def test_axes_that_follow_from_others_are_none_of_their_own(self, kind):
        x = bent(5000, 12, kind)
        found = Folds(x, 12, generator()).widths()
        assert (found.by_evidence, found.by_price) == (3, 2)
        assert found.are_curved
        assert found.width == 2

    def test_others_are(self):
        found = Folds(bent(5000, 12, "alone"), 12, generator()).widths()
        assert (found.by_evidence, found.by_price) == (3, 2)
        assert not found.are_curved
        assert found.width == 3

    def test_independent_columns_hardly_ever_follow(self):
        n_tables, scale = 200, torch.linspace(3.0, 1.0, 8).double()
        follow = 0
        for seed in range(n_tables):
            x = scale * noise(np.random.default_rng(seed), 60 + 2 * seed, 8)
            follow += Folds(x, 8, generator(seed)).follow(3, 6)
        # Three standard errors; folds share rows, and tails of products are heavier
        # than normal ones: 1 % in place of 0.135.
        assert follow <= binom(n_tables, 0.01).ppf(0.999)

    def test_the_statistic_is_that_of_a_polynomial_kernel(self):
        x = bent(400, 6, "square")
        folds = Folds(x, 6, generator(2))
        alike = []
        for fold in folds.folds:
            pca = PCA(4, svd_solver="full").fit(x[fold.seen].numpy())
            seen, unseen = (
                pca.transform(rows.numpy()) / np.sqrt(pca.explained_variance_)
                for rows in (x[fold.seen], fold.unseen)
            )
            kernel = polynomial_kernel(
                unseen[:, :2], seen[:, :2], degree=3, gamma=0.5, coef0=1.0
            )
            others = seen[:, 2:] - seen[:, 2:].mean(0)
            alike.append(np.einsum("ij,ik,kj->i", unseen[:, 2:], kernel, others))
        alike = np.concatenate(alike)
        t = alike.mean() / (alike.std(ddof=1) / math.sqrt(len(alike)))
        # As far from the border as this, rounding and variances by n or n - 1, which
        # change powers a little, do not matter.
        assert abs(t - 3.0) > 0.2
        assert folds.follow(2, 4) == (t > 3.0)

    def test_units_place_and_turn_do_not_matter(self):
        x = bent(600, 8)
        turn = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))[0]
        for rows in (1e6 * x, 1e-6 * x, x + 1e4, x @ torch.from_numpy(turn)):
            assert Folds(rows, 8, generator()).widths().width == 2

    def test_only_where_the_rest_is_normal_noise(self):
        x = bent(1500, 12)
        assert Folds(x, 12, generator()).widths().are_curved
        heavy = np.random.default_rng(1).standard_t(3, (1500, 1))
        x += torch.from_numpy(0.2 * heavy) * noise(np.random.default_rng(2), 1500, 12)
        folds = Folds(x, 12, generator())
        assert folds.signal(3) is None
        assert not folds.widths().are_curved

    def test_halves_count_by_the_same_rule(self):
        x = bent(1500, 12)
        half = torch.arange(0, 1500, 2)
        assert width_of_half(x, 12, generator(), half, True) == 2
        assert width_of_half(x, 12, generator(), half, False) == 3


def drawn(seed, n, rank):
    """Rows of a plane in 20 features, beside noise."""
    return plane(np.random.default_rng(seed), n, 20, rank)


def full(kind, n, n_features, seed=0):
    """Rows that are alike in all directions, of length 1 or so."""
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal((n, n_features))
    face = rng.integers(n_features, size=n)[:, None] == np.arange(n_features)
    rows = {
        "sphere": normal / np.linalg.norm(normal, axis=1)[:, None],
        "cube": rng.uniform(-1.0, 1.0, (n, n_features)),
        "surface of a cube": np.where(face, np.sign(normal), np.tanh(normal)),
        "normal": normal,
        "heavy tails": rng.standard_t(5, (n, n_features)),
        "parts": normal * rng.choice([0.5, 1.5], (n, 1)),
    }[kind]
    return torch.from_numpy(rows)


class TestFillAllDirections:
    @pytest.mark.parametrize("n_features", [2, 3, 11, 40])
    @pytest.mark.parametrize("kind", ["sphere", "cube", "surface of a cube"])
    def test_what_has_bounds_has_all_axes(self, kind, n_features):
        x = full(kind, 2000, n_features)
        assert Folds(x, n_features, generator()).widths().width == n_features
        half = torch.arange(0, 2000, 2)
        assert width_of_half(x, n_features, generator(), half, False) == n_features

    @pytest.mark.parametrize("n_features", [1, 2, 3, 11, 40])
    @pytest.mark.parametrize("kind", ["normal", "heavy tails", "parts"])
    def test_noise_has_none(self, kind, n_features):
        found = [
            width_of(full(kind, 500, n_features, seed), n_features, generator(seed))
            for seed in range(10)
        ]
        assert not any(found)

    def test_it_is_no_matter_of_scale_and_place(self):
        for x in (1e8 * full("sphere", 500, 3), 1e-8 * full("sphere", 500, 3) + 1.0):
            assert width_of(x, 3, generator()) == 3

    def test_there_have_to_be_as_many_axes(self):
        assert width_of(full("sphere", 2000, 11), 10, generator()) == 0

    def test_a_few_rows_do_not_tell(self):
        # Three standard errors of 30 rows: 0.99, of 1.
        assert width_of(full("cube", 30, 3), 3, generator()) == 0

    def test_principal_axes_go_first(self):
        # An axis, and bounded noise.
        x = full("cube", 2000, 8)
        x[:, 0] *= 5.0
        assert width_of(x, 8, generator()) == 1


class TestSignal:
    def test_squared_lengths_of_noise_have_that_spread(self):
        # What the rule rests on: m / 2 Var / mean**2 of chi squared is 1.
        for m in (1, 7, 60):
            assert m / 2 * chi2.var(m) / chi2.mean(m) ** 2 == pytest.approx(1.0)
            # The error of a sample's variance, from the fourth moment.
            relative = math.sqrt((chi2.stats(m, moments="k") + 2.0) / 500)
            assert relative == pytest.approx(math.sqrt((2.0 + 12.0 / m) / 500))

    @pytest.mark.parametrize("rank", [1, 3, 8])
    def test_it_is_the_rank_of_a_plane(self, rank):
        found = [
            Folds(drawn(seed, 300, rank), 19, generator()).signal(rank)
            for seed in range(20)
        ]
        # Three standard errors: one of 370, and folds that share rows.
        assert sum(f is not None and f[0] == rank for f in found) >= 19
        variance = np.mean([f[1] for f in found if f is not None])
        # 20 times 300 rows of 12 directions or more know it to 1 %; axes that are
        # fitted to rows lose some to others, rank / n: 3 %.
        assert variance == pytest.approx(0.3**2, rel=0.05)

    def test_axes_that_were_left_out_are_found(self):
        x = drawn(0, 300, 5)
        assert Folds(x, 19, generator()).signal(2)[0] == 5

    @pytest.mark.parametrize("kind", ["heavy tails", "parts", "columns"])
    def test_other_noise_is_not_normal_noise(self, kind):
        rng = np.random.default_rng(1)
        n, n_features = 1000, 20
        scale = {
            "heavy tails": lambda: rng.standard_t(4, (n, 1)),
            "parts": lambda: rng.choice([0.5, 1.5], (n, 1)),
            # One variance is not that of all directions: fewer count.
            "columns": lambda: np.geomspace(0.1, 3.0, n_features)[None],
        }[kind]()
        x = plane(rng, n, n_features, 2, deviation=0.0)
        x += torch.from_numpy(0.2 * scale) * noise(rng, n, n_features)
        found = Folds(x, n_features - 3, generator()).signal(2)
        assert found is None or found[0] > 8

    @pytest.mark.parametrize("n", [1, 9])
    def test_fewer_than_ten_rows_tell_nothing(self, n):
        assert Folds(drawn(0, n, 1), 19, generator()).signal(1) is None
