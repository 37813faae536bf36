"""Relevance against autograd, closed forms and its own invariances."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.decomposition import PCA
from torch import nn

from sklearn_ardvae import decoder_relevance
from sklearn_ardvae.relevance import count_active, jacobian_weights, select_active


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    layers = nn.Linear(4, 16), nn.SiLU(), nn.Linear(16, 7)
    return nn.Sequential(*layers).double()


def test_weights_are_those_of_reverse_mode(decoder):
    z = torch.randn(9, 4).double()
    jacobian = torch.func.vmap(torch.func.jacrev(decoder))(z)
    expected = jacobian.square().sum(1).mean(0)
    torch.testing.assert_close(jacobian_weights(decoder, z), expected)


def test_weights_are_the_same_in_any_chunks(decoder, monkeypatch):
    z = torch.randn(9, 4).double()
    whole = jacobian_weights(decoder, z)
    monkeypatch.setattr("sklearn_ardvae.relevance._CHUNK_NUMBERS", 1)
    torch.testing.assert_close(jacobian_weights(decoder, z), whole)


def test_columns_of_axes_that_do_not_vary_are_left_out():
    decoder, z = nn.Linear(4, 3), torch.randn(5, 4)
    variance = torch.tensor([1.0, 0.0, 0.5, 0.0])
    expected = decoder.weight.square().sum(0) * (variance > 0.0)
    torch.testing.assert_close(jacobian_weights(decoder, z, variance), expected)
    none = jacobian_weights(decoder, z, torch.zeros(4))
    torch.testing.assert_close(none, torch.zeros(4))


def test_weights_of_a_convolutional_decoder_with_batch_statistics():
    decoder = nn.Sequential(
        nn.Linear(3, 8),
        nn.Unflatten(1, (2, 2, 2)),
        nn.ConvTranspose2d(2, 4, 4, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
    ).eval()
    z = torch.randn(5, 3)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda row: decoder(row[None])[0]))(z)
    torch.testing.assert_close(
        jacobian_weights(decoder, z), jacobian.square().sum(1).mean(0)
    )


def test_relevance_of_a_linear_decoder_is_its_output_variance():
    rng = np.random.default_rng(0)
    codes = np.linalg.qr(rng.standard_normal((500, 5)) - 0.0)[0]
    codes = codes - codes.mean(0)
    codes = np.linalg.qr(codes)[0] * rng.uniform(1, 9, 5)
    decoder = nn.Linear(5, 11).double()
    found = decoder_relevance(decoder, codes)
    with torch.no_grad():
        output = decoder(torch.from_numpy(codes)).numpy()
    # Exact, since the columns of the codes are uncorrelated.
    assert found.relevance.sum() == pytest.approx(output.var(0).sum(), rel=1e-10)


def test_rescaling_an_axis_changes_nothing(decoder):
    codes = np.random.default_rng(0).standard_normal((50, 4))
    before = decoder_relevance(decoder, codes).relevance
    scale = np.array([1.0, 10.0, 0.01, -3.0])
    with torch.no_grad():
        decoder[0].weight /= torch.from_numpy(scale)
    after = decoder_relevance(decoder, codes * scale).relevance
    np.testing.assert_allclose(after, before, rtol=1e-10)


def test_finite_differences_agree_with_forward_mode(decoder):
    codes = np.random.default_rng(0).standard_normal((50, 4))
    exact = decoder_relevance(decoder, codes)
    approximate = decoder_relevance(decoder, codes, method="finite_difference")
    # Central differences of 0.1 standard deviations of a smooth network.
    np.testing.assert_allclose(approximate.relevance, exact.relevance, rtol=1e-2)


def test_any_callable_on_arrays_will_do():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 3)) @ rng.standard_normal((3, 8))
    x += 1e-3 * rng.standard_normal(x.shape)
    pca = PCA(6).fit(x)
    found = decoder_relevance(
        pca.inverse_transform, pca.transform(x), method="finite_difference"
    )
    assert found.n_active == 3
    np.testing.assert_array_equal(found.active, [0, 1, 2])
    expected = pca.explained_variance_ * (1 - 1 / 300)
    np.testing.assert_allclose(found.relevance, expected, rtol=1e-6)


def test_modes_of_submodules_are_restored():
    decoder = nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.5), nn.Linear(4, 3))
    decoder[1].eval()
    decoder_relevance(decoder, np.zeros((5, 2)) + np.arange(5)[:, None])
    assert [m.training for m in decoder.modules()] == [True, True, False, True]


def test_codes_may_be_tensors_and_rows_are_drawn_from_random_state(decoder):
    codes = torch.randn(200, 4)
    first, again, other = (
        decoder_relevance(decoder, codes, n_samples=10, random_state=seed)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.relevance, again.relevance)
    assert not np.array_equal(first.relevance, other.relevance)


def test_a_given_variance_is_used(decoder):
    codes = np.random.default_rng(0).standard_normal((50, 4))
    found = decoder_relevance(decoder, codes, variance=[1.0, 0.0, 2.0, 0.0])
    np.testing.assert_array_equal(found.relevance, found.weights * [1, 0, 2, 0])
    assert set(found.active) <= {0, 2}


def test_axes_that_the_decoder_ignores_are_not_active():
    decoder = nn.Linear(5, 9)
    with torch.no_grad():
        decoder.weight[:, [0, 3]] = 0.0
    codes = np.random.default_rng(0).standard_normal((50, 5))
    found = decoder_relevance(decoder, codes, threshold=1.0)
    assert set(found.active) == {1, 2, 4}
    assert set(found.ranking[3:]) == {0, 3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 0}, "n_samples == 0, must be >= 1"),
        ({"threshold": 0.0}, "threshold == 0.0"),
        ({"method": "backward"}, "method must be"),
        ({"variance": [1.0]}, "variance must hold 4 finite numbers"),
        ({"variance": [1.0, 1.0, 1.0, -1.0]}, "variance must hold 4 finite numbers"),
        ({"codes": [[0.0, np.nan, 0, 0]]}, "codes contains NaN"),
        ({"codes": np.zeros((5, 3))}, "twofold differentiation"),
        ({"decoder": lambda z: "no"}, "twofold differentiation"),
    ],
)
def test_bad_arguments_are_named(decoder, arguments, message):
    arguments = {"decoder": decoder, "codes": np.ones((5, 4))} | arguments
    with pytest.raises(ValueError, match=message):
        decoder_relevance(arguments.pop("decoder"), arguments.pop("codes"), **arguments)


relevances = arrays(np.float64, st.integers(1, 12), elements=st.floats(0, 1e3))


@given(relevance=relevances, threshold=st.floats(0.01, 1.0))
def test_the_active_axes_are_the_fewest_that_explain_more(relevance, threshold):
    active = select_active(relevance, threshold)
    total = relevance.sum()
    if total == 0.0:
        assert len(active) == 0
        return
    assert np.all(np.diff(relevance[active]) <= 0.0)
    explained = relevance[active].sum()
    slack = 1e-12 * total
    positive = np.count_nonzero(relevance)
    assert explained > threshold * total - slack or len(active) == positive
    assert relevance[active[:-1]].sum() <= threshold * total + slack


@given(relevance=relevances)
def test_the_count_on_the_device_is_the_number_selected(relevance):
    count = count_active(torch.from_numpy(relevance), 0.99)
    assert count.item() == len(select_active(relevance, 0.99))


@pytest.mark.parametrize(
    ("relevance", "expected"),
    [
        ([99.0, 1.0], [0, 1]),  # exactly 99 % is not more than 99 %
        ([99.1, 0.9], [0]),
        ([0.5, 50.0, 49.5], [1, 2]),
        ([0.0, 0.0], []),
        ([3.0], [0]),
    ],
)
def test_the_99_percent_rule(relevance, expected):
    np.testing.assert_array_equal(select_active(np.array(relevance)), expected)
