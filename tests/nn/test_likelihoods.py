"""Reconstruction losses and log likelihoods against torch.distributions."""

import torch
from torch.distributions import Bernoulli, Normal

from sklearn_ardvae.nn.likelihoods import BernoulliLikelihood, GaussianLikelihood


def test_gaussian_is_a_sum_without_a_half():
    x, output = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 4.0]] * 2)
    losses = GaussianLikelihood().reconstruction(x, output)
    torch.testing.assert_close(losses, torch.tensor([5.0, 16.0]))


def test_gaussian_log_likelihood_is_torchs():
    x, mean = torch.randn(5, 7).double(), torch.randn(5, 7).double()
    likelihood = GaussianLikelihood()
    ours = likelihood.log_likelihood(likelihood.reconstruction(x, mean), 7, 0.3)
    expected = Normal(mean, 0.3**0.5).log_prob(x).sum(1)
    torch.testing.assert_close(ours, expected)


def test_bernoulli_log_likelihood_is_torchs():
    x = torch.randint(2, (5, 7)).double()
    logits = torch.randn(5, 7).double()
    likelihood = BernoulliLikelihood()
    ours = likelihood.log_likelihood(likelihood.reconstruction(x, logits), 7, 1.0)
    expected = Bernoulli(logits=logits).log_prob(x).sum(1)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(likelihood.mean(logits), Bernoulli(logits=logits).mean)
