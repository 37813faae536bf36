"""Units go in and out without loss, and codes end where they belong."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_ardvae.nn.units import (
    NarrowCodes,
    Restored,
    Standardised,
    Units,
    WideCodes,
    adopt_units,
    units_of,
)


def rows(n=200, shift=0.0, scale=1.0, seed=0, n_features=4):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, n_features)) * np.linspace(2.0, 0.5, n_features)
    return torch.from_numpy(scale * x + shift)


def ends(units, n_features=4):
    """The layers before and after networks, in these units."""
    pair = nn.ModuleList([Standardised(n_features), Restored(n_features)])
    adopt_units(pair, units)
    return pair


class TestUnits:
    @pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
    @pytest.mark.parametrize("shift", [0.0, 1e4, -1e8])
    def test_they_are_mean_and_root_of_the_mean_variance(self, scale, shift):
        x = rows(shift=shift * scale, scale=scale)
        units = Units.of(x)
        home = rows() * scale
        # Numbers of `shift` hold the rest to 1e-16 of it.
        close = {"rel": 1e-6, "abs": 1e-14 * abs(shift) * scale}
        moved = (units.centre - shift * scale).numpy()
        assert moved == pytest.approx(home.mean(0).numpy(), **close)
        spread = home.numpy().var(0).mean() ** 0.5
        assert units.scale == pytest.approx(spread, **close)
        assert units.scale == np.float32(units.scale)

    @pytest.mark.parametrize("n", [1, 2, 4095, 4097])
    def test_blocks_are_one_table(self, n):
        x = rows(n)
        units = Units.of(x)
        np.testing.assert_allclose(units.centre, x.mean(0), atol=1e-12)
        spread = x.numpy().var(0).mean() ** 0.5
        assert units.scale == pytest.approx(spread or 1.0, rel=1e-6)

    @pytest.mark.parametrize("value", [0.0, 0.1, -3e7, 1e-30])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_constants_have_the_unit_1(self, value, dtype):
        x = torch.full((37, 3), value, dtype=dtype)
        units = Units.of(x)
        assert units.scale == 1.0
        assert torch.all(units.standardise(x) == 0.0)

    def test_a_constant_column_is_0(self):
        x = rows()
        x[:, 1] = 0.1
        units = Units.of(x)
        assert units.scale == pytest.approx(x.numpy().var(0).mean() ** 0.5)
        assert units.standardise(x)[:, 1].abs().max() < 1e-15

    @pytest.mark.parametrize("scale", [1e-17, 1e-12, 1e12, 1e17])
    def test_extreme_units_do(self, scale):
        x = rows(scale=scale)
        units = Units.of(x)
        standard = units.standardise(x)
        assert standard.var(0, correction=0).mean().item() == pytest.approx(1.0)
        first, last = ends(units)
        torch.testing.assert_close(first(x.float()), standard)
        torch.testing.assert_close(last(standard), x.float())
        # Variances are numbers that float32 has.
        assert 0.0 < torch.tensor(units.scale).square() < torch.inf

    @pytest.mark.parametrize("scale", [1e-19, 1e-37, 1e-50])
    def test_what_is_too_small_for_squares_is_a_constant(self, scale):
        x = rows(scale=scale)
        units = Units.of(x)
        assert units.scale == 1.0
        torch.testing.assert_close(
            units.standardise(x), torch.zeros(x.shape), rtol=0, atol=10.0 * scale
        )

    @pytest.mark.parametrize("scale", [1e19, 1e37, 1e50])
    def test_what_is_too_large_for_squares_is_refused(self, scale):
        with pytest.raises(ValueError, match=r"too large .* Divide X by a constant"):
            Units.of(rows(scale=scale))

    @pytest.mark.parametrize("shift", [0.0, 1e4, 1e8])
    def test_standardised_rows_have_mean_0_and_variance_1(self, shift):
        x = rows(5000, shift=shift, scale=3.0)
        standard = Units.of(x).standardise(x)
        assert standard.dtype == torch.float32
        # Rows of 1e8 know their deviations to 1e-8; float32, to 1e-7 of 1.
        np.testing.assert_allclose(standard.mean(0), 0.0, atol=1e-7)
        variance = standard.var(0, correction=0).mean().item()
        assert variance == pytest.approx(1.0, rel=1e-6)
        home = rows(5000, scale=3.0)
        np.testing.assert_allclose(
            standard, Units.of(home).standardise(home), atol=1e-6
        )


class TestEnds:
    @pytest.mark.parametrize("shift", [0.0, 1e4, 1e8])
    @pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
    def test_the_one_undoes_the_other(self, shift, scale):
        x = rows(shift=shift, scale=scale)
        first, last = ends(Units.of(x)).double()
        # The numbers themselves have 16 digits.
        rounding = 1e-15 * (shift + 10.0 * scale)
        np.testing.assert_allclose(last(first(x)), x, rtol=0, atol=rounding)
        z = rows(seed=1)
        rounding = 1e-15 * (shift / scale + 10.0)
        np.testing.assert_allclose(first(last(z)), z, rtol=0, atol=2 * rounding)

    @pytest.mark.parametrize("shift", [0.0, 1e4, 1e8])
    def test_rows_are_standardised_as_for_training(self, shift):
        x = rows(shift=shift)
        units = Units.of(x)
        first, _ = ends(units)
        expected = units.standardise(x).double()
        # The centre is kept to 48 bits.
        kept = 2.0**-48 * shift + 1e-6
        np.testing.assert_allclose(first.double()(x), expected, rtol=0, atol=kept)

    def test_in_float32_they_are_as_good_as_the_rows(self):
        x = rows(shift=1e4).float()
        first, last = ends(Units.of(x.double()))
        expected = Units.of(x.double()).standardise(x)
        # A unit in the last place of 1e4 is 0.001; the difference of two such numbers
        # is exact.
        np.testing.assert_allclose(first(x), expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose(last(expected), x, rtol=0, atol=1e-3)

    def test_the_units_come_back(self):
        units = Units.of(rows(shift=1e8, scale=7.0))
        found = units_of(ends(units))
        assert found.scale == units.scale
        # 48 bits of 1e8.
        np.testing.assert_allclose(found.centre, units.centre, rtol=2.0**-47, atol=0)

    def test_standard_units_change_nothing_and_take_no_time(self):
        first, last = ends(Units.of(rows(shift=3.0)))
        adopt_units(nn.ModuleList([first, last]), Units.standard(4))
        x = rows().float()
        assert first(x) is x
        assert last(x) is x
        assert first.is_identity
        assert last.is_identity

    def test_a_small_shift_alone_is_not_nothing(self):
        centre = torch.tensor([0.0, 1e-9, 0.0, 0.0], dtype=torch.float64)
        first, _ = ends(Units(centre, 1.0))
        assert not first.is_identity

    @pytest.mark.parametrize("units", [None, Units.of(rows(shift=5.0, scale=2.0))])
    def test_a_state_brings_its_units(self, units):
        units = units or Units.standard(4)
        source = ends(units)
        for target in (ends(Units.standard(4)), ends(Units.of(rows(shift=-1.0)))):
            target.load_state_dict(source.state_dict())
            x = rows().float()
            for mine, theirs in zip(target, source, strict=True):
                assert torch.equal(mine(x), theirs(x))
                assert mine.is_identity == theirs.is_identity

    def test_copies_have_the_same(self):
        source, x = ends(Units.of(rows(shift=5.0))), rows().float()
        twin = copy.deepcopy(source)
        for mine, theirs in zip(twin, source, strict=True):
            assert torch.equal(mine(x), theirs(x))

    def test_networks_that_convert_nothing_have_no_units(self):
        assert units_of(nn.Linear(2, 2)) is None
        adopt_units(nn.Linear(2, 2), Units.standard(2))

    def test_gradients_go_through(self):
        first, last = ends(Units.of(rows(scale=4.0)))
        z = rows().float().requires_grad_()
        last(first(z)).sum().backward()
        torch.testing.assert_close(z.grad, torch.ones_like(z))


class TestCodes:
    def test_each_part_is_filled_up_with_zeros(self):
        means, log_variances = torch.randn(5, 2), torch.randn(5, 2)
        wide = WideCodes(n_parts=2, n_axes=6)(torch.cat((means, log_variances), dim=1))
        found = wide.chunk(2, dim=1)
        for part, given in zip(found, (means, log_variances), strict=True):
            assert torch.equal(part[:, :2], given)
            assert part.shape == (5, 6)
            # Mean 0 and log variance 0: the prior, at no price.
            assert torch.all(part[:, 2:] == 0.0)

    @pytest.mark.parametrize("n_parts", [1, 2, 3])
    def test_any_number_of_parts(self, n_parts):
        h = torch.arange(2.0 * n_parts * 3).reshape(2, 3 * n_parts)
        wide = WideCodes(n_parts, 5)(h).reshape(2, n_parts, 5)
        assert torch.equal(wide[:, :, :3].flatten(1), h)
        assert wide.count_nonzero() <= h.numel()

    def test_as_many_as_there_are_pass(self):
        h = torch.randn(3, 8)
        assert torch.equal(WideCodes(2, 4)(h), h)

    def test_a_decoder_gets_the_first(self):
        z = torch.randn(4, 6)
        assert torch.equal(NarrowCodes(2)(z), z[:, :2])

    def test_narrow_undoes_wide(self):
        z = torch.randn(4, 2)
        assert torch.equal(NarrowCodes(2)(WideCodes(1, 6)(z)), z)

    def test_axes_that_do_not_exist_have_no_gradient(self):
        z = torch.randn(4, 6, requires_grad=True)
        NarrowCodes(2)(z).sum().backward()
        assert z.grad[:, 2:].abs().max() == 0.0
