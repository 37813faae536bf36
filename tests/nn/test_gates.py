"""Gate gradients against exact enumeration, the multiplier against its equations."""

import itertools
import math

import pytest
import torch

from sklearn_ardvae.nn.gates import (
    GecoMultiplier,
    antithetic_gates,
    arm_gradient,
    disarm_gradient,
    flip,
    local_expectation_gradient,
    tolerable_loss,
)
from sklearn_ardvae.nn.likelihoods import BernoulliLikelihood, GaussianLikelihood

LOGITS = 7.0 * torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64)
N_DRAWS = 400_000


def function(gates):
    """A function of three gates that is neither additive nor symmetric."""
    inner = gates @ torch.tensor([1.0, -2.0, 0.5], dtype=gates.dtype)
    return inner**2 + torch.sin(2 * inner)


def enumerated_gradient(logits):
    """The gradient of E F(b), by summing over all 8 gates."""
    logits = logits.clone().requires_grad_()
    pi = torch.sigmoid(logits)
    expectation = 0.0
    for bits in itertools.product((0.0, 1.0), repeat=3):
        b = torch.tensor(bits, dtype=torch.float64)
        expectation += (b * pi + (1 - b) * (1 - pi)).prod() * function(b)
    return torch.autograd.grad(expectation, logits)[0]


def estimates(logits, seed=0, function=function):
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(N_DRAWS, 3, generator=generator, dtype=torch.float64)
    first, second = antithetic_gates(logits, u)
    flipped = flip(first, torch.randint(3, (N_DRAWS,), generator=generator))
    antithetic = function(first) - function(second)
    local = function(first) - function(flipped)
    return {
        "arm": arm_gradient(antithetic, u),
        "disarm": disarm_gradient(antithetic, first, second, logits),
        "local": local_expectation_gradient(local, first, flipped, logits),
    }


@pytest.mark.parametrize("name", ["arm", "disarm", "local"])
@pytest.mark.parametrize("logits", [LOGITS, torch.tensor([3.0, -4.0, 0.0]).double()])
def test_estimates_are_unbiased(name, logits):
    drawn = estimates(logits)[name]
    error = drawn.mean(0) - enumerated_gradient(logits)
    standard_error = drawn.std(0) / math.sqrt(N_DRAWS)
    # 4.5 standard errors: about 1 in 10 000 for six numbers, and the seed is fixed.
    assert torch.all(error.abs() < 4.5 * standard_error)


def test_disarm_has_the_smaller_variance():
    drawn = estimates(LOGITS)
    assert torch.all(drawn["disarm"].var(0) < drawn["arm"].var(0))


def test_only_the_local_estimate_has_no_noise_where_the_function_is_blind():
    drawn = estimates(LOGITS, function=lambda gates: 9.0 * gates[:, 0] * gates[:, 1])
    assert torch.all(drawn["local"][:, 2] == 0.0)
    # Means of 0 as well, with a deviation as large as that of the other axes.
    for name in ("arm", "disarm"):
        assert drawn[name][:, 2].std() > 0.5 * drawn[name][:, 0].std()


def test_one_axis_of_each_draw_is_flipped():
    gates = torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]])
    flipped = flip(gates, torch.tensor([1, 0]))
    assert flipped.tolist() == [[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]]


def test_disarm_is_arm_averaged_over_u_given_the_gates():
    g = torch.tensor([0.8], dtype=torch.float64)
    u = (torch.arange(200_000, dtype=torch.float64)[:, None] + 0.5) / 200_000
    first, second = antithetic_gates(g, u)
    arm = arm_gradient(torch.ones(len(u), dtype=torch.float64), u)
    disarm = disarm_gradient(torch.ones(len(u), dtype=torch.float64), first, second, g)
    for pair in ((0.0, 1.0), (1.0, 0.0)):
        at = (first[:, 0] == pair[0]) & (second[:, 0] == pair[1])
        if at.any():
            torch.testing.assert_close(
                arm[at].mean(), disarm[at].mean(), atol=1e-4, rtol=0.0
            )


def test_gates_are_bernoulli_and_mirrored():
    u = torch.rand(100_000, 3, generator=torch.Generator().manual_seed(0)).double()
    first, second = antithetic_gates(LOGITS, u)
    pi = torch.sigmoid(LOGITS)
    # Standard error of a frequency: 0.0016.
    torch.testing.assert_close(first.mean(0), pi, atol=0.008, rtol=0.0)
    torch.testing.assert_close(second.mean(0), pi, atol=0.008, rtol=0.0)
    mirrored, _ = antithetic_gates(LOGITS, 1 - u)
    assert torch.equal(mirrored, second)


class TestTolerableLoss:
    def test_of_squared_errors_it_is_a_share_of_the_variance(self):
        x = 3.0 * torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) + 2.0
        expected = 0.2 * x.var(0, correction=0).sum()
        torch.testing.assert_close(
            tolerable_loss(GaussianLikelihood(), x, 0.2), expected
        )

    def test_of_cross_entropies_it_lies_above_the_entropy_of_x(self):
        x = torch.rand(400, 4, generator=torch.Generator().manual_seed(0)).double()

        def cross_entropy(q):
            return -(x * q.log() + (1 - x) * (1 - q).log()).sum(1).mean()

        expected = torch.lerp(cross_entropy(x), cross_entropy(x.mean(0)), 0.05)
        found = tolerable_loss(BernoulliLikelihood(), x, 0.05)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=0.0)


class TestGecoMultiplier:
    def test_it_starts_at_1(self):
        geco = GecoMultiplier(20.0)
        assert geco.rho.item() == pytest.approx(math.log(math.e - 1))
        assert geco().item() == pytest.approx(1.0)

    def test_it_starts_at_the_largest_if_that_is_smaller(self):
        assert GecoMultiplier(0.3)().item() == pytest.approx(0.3)

    def test_the_average_starts_at_the_first_value_and_decays(self):
        geco, expected = GecoMultiplier(20.0), 5.0
        geco.observe(torch.tensor(5.0))
        assert geco.average.item() == expected == 5.0
        for value in (-1.0, 2.0, 2.0):
            geco.observe(torch.tensor(value))
            expected = 0.99 * expected + 0.01 * value
            assert geco.average.item() == pytest.approx(expected)

    def test_descent_of_its_term_is_ascent_of_the_multiplier(self):
        geco = GecoMultiplier(20.0)
        geco.observe(torch.tensor(3.0))
        term = geco.ascent()
        assert term.item() == 0.0
        (found,) = torch.autograd.grad(term, geco.rho)
        rho = geco.rho.item()
        softplus, sigmoid = math.log1p(math.exp(rho)), 1 / (1 + math.exp(-rho))
        assert found.item() == pytest.approx(-3.0 * 2 * softplus * sigmoid)

    def test_it_stays_in_its_range_and_turns_round_at_once(self):
        geco = GecoMultiplier(20.0)
        optimizer = torch.optim.SGD(geco.parameters(), lr=0.5)

        def step(value):
            geco.average.fill_(value)
            geco.started.zero_()
            geco.observe(torch.tensor(value))
            optimizer.zero_grad()
            geco.ascent().backward()
            optimizer.step()
            return geco().item()

        for _ in range(50):
            largest = step(10.0)
        assert largest == pytest.approx(20.0, rel=1e-5)
        step(-0.1)
        assert step(-0.1) < 20.0
        for _ in range(2000):
            smallest = step(-10.0)
        assert 0.0 < smallest == pytest.approx(math.log1p(math.exp(-5.0)) ** 2, rel=0.2)

    def test_it_is_saturated_at_its_largest_while_the_constraint_is_not_met(self):
        geco = GecoMultiplier(1.0)  # where it starts
        for average, expected in ((0.1, True), (0.0, False), (-0.1, False)):
            geco.average.fill_(average)
            assert geco.is_saturated == expected
        geco.average.fill_(0.1)
        with torch.no_grad():
            geco.rho -= 1e-3
        assert not geco.is_saturated

    @pytest.mark.parametrize("value", [1e-6, 0.3, 1.0, 20.0, 1e6])
    def test_the_range_is_inverted_exactly(self, value):
        geco = GecoMultiplier(value)
        with torch.no_grad():
            geco.rho.fill_(1e9)
        expected = max(value, math.log1p(math.exp(-5.0)) ** 2)
        if value >= expected:
            assert geco().item() == pytest.approx(value, rel=1e-5)
