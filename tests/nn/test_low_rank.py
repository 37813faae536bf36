"""Truncation, axes and the search for a rank, against numpy, differences and cases."""

import numpy as np
import pytest
import torch

from sklearn_ardvae.nn.low_rank import (
    PrincipalAxes,
    align,
    batch_axes,
    nuclear_norm,
    truncate,
)
from sklearn_ardvae.nn.rank_search import RankSearch


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def with_spectrum(n_rows, n_columns, values, seed=0):
    """A matrix with these singular values, in float64."""
    rng = np.random.default_rng(seed)
    n = len(values)
    u = np.linalg.qr(rng.standard_normal((n_rows, n)))[0]
    v = np.linalg.qr(rng.standard_normal((n_columns, n)))[0]
    return torch.from_numpy(u * np.array(values) @ v.T)


SHAPES = [(12, 7), (7, 12)]
SPECTRA = {
    "distinct": [5.0, 3.0, 2.0, 1.0, 0.5, 0.3, 0.1],
    "two equal kept": [3.0, 3.0, 2.0, 1.0, 0.5, 0.3, 0.1],
    "all kept equal": [2.0, 2.0, 2.0, 1.0, 0.5, 0.3, 0.1],
    "two equal discarded": [5.0, 3.0, 2.0, 1.0, 1.0, 0.3, 0.1],
    "rank deficient": [5.0, 3.0, 2.0, 1.0, 0.0, 0.0, 0.0],
    "rank 3, nothing to discard": [5.0, 3.0, 2.0],
}


class TestTruncate:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("name", SPECTRA)
    def test_it_is_the_truncated_svd(self, shape, name):
        y = with_spectrum(*shape, SPECTRA[name])
        u, s, v = np.linalg.svd(y.numpy(), full_matrices=False)
        expected = u[:, :3] * s[:3] @ v[:3]
        # Squaring costs half of float64's 16 digits at worst.
        np.testing.assert_allclose(truncate(y, 3).numpy(), expected, atol=1e-7)

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("name", SPECTRA)
    def test_its_gradient_is_that_of_differences(self, shape, name):
        y = with_spectrum(*shape, SPECTRA[name]).requires_grad_()
        weight = torch.randn(shape, dtype=torch.float64)

        def loss(matrix):
            u, s, v = np.linalg.svd(matrix.detach().numpy(), full_matrices=False)
            low = u[:, :3] * s[:3] @ v[:3]
            return (weight.numpy() * low + 0.1 * low**3).sum()

        low = truncate(y, 3)
        (weight * low + 0.1 * low**3).sum().backward()
        differences = np.empty(shape)
        step = 1e-5
        for index in np.ndindex(shape):
            shift = torch.zeros(shape, dtype=torch.float64)
            shift[index] = step
            differences[index] = (loss(y + shift) - loss(y - shift)) / (2.0 * step)
        # Central differences of step 1e-5: 1e-10 in step squared, 1e-10 of rounding.
        np.testing.assert_allclose(y.grad.numpy(), differences, atol=1e-6)

    @pytest.mark.parametrize("shape", [(3, 7), (7, 3), (2, 7)])
    def test_there_is_nothing_to_cut_from_few_rows_or_columns(self, shape):
        y = torch.randn(shape)
        assert truncate(y, 3) is y

    @pytest.mark.parametrize("rank", [1, 3])
    def test_zeros_have_a_finite_gradient(self, rank):
        y = torch.zeros(6, 5, requires_grad=True)
        truncate(y, rank).sum().backward()
        assert y.grad.isfinite().all()

    def test_a_crossing_of_kept_and_discarded_has_a_bounded_gradient(self):
        y = with_spectrum(8, 6, [2.0, 1.0, 1.0, 0.5]).requires_grad_()
        weight = torch.randn(8, 6, dtype=torch.float64)
        (truncate(y, 2, smallest_gap=1e-4) * weight).sum().backward()
        # |T| <= |S + S'| / (gap * largest square), with |S| <= |G| |Y|.
        bound = 4 * weight.norm() * y.norm() ** 2 / (1e-4 * 4.0) + weight.norm()
        assert y.grad.norm() < bound

    def test_infinite_numbers_pass_for_the_engine_to_see(self):
        y = torch.full((6, 5), torch.inf)
        assert truncate(y, 2) is y
        assert batch_axes(y, 2).isfinite().all()

    def test_float32_keeps_its_type_and_its_digits(self):
        y = with_spectrum(40, 30, np.geomspace(1.0, 1e-3, 30))
        low = truncate(y.float(), 5)
        assert low.dtype == torch.float32
        torch.testing.assert_close(low.double(), truncate(y, 5), rtol=0, atol=1e-6)


class TestBatchAxes:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("name", SPECTRA)
    def test_they_span_what_is_kept(self, shape, name):
        y = with_spectrum(*shape, SPECTRA[name])
        axes = batch_axes(y, 3)
        torch.testing.assert_close(axes.T @ axes, torch.eye(3, dtype=torch.float64))
        # Equal discarded values aside, y projected on the axes is the truncation.
        torch.testing.assert_close(y @ axes @ axes.T, truncate(y, 3), atol=1e-6, rtol=0)

    def test_a_short_batch_has_as_many_as_rows(self):
        y = torch.randn(2, 9)
        axes = batch_axes(y, 4)
        assert axes.shape == (9, 2)
        torch.testing.assert_close(y @ axes @ axes.T, y)

    def test_axes_of_a_batch_of_lower_rank_are_completed(self):
        y = with_spectrum(8, 9, [2.0])
        axes = batch_axes(y, 3)
        torch.testing.assert_close(axes.T @ axes, torch.eye(3, dtype=torch.float64))
        torch.testing.assert_close(y @ axes @ axes.T, y)


class TestAlign:
    def test_it_undoes_any_rotation_and_sign(self):
        reference = torch.linalg.qr(torch.randn(9, 4))[0]
        rotation = torch.linalg.qr(torch.randn(4, 4))[0]
        aligned = align(reference @ rotation, reference)
        torch.testing.assert_close(aligned, reference, atol=1e-5, rtol=0)

    def test_it_stays_in_its_span_and_comes_as_close_as_it_can(self):
        axes, reference = (torch.linalg.qr(torch.randn(9, 3))[0] for _ in range(2))
        aligned = align(axes, reference)
        projector = axes @ axes.T
        torch.testing.assert_close(aligned @ aligned.T, projector, atol=1e-5, rtol=0)
        distance = (aligned - reference).norm()
        for seed in range(50):
            generator = torch.Generator().manual_seed(seed)
            random = torch.randn(3, 3, generator=generator)
            other = aligned @ torch.linalg.qr(random)[0]
            assert (other - reference).norm() >= distance - 1e-6

    def test_fewer_axes_keep_their_projector(self):
        axes = torch.linalg.qr(torch.randn(9, 2))[0]
        reference = torch.linalg.qr(torch.randn(9, 4))[0]
        aligned = align(axes, reference)
        assert aligned.shape == (9, 4)
        torch.testing.assert_close(
            aligned @ aligned.T, axes @ axes.T, atol=1e-5, rtol=0
        )


class TestNuclearNorm:
    def test_it_is_the_sum_of_singular_values(self):
        matrix = torch.randn(6, 6, dtype=torch.float64)
        expected = np.linalg.svd(matrix.numpy(), compute_uv=False).sum()
        assert nuclear_norm(matrix).item() == pytest.approx(expected, rel=1e-12)

    def test_its_gradient_is_u_v_and_that_of_differences(self):
        matrix = torch.randn(5, 5, dtype=torch.float64, requires_grad=True)
        nuclear_norm(matrix).backward()
        u, _, v = np.linalg.svd(matrix.detach().numpy())
        np.testing.assert_allclose(matrix.grad.numpy(), u @ v, atol=1e-10)
        assert torch.autograd.gradcheck(nuclear_norm, (matrix,))

    def test_equal_and_vanishing_values_are_harmless(self):
        for matrix in (torch.eye(4), torch.zeros(4, 4)):
            matrix.requires_grad_()
            nuclear_norm(matrix).backward()
            assert matrix.grad.isfinite().all()

    def test_what_is_not_finite_is_nan(self):
        assert nuclear_norm(torch.full((2, 2), torch.inf)).isnan()


def observed(axes, y, batch=16):
    for rows in y.split(batch):
        axes.observe(rows)
    axes.update()
    return axes


class TestPrincipalAxes:
    def test_the_streamed_basis_is_that_of_the_full_svd(self):
        y = with_spectrum(100, 8, np.geomspace(10.0, 0.1, 8)).float()
        axes = observed(PrincipalAxes(8, 3, centred=False), y)
        v = np.linalg.svd(y.double().numpy())[2][:3].T
        v *= np.sign(v[np.abs(v).argmax(0), range(3)])
        # Float32 basis; the gaps between squared values are of order 10.
        np.testing.assert_allclose(axes.basis[:, :3].numpy(), v, atol=1e-6)
        assert axes.basis[:, 3:].abs().max() == 0.0

    def test_it_does_not_depend_on_the_batches(self):
        y = torch.randn(100, 6)
        first, second = (
            observed(PrincipalAxes(6, 2, centred=False), y, batch) for batch in (7, 50)
        )
        torch.testing.assert_close(first.basis, second.basis, atol=1e-6, rtol=0)

    def test_centred_axes_are_pca(self):
        y = torch.randn(200, 5) @ torch.randn(5, 5) + 3.0
        axes = observed(PrincipalAxes(5, 5, centred=True), y)
        z = axes.project(y).double()
        assert z.mean(0).abs().max() < 1e-5
        expected = np.linalg.eigvalsh(np.cov(y.double().numpy().T, bias=True))[::-1]
        covariance = np.cov(z.numpy().T, bias=True)
        np.testing.assert_allclose(covariance, np.diag(expected), atol=1e-4)
        torch.testing.assert_close(
            axes.covariance, torch.from_numpy(covariance).float(), atol=1e-4, rtol=0
        )
        torch.testing.assert_close(axes.expand(axes.project(y)), y, atol=1e-5, rtol=0)

    def test_moments_and_draws_are_those_of_the_coordinates(self):
        y = torch.randn(400, 5) * torch.tensor([3.0, 2.0, 1.0, 0.1, 0.1]) + 1.0
        axes = observed(PrincipalAxes(5, 3, centred=False), y)
        z = axes.project(y)
        torch.testing.assert_close(axes.mean, z.mean(0), atol=1e-5, rtol=0)
        torch.testing.assert_close(
            axes.covariance, z.T.cov(correction=0), atol=1e-5, rtol=0
        )
        drawn = axes.draw(40_000, torch.Generator().manual_seed(0))
        # Standard errors of means and variances of 40 000 draws, at most 0.015 x 5.
        torch.testing.assert_close(drawn.mean(0), axes.mean, atol=0.08, rtol=0)
        torch.testing.assert_close(drawn.T.cov(), axes.covariance, atol=0.3, rtol=0)
        assert drawn[:, 3:].abs().max() < 1e-5

    def test_projectors_ignore_singular_values(self):
        # Three batches along e1 with large codes, five along e2 with small ones.
        y = torch.zeros(16, 3)
        y[:6, 0], y[6:, 1] = 10.0, 1.0
        axes = PrincipalAxes(3, 1, centred=False)
        axes.refit(lambda rows: rows, y)
        torch.testing.assert_close(axes.basis[:, 0], torch.tensor([1.0, 0.0, 0.0]))
        axes.refit_to_batches(y.split(2))
        torch.testing.assert_close(axes.basis[:, 0], torch.tensor([0.0, 1.0, 0.0]))

    def test_they_stay_until_they_are_brought_up_to_date(self):
        axes, y = PrincipalAxes(4, 2, centred=False), torch.randn(20, 4)
        axes.update()  # Nothing was observed.
        before = axes.basis.clone()
        axes.observe(y)
        axes.eval()
        assert torch.equal(axes.basis, before)
        axes.update()
        assert not torch.equal(axes.basis, before)
        after = axes.basis.clone()
        axes.observe(torch.full((1, 4), torch.nan))
        axes.update()
        assert torch.equal(axes.basis, after)

    def test_a_stream_halves_what_it_knew(self):
        axes = PrincipalAxes(2, 1, centred=False)
        axes.observe(torch.ones(4, 2))
        axes.forget(streaming=True)
        assert axes.moments[0, 0] == 2.0
        axes.forget(streaming=False)
        assert axes.moments.abs().max() == 0.0

    def test_fixed_axes_stay(self):
        axes = observed(
            PrincipalAxes(4, 2, centred=False, fixed=True), torch.randn(20, 4)
        )
        assert torch.equal(
            axes.basis, torch.eye(4) * torch.tensor([1.0, 1.0, 0.0, 0.0])
        )


def outcome(needed, start, tolerance=0.1, n_epochs=2000):
    """The rank at which a search stops if `needed` is what the loss asks for."""
    search, rank, n = RankSearch(tolerance), start, 0
    loss = 10.0
    while not search.is_over:
        floor = 2.0 ** max(0, needed - rank)
        loss = floor + 0.5 * (max(loss, floor + 0.05) - floor)
        rank = search.next_rank(rank, loss)
        n += 1
        assert n < n_epochs
    return rank, n


class TestRankSearch:
    @pytest.mark.parametrize("start", [1, 2, 7, 64, 200])
    @pytest.mark.parametrize("needed", [1, 2, 3, 7, 33])
    def test_it_stops_at_the_smallest_rank_that_keeps_the_loss(self, start, needed):
        rank, n_epochs = outcome(needed, start)
        assert rank == min(start, needed)
        # Logarithmically many cuts; each that fails costs `patience` epochs.
        assert n_epochs < 25 * (2 + np.log2(start + 1))

    def test_it_waits_for_the_loss_to_settle(self):
        search = RankSearch(0.1)
        for epoch in range(100):
            assert search.next_rank(8, 0.9**epoch) == 8
        ranks = [search.next_rank(8, 1.0) for _ in range(10)]
        assert ranks == [8] * 9 + [4]

    def test_a_trial_that_fails_gives_the_weights_back(self):
        search, weights = RankSearch(0.1), [torch.ones(2), torch.ones(3)]
        rank = 8
        for _ in range(11):
            rank = search.advance(rank, 10.0, weights)
        assert rank == 4
        for weight in weights:
            weight.fill_(7.0)
        for _ in range(11):
            rank = search.advance(rank, 50.0, weights)
        assert rank == 8
        assert all(torch.all(weight == 1.0) for weight in weights)

    def test_only_a_trial_is_called_off(self):
        search, weights = RankSearch(0.1), [torch.ones(2)]
        assert search.call_off(8, weights) == 8
        rank = 8
        for _ in range(11):
            rank = search.advance(rank, 10.0, weights)
        weights[0].fill_(7.0)
        assert search.call_off(rank, weights) == 8
        assert torch.all(weights[0] == 1.0)
        # At the rank that holds, the weights are those that it was trained to.
        weights[0].fill_(5.0)
        assert search.call_off(8, weights) == 8
        assert torch.all(weights[0] == 5.0)

    @staticmethod
    def feed(search, rank, errors):
        for error in errors:
            rank = search.next_rank(rank, error)
        return rank

    def test_the_reference_goes_on_falling(self):
        search = RankSearch(0.1)
        assert self.feed(search, 8, [10.0] * 11) == 4
        assert self.feed(search, 4, [50.0] * 11) == 8
        # Trained on, rank 8 reaches 8.0: by that, and not by the 10.0, 6 is judged.
        assert self.feed(search, 8, [8.0] * 11) == 6
        assert self.feed(search, 6, [9.5] * 11) == 8
        assert self.feed(search, 8, [8.0] * 11) == 7
        assert self.feed(search, 7, [8.7] * 11) == 6
        assert self.feed(search, 6, [9.5] * 11) == 7
        assert self.feed(search, 7, [8.7] * 11) == 7
        assert search.is_over

    def test_a_trial_without_hope_ends(self):
        search = RankSearch(0.1)
        assert self.feed(search, 8, [10.0] * 11) == 4
        # 0.3 % an epoch, 3 % in ten, would be progress; but 40 are left to go.
        errors = 51.0 * 0.997 ** np.arange(11)
        assert self.feed(search, 4, errors) == 8

    def test_what_costs_nothing_holds_at_once(self):
        search = RankSearch(0.0)
        assert self.feed(search, 8, [10.0] * 11) == 4
        assert search.next_rank(4, 9.9) == 2

    def test_a_rank_that_failed_from_afar_gets_a_second_trial(self):
        search = RankSearch(0.1)
        assert self.feed(search, 8, [10.0] * 11) == 4
        assert self.feed(search, 4, [90.0] * 11) == 8
        assert self.feed(search, 8, [10.0] * 11) == 6
        assert search.next_rank(6, 9.9) == 5
        assert search.next_rank(5, 9.9) == 4
        assert not search.is_over
        assert search.next_rank(4, 9.9) == 2
