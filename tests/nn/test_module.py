"""What every module takes: networks, and the settings that its classes declare."""

import pytest
import torch
from torch import nn

from sklearn_ardvae.methods.ard_vae import ARDVAEModule
from sklearn_ardvae.methods.rank_reduction import VRRAEModule
from sklearn_ardvae.methods.second_stage import SecondStageModule
from sklearn_ardvae.methods.vae import VAEModule
from sklearn_ardvae.nn.likelihoods import BernoulliLikelihood, GaussianLikelihood
from sklearn_ardvae.nn.module import AutoencoderModule, HeldOut, Networks
from sklearn_ardvae.nn.variational import VariationalModule


class Parent(AutoencoderModule):
    weight: float
    kind: str = "plain"


class Child(Parent):
    outputs_per_component = 2  # Of the contract: no setting.

    critic: nn.Module
    weight: float


class Fixed(Child):
    weight = 3.0


def networks(likelihood=None):
    return Networks(
        nn.Linear(3, 2), nn.Linear(2, 3), likelihood or GaussianLikelihood(), 2, 3
    )


class TestSettings:
    @pytest.mark.parametrize(
        ("cls", "expected"),
        [
            (AutoencoderModule, []),
            (Parent, ["weight", "kind"]),
            (Child, ["weight", "kind", "critic"]),
            (Fixed, ["kind", "critic"]),
            (VariationalModule, ["beta"]),
            (SecondStageModule, ["count_by", "initial_noise_variance"]),
            (
                VRRAEModule,
                [
                    "beta",
                    "initial_rank",
                    "search_tolerance",
                    "svd",
                    "basis",
                    "mean_map",
                    "kl_reduction",
                ],
            ),
        ],
        ids=lambda value: getattr(value, "__name__", ""),
    )
    def test_names_are_those_of_the_class_and_its_parents(self, cls, expected):
        assert list(cls.declared_settings()) == expected

    def test_they_become_attributes(self):
        module = Child(networks(), weight=2.0, kind="other", critic=nn.Linear(2, 1))
        assert (module.weight, module.kind) == (2.0, "other")

    def test_those_with_a_value_may_be_left_out(self):
        assert Parent(networks(), weight=2.0).kind == "plain"
        module = Fixed(networks(), critic=nn.Linear(2, 1))
        assert (module.weight, module.kind) == (3.0, "plain")

    def test_networks_among_them_are_trained_and_saved(self):
        module = Child(networks(), weight=2.0, critic=nn.Linear(2, 1))
        names = {name for name, _ in module.named_parameters()}
        assert {"critic.weight", "critic.bias"} < names

    @pytest.mark.parametrize(
        ("cls", "settings", "message"),
        [
            (Parent, {}, r"missing: \['weight'\], unknown: \[\]"),
            (Parent, {"weight": 1.0, "size": 2}, r"missing: \[\], unknown: \['size'\]"),
            (Parent, {"wieght": 1.0}, r"missing: \['weight'\], unknown: \['wieght'\]"),
            (Child, {"weight": 1.0}, r"missing: \['critic'\]"),
            (Fixed, {}, r"missing: \['critic'\]"),
            (Fixed, {"critic": None, "weight": 1.0}, r"unknown: \['weight'\]"),
            (ARDVAEModule, {"beta": 1.0, "prior": "gaussian"}, r"\['held_out'\]"),
            # What belongs to the contract is no setting of a method.
            (Parent, {"weight": 1.0, "settled": False}, r"unknown: \['settled'\]"),
            (VariationalModule, {}, r"missing: \['beta'\]"),
            (VAEModule, {"noise_model": "fixed"}, r"\['initial_noise_variance'\]"),
        ],
        ids=str,
    )
    def test_missing_and_unknown_ones_are_named(self, cls, settings, message):
        with pytest.raises(TypeError, match=message) as caught:
            cls(networks(), **settings)
        assert cls.__name__ in str(caught.value)
        assert str(list(cls.declared_settings())) in str(caught.value)

    def test_they_are_given_by_name(self):
        with pytest.raises(TypeError, match="positional"):
            Parent(networks(), 2.0)


class TestInference:
    def test_it_has_what_the_networks_have(self):
        given = networks()
        module = AutoencoderModule(given)
        assert module.encoder is given.encoder
        assert module.decoder is given.decoder
        assert module.likelihood is given.likelihood
        assert (module.n_components, module.n_features) == (2, 3)

    def test_decode_is_the_mean_of_the_output(self):
        module, z = (
            AutoencoderModule(networks(BernoulliLikelihood())),
            torch.randn(5, 2),
        )
        torch.testing.assert_close(module.output(z), module.decoder(z))
        torch.testing.assert_close(module.decode(z), module.decoder(z).sigmoid())
        x = torch.randn(5, 3)
        torch.testing.assert_close(
            module(x), module.decoder(module.encoder(x)).sigmoid()
        )

    def test_without_a_posterior_codes_do_not_vary(self):
        module, x = AutoencoderModule(networks()), torch.randn(5, 3)
        assert torch.equal(module.code_std(x), torch.zeros(5, 2))

    def test_it_has_no_rule_of_its_own(self):
        assert AutoencoderModule(networks()).is_active() is None


@pytest.mark.parametrize(
    ("held_out", "n_rows", "expected"),
    [
        (HeldOut(), 1000, 1000),
        (HeldOut(share=0.2), 1000, 200),
        (HeldOut(share=0.2, most=50), 1000, 50),
        (HeldOut(share=0.2, most=500), 1000, 200),
        (HeldOut(most=50), 20, 20),
        (HeldOut(share=0.001), 400, 1),
    ],
)
def test_the_size_of_what_is_held_out(held_out, n_rows, expected):
    assert held_out.size(n_rows) == expected
