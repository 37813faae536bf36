"""The unsupervised disentanglement ranking against its definition."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import Lasso

from sklearn_ardvae.metrics import unsupervised_disentanglement_ranking

RNG = np.random.default_rng(0)
Z = np.linalg.qr(RNG.standard_normal((500, 3)) - 0.1)[0]
Z = (Z - Z.mean(0)) / Z.std(0)
TURN = np.linalg.qr(RNG.standard_normal((3, 3)))[0]


def agreement(r):
    """The formula of the paper, with loops; an axis similar to none adds 0."""
    shares = [max(line) ** 2 / sum(line) for line in [*r, *r.T] if sum(line) > 0]
    return sum(shares) / sum(r.shape)


def test_lasso_is_the_formula_for_models_of_any_width():
    models = [Z, Z @ TURN, (Z @ TURN)[:, :2] + 0.3 * RNG.standard_normal((500, 2))]
    found = unsupervised_disentanglement_ranking(models)
    assert np.isnan(np.diag(found.pairwise)).all()
    for i, target in enumerate(models):
        others = []
        for j, source in enumerate(models):
            if i == j:
                continue
            x, y = ((m - m.mean(0)) / m.std(0) for m in (source, target))
            r = np.abs([Lasso(0.1).fit(x, column).coef_ for column in y.T]).T
            others.append(agreement(r))
            assert found.pairwise[i, j] == pytest.approx(others[-1], rel=1e-6)
        assert found.scores[i] == pytest.approx(np.median(others), rel=1e-6)


def test_spearman_is_the_formula():
    models = [Z, Z @ TURN, Z**3 + RNG.standard_normal(Z.shape)]
    found = unsupervised_disentanglement_ranking(models, similarity="spearman")
    for i in range(3):
        for j in set(range(3)) - {i}:
            r = np.array(
                [[spearmanr(a, b)[0] for b in models[i].T] for a in models[j].T]
            )
            assert found.pairwise[i, j] == pytest.approx(agreement(np.abs(r)))
    np.testing.assert_allclose(found.pairwise, found.pairwise.T)


def test_agreement_up_to_order_sign_and_scale_is_perfect():
    # Uncorrelated columns of unit variance: the Lasso takes 0.1 off the coefficient.
    white = np.linalg.qr(Z - Z.mean(0))[0] * np.sqrt(500)
    models = [white, -white[:, [2, 0, 1]], white * [1e-3, 5.0, 100.0]]
    found = unsupervised_disentanglement_ranking(models)
    np.testing.assert_allclose(found.scores, 0.9, rtol=1e-3)
    huge = [*models[:2], models[2] * 1e160]
    np.testing.assert_allclose(
        unsupervised_disentanglement_ranking(huge).scores, found.scores
    )
    exact = unsupervised_disentanglement_ranking(
        models, similarity=lambda a, b: np.abs(np.corrcoef(a.T, b.T)[:3, 3:]).round(9)
    )
    np.testing.assert_allclose(exact.scores, 1.0, rtol=1e-6)


def test_a_model_with_mixed_axes_comes_last():
    models = [Z, Z[:, [1, 0, 2]], -Z, Z @ TURN]
    for similarity in ("lasso", "spearman"):
        scores = unsupervised_disentanglement_ranking(
            models, similarity=similarity
        ).scores
        assert scores.argmin() == 3


def test_axes_that_inform_of_nothing_do_not_count():
    noise = RNG.standard_normal((500, 2))
    padded = np.hstack([Z, noise])
    informative = [[True] * 3 + [False] * 2] * 2
    plain = unsupervised_disentanglement_ranking([Z, Z[:, ::-1]])
    masked = unsupervised_disentanglement_ranking(
        [padded, np.hstack([Z[:, ::-1], -noise[:, ::-1]])],
        informative=np.array(informative),
    )
    np.testing.assert_allclose(masked.scores, plain.scores)
    constant = unsupervised_disentanglement_ranking([np.insert(Z, 1, 5.0, 1), Z])
    np.testing.assert_allclose(
        constant.scores, unsupervised_disentanglement_ranking([Z, Z]).scores
    )
    collapsed = unsupervised_disentanglement_ranking([Z, Z, Z[:, :0], 0 * Z])
    np.testing.assert_array_equal(collapsed.scores[2:], 0.0)


@pytest.mark.parametrize(
    ("codes", "settings", "message"),
    [
        ([Z], {}, "two or more models; got 1"),
        ([Z, Z[:-1]], {}, r"same rows by each model; got \[500, 499\]"),
        ([Z, np.where(Z > 2, np.nan, Z)], {}, r"codes\[1\] contains NaN"),
        ([Z, Z], {"similarity": "no"}, "similarity must be one of"),
        ([Z, Z], {"similarity": lambda a, b: -np.eye(3)}, "finite numbers >= 0"),
        ([Z, Z], {"similarity": lambda a, b: np.eye(2)}, r"of shape \(3, 3\)"),
        ([Z, Z], {"informative": [[True] * 3]}, "an array of bool for each model"),
        ([Z, Z], {"informative": [[1, 1, 1]] * 2}, "an array of bool for each model"),
    ],
)
def test_bad_arguments_are_named(codes, settings, message):
    with pytest.raises(ValueError, match=message):
        unsupervised_disentanglement_ranking(codes, **settings)
