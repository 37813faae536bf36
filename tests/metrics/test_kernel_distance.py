"""The maximum mean discrepancy against sums over pairs and closed forms."""

import numpy as np
import pytest

from sklearn_ardvae.metrics import kernel_inception_distance

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 5)) @ RNG.standard_normal((5, 5))
Y = 1.5 * RNG.standard_normal((200, 5)) + 0.3


def mmd(a, b, kernel):
    """The unbiased estimate, pair by pair."""

    def pairs(p):
        n = len(p)
        total = sum(kernel(p[i], p[j]) for i in range(n) for j in range(n) if i != j)
        return total / (n * (n - 1))

    return pairs(a) + pairs(b) - 2 * np.mean([[kernel(p, q) for p in a] for q in b])


def test_kernel_distance_is_the_sum_over_pairs():
    a, b = X[:20], Y[:20]
    expected = mmd(a, b, lambda p, q: (p @ q / 5 + 1) ** 3)
    found = kernel_inception_distance(a, b, n_subsets=3, random_state=0)
    assert found.mean == pytest.approx(expected)
    assert found.std == pytest.approx(0.0, abs=1e-9)


def test_the_rbf_kernel_is_the_sum_over_pairs():
    a, b = X[:20], Y[:20]
    found = kernel_inception_distance(
        a, b, kernel="rbf", gamma=0.1, n_subsets=1, random_state=0
    )
    expected = mmd(a, b, lambda p, q: np.exp(-0.1 * np.sum((p - q) ** 2)))
    assert found.mean == pytest.approx(expected, rel=1e-9)
    # By default of the scale of the median distance in X, whatever the other set.
    distances = [np.linalg.norm(a[i] - a[j]) for i in range(20) for j in range(i)]
    gamma = 0.5 / np.median(distances) ** 2
    found = kernel_inception_distance(a, b, kernel="rbf", n_subsets=1, random_state=0)
    expected = mmd(a, b, lambda p, q: np.exp(-gamma * np.sum((p - q) ** 2)))
    assert found.mean == pytest.approx(expected, rel=1e-9)


def test_the_rbf_kernel_has_the_mean_of_two_gaussians():
    # E exp(-g |x - y|^2) of x - y ~ N(m, v I) is (1 + 2 g v)^(-d/2) times
    # exp(-g |m|^2 / (1 + 2 g v)).
    def mean(v, m2):
        return (1 + 2 * 0.5 * v) ** -1.0 * np.exp(-0.5 * m2 / (1 + 2 * 0.5 * v))

    expected = mean(2.0, 0.0) + mean(8.0, 0.0) - 2 * mean(5.0, 1.0)
    z = np.random.default_rng(0).standard_normal((2, 4000, 2))
    found = kernel_inception_distance(
        z[0],
        2 * z[1] + [1.0, 0.0],
        kernel="rbf",
        gamma=0.5,
        subset_size=4000,
        n_subsets=1,
        random_state=0,
    )
    # Means of 4000 kernels of a deviation of at most 0.5, three of them.
    assert found.mean == pytest.approx(expected, abs=0.02)


def test_only_the_rbf_kernel_sees_what_moments_do_not():
    # Two points and a Gaussian of the same mean and variance; p = 2 sees these only.
    rng = np.random.default_rng(0)
    real = rng.standard_normal((2000, 1))
    coins = rng.choice([-1.0, 1.0], size=(2000, 1))
    settings = {"n_subsets": 5, "random_state": 0}
    blind = kernel_inception_distance(real, coins, degree=2, **settings)
    seeing = kernel_inception_distance(real, coins, kernel="rbf", **settings)
    assert seeing.mean > 10 * seeing.std
    assert abs(blind.mean) < 3 * blind.std + 0.02


def test_kernel_distance_is_unbiased():
    # A linear kernel: the squared distance of means, 4, whatever the subset's size.
    z = np.random.default_rng(0).standard_normal((2, 4000, 2))
    found = kernel_inception_distance(
        z[0] + [2.0, 0.0],
        z[1],
        degree=1,
        gamma=1.0,
        subset_size=10,
        n_subsets=2000,
        random_state=0,
    )
    # The standard deviation of one subset is about 2 * 2 * sqrt(2 / 10) = 1.8.
    assert found.mean == pytest.approx(4.0, abs=5 * 1.8 / np.sqrt(2000))
    assert found.std == pytest.approx(1.8, rel=0.2)
    with pytest.raises(ValueError, match="both need two"):
        kernel_inception_distance(X, Y[:1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel": "no"}, "kernel must be 'polynomial' or 'rbf'"),
        ({"kernel": "rbf", "degree": 2}, "are for kernel='polynomial'"),
        ({"kernel": "rbf", "coef0": 0.0}, "are for kernel='polynomial'"),
        ({"kernel": "rbf", "gamma": 0.0}, "gamma == 0"),
    ],
)
def test_bad_kernels_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        kernel_inception_distance(X, Y, **settings)


def test_equal_rows_have_no_median_distance():
    with pytest.raises(ValueError, match="pass gamma"):
        kernel_inception_distance(np.zeros((50, 2)), Y[:, :2], kernel="rbf")
