"""Our estimators beside their counterparts in pythae: one row a pair.

For `pythae_agreement.py` and `performance/beside_pythae.py`. Both sides get the same
networks, ours as `architecture=(encoder, decoder)`, theirs in thin adapters, and the
same Adam. A pair whose estimator is not in this version of the package is left out, and
said so.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from pythae import models, trainers
from pythae.data.datasets import BaseDataset, DatasetOutput
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers.training_callbacks import CallbackHandler, TrainingCallback
from torch import Tensor, nn

import sklearn_ardvae
from sklearn_ardvae.nn.likelihoods import LIKELIHOODS
from sklearn_ardvae.nn.networks import build_networks

logging.getLogger("pythae").setLevel(logging.ERROR)
for _name in list(logging.root.manager.loggerDict):
    if _name.startswith("pythae"):
        logging.getLogger(_name).setLevel(logging.ERROR)

Networks = tuple[nn.Module, nn.Module]


@dataclass(frozen=True)
class Batch:
    """One batch as pythae sees it, for conversions from its loss to ours."""

    x: Tensor
    encoder: nn.Module
    decoder: nn.Module
    #: The first standard normal draw of the batch, shape (n_rows, n_components).
    noise: Tensor
    n_rows: int

    def kl_surplus(self) -> Tensor:
        mean, log_variance = self.encoder(self.x).chunk(2, 1)
        z = mean + (0.5 * log_variance).exp() * self.noise
        return kl_surplus(mean, log_variance, z)

    def parameters(self, name: str) -> Tensor:
        """Return the sum of squares of the decoder's parameters called so."""
        found = self.decoder.named_parameters()
        return sum(p.square().sum() for full, p in found if full.endswith(name))


def kl_surplus(mean: Tensor, log_variance: Tensor, z: Tensor) -> Tensor:
    """Return by how much the mean KL is above what the samples z say of it."""
    variance = log_variance.exp()
    exact = mean**2 + variance - 1 - log_variance
    sampled = z**2 - (z - mean) ** 2 / variance - log_variance
    return 0.5 * (exact - sampled).sum(1).mean()


def _same(loss: Tensor, _batch: Batch) -> Tensor:
    return loss


@dataclass(frozen=True)
class Pair:
    """An estimator, its counterpart, and how their losses are converted.

    Parameters
    ----------
    name : str
    ours : str
        Of the estimator.
    params : dict
        Its parameters, but for those that all pairs share.
    theirs : str
        Of the class in ``pythae.models``.
    config : dict
        Of its configuration.
    says : str
        The conversion in words.
    to_ours : callable
        ``to_ours(loss, batch)``: what our loss should be, given pythae's.
    variational : bool
        Whether the encoder puts out log variances, too.
    identity : bool
        Whether the one-batch check takes the identity for an encoder, and ones for
        the noise of our penalty.
    repair : callable or None
        Mends pythae's model in place before the comparison.
    agree : bool
        Whether the losses of one batch should agree; if not, `says` tells why.
    trains : bool
        Whether the pair is trained, too; some rows are only about a loss.
    forward : dict
        What pythae's forward pass is told besides the batch.
    phases : callable or None
        For adversarial pairs, in place of `to_ours`: ``phases(module, model, x)``
        yields name, our loss, theirs converted, the weights whose gradients are
        compared, and whether they should agree.
    """

    name: str
    ours: str
    params: dict[str, Any]
    theirs: str
    config: dict[str, Any]
    says: str
    to_ours: Callable[[Tensor, Batch], Tensor] = _same
    variational: bool = True
    identity: bool = False
    repair: Callable[[Any], None] | None = None
    agree: bool = True
    trains: bool = True
    forward: dict[str, Any] = field(default_factory=dict)
    phases: Callable[[Any, Any, Tensor], Iterator[tuple]] | None = None

    @property
    def likelihood(self) -> str:
        return self.params.get("likelihood", "gaussian")

    def is_there(self) -> bool:
        return hasattr(sklearn_ardvae, self.ours)

    def networks(self, n_features: int, n_components: int, seed: int) -> Networks:
        """Return networks (128, 128) with SiLU, as our estimators build them."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            ours = build_networks(
                "mlp",
                shape=(n_features,),
                n_components=n_components,
                n_outputs=n_components * (2 if self.variational else 1),
                likelihood=LIKELIHOODS[self.likelihood](),
                hidden_layer_sizes=(128, 128),
                activation="silu",
            )
        return ours.encoder, ours.decoder

    def estimator(self, networks: Networks, n_components: int, **shared: Any):
        cls = getattr(sklearn_ardvae, self.ours)
        return cls(n_components, architecture=networks, **(shared | self.params))

    def model(self, networks: Networks, n_features: int, n_components: int):
        """Return pythae's model around these very networks, not copies of them."""
        encoder, decoder = networks
        cls = getattr(models, self.theirs)
        config_name = self.theirs + ("_Config" if "_" in self.theirs else "Config")
        config = {"input_dim": (n_features,), "latent_dim": n_components} | self.config
        logits = self.likelihood == "bernoulli"
        if logits:
            config["reconstruction_loss"] = "bce"
        model = cls(
            getattr(models, config_name)(**config),
            encoder=Encoder(encoder, self.variational),
            decoder=Decoder(decoder, logits),
        )
        model.device = "cpu"
        if self.repair is not None:
            self.repair(model)
        return model


class Encoder(BaseEncoder):
    """A network in the clothes of pythae's encoders."""

    def __init__(self, network: nn.Module, variational: bool) -> None:
        super().__init__()
        self.network = network
        self.variational = variational

    def forward(self, x: Tensor) -> ModelOutput:
        output = self.network(x)
        if not self.variational:
            return ModelOutput(embedding=output)
        mean, log_variance = output.chunk(2, 1)
        return ModelOutput(embedding=mean, log_covariance=log_variance)


class Decoder(BaseDecoder):
    """A network in the clothes of pythae's decoders, which put out means."""

    def __init__(self, network: nn.Module, logits: bool) -> None:
        super().__init__()
        self.network = network
        self.logits = logits

    def forward(self, z: Tensor) -> ModelOutput:
        output = self.network(z)
        return ModelOutput(reconstruction=output.sigmoid() if self.logits else output)


# --- conversions ----------------------------------------------------------------------


def _add_normalisation(loss: Tensor, batch: Batch) -> Tensor:
    return loss + 0.5 * batch.x.shape[1] * math.log(2 * math.pi)


def _double(loss: Tensor, _batch: Batch) -> Tensor:
    return 2 * loss


TC_WEIGHT = 5.0


def _constant(batch: Batch) -> float:
    """Return what pythae's weighted estimate adds to (w - 1) TC."""
    return (TC_WEIGHT - 1) * (batch.noise.shape[1] - 1) * math.log(batch.n_rows)


def _exact_kl(loss: Tensor, batch: Batch) -> Tensor:
    return 2 * (loss + batch.kl_surplus())


def _exact_kl_less_constant(loss: Tensor, batch: Batch) -> Tensor:
    return _exact_kl(loss, batch) - 2 * _constant(batch)


def _double_less_constant(loss: Tensor, batch: Batch) -> Tensor:
    return 2 * (loss - _constant(batch))


def _stratified_weights(n_batch: int, n_rows: int) -> Tensor:
    """Return log weights as in appendix C of the paper, entry by entry."""
    m = n_batch - 1
    weights = np.full((n_batch, n_batch), 1 / m)
    for i in range(n_batch):
        weights[i, i] = 1 / n_rows
        weights[i, (i + 1) % n_batch] = (n_rows - m) / (n_rows * m)
    return torch.tensor(weights).log().to(torch.get_default_dtype())


def _repair_table(model: Any) -> None:
    model._log_importance_weight_matrix = _stratified_weights


def _make_kl_exact(model: Any) -> None:
    published = model.loss_function

    def loss_function(recon_x, x, mu, log_var, z, dataset_size):
        loss, *others = published(recon_x, x, mu, log_var, z, dataset_size)
        return loss + kl_surplus(mu, log_var, z), *others

    model.loss_function = loss_function


def _repair_both(model: Any) -> None:
    _repair_table(model)
    _make_kl_exact(model)


WEIGHT_DECAY = 1e-3


def _weight_decay(loss: Tensor, batch: Batch) -> Tensor:
    """Add the penalty that has the weight decay of kernels as its gradient."""
    return loss + 0.5 * WEIGHT_DECAY * batch.parameters("weight")


def _aae_phases(module: Any, model: Any, x: Tensor) -> Iterator[tuple]:
    """Compare with one discriminator in both, whose last sigmoid ours leaves out."""
    (first, relu), (last, _) = model.discriminator.layers
    module.critic = nn.Sequential(first, relu, last)
    torch.manual_seed(1)
    theirs = model(DatasetOutput(data=x))
    torch.manual_seed(1)
    draw, prior = (torch.randn(len(x), module.n_components) for _ in range(2))
    generator = module.generator_loss(x, draw).total
    combined = 0.5 * module.loss(x, draw).total + 0.5 * generator
    weights = list(model.parameters())
    yield "both for the encoder", combined, theirs.autoencoder_loss, weights, True
    critic = module.critic_loss(x, (prior, draw)).total
    yield "critic", critic, theirs.discriminator_loss, weights, True


class _Odds(nn.Module):
    """The logit of pythae's two classes."""

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, z: Tensor) -> Tensor:
        joint, permuted = self.discriminator(z).chunk(2, 1)
        return joint - permuted


def _factor_vae_phases(module: Any, model: Any, x: Tensor) -> Iterator[tuple]:
    """Compare with one discriminator in both; the codes are those of half the batch."""
    from sklearn_ardvae.nn.critics import discriminator_loss

    module.critic = _Odds(model.discriminator)
    torch.manual_seed(1)
    theirs = model(DatasetOutput(data=x))
    torch.manual_seed(1)
    half = x[torch.randperm(len(x))[len(x) // 2 :]]
    draw = torch.randn(len(half), module.n_components)
    ours = module.loss(half, draw).total
    weights = list(model.parameters())
    yield "VAE", ours, 2 * theirs.autoencoder_loss, weights, True
    # In pythae both losses move the encoder, so that it helps the discriminator.
    moved = 2 * (theirs.autoencoder_loss + theirs.discriminator_loss)
    yield (
        "all that moves the encoder",
        ours,
        moved,
        list(model.encoder.parameters()),
        False,
    )
    permuted = module.critic(theirs.z_bis_permuted)
    told = 0.5 * discriminator_loss(module.critic(theirs.z), permuted)
    yield "critic", told, theirs.discriminator_loss, weights, True


# --- the table ------------------------------------------------------------------------

PAIRS = [
    Pair(
        "AE",
        "Autoencoder",
        {},
        "AE",
        {},
        "equal",
        variational=False,
    ),
    Pair(
        "VAE",
        "VAE",
        {"noise": "fixed", "noise_variance": 1.0},
        "VAE",
        {},
        "pythae leaves out D/2 log 2 pi",
        _add_normalisation,
    ),
    Pair(
        "VAE, Bernoulli",
        "VAE",
        {"likelihood": "bernoulli"},
        "VAE",
        {},
        "equal (logits against probabilities)",
    ),
    Pair(
        "BetaVAE",
        "BetaVAE",
        {"beta": 0.4},
        "BetaVAE",
        {"beta": 0.2},
        "0.5 SSE: twice the loss, twice the beta",
        _double,
    ),
    Pair(
        "BetaVAE, capacity",
        "BetaVAE",
        {"beta": 2.0, "capacity": 100.0},
        "DisentangledBetaVAE",
        {"beta": 1.0, "C": 100.0, "warmup_epoch": 1},
        "twice; equal while every row's KL is on one side of C",
        _double,
        trains=False,
        forward={"epoch": 2},
    ),
    Pair(
        "BetaVAE, capacity within the KLs",
        "BetaVAE",
        {"beta": 2.0, "capacity": 2.0},
        "DisentangledBetaVAE",
        {"beta": 1.0, "C": 2.0, "warmup_epoch": 1},
        "pythae's distance from C is each row's, ours (and the paper's) the mean KL's",
        _double,
        agree=False,
        trains=False,
        forward={"epoch": 2},
    ),
    Pair(
        "BetaTCVAE, weighted",
        "BetaTCVAE",
        {"beta": 2.0, "tc_weight": TC_WEIGHT},
        "BetaTCVAE",
        {"beta": TC_WEIGHT, "use_mss": False},
        "twice; KL sampled against exact; the constant (w - 1)(L - 1) log N",
        _exact_kl_less_constant,
    ),
    Pair(
        "BetaTCVAE, weighted, pythae's KL made exact",
        "BetaTCVAE",
        {"beta": 2.0, "tc_weight": TC_WEIGHT},
        "BetaTCVAE",
        {"beta": TC_WEIGHT, "use_mss": False},
        "twice; the constant (w - 1)(L - 1) log N",
        _double_less_constant,
        repair=_make_kl_exact,
    ),
    Pair(
        "BetaTCVAE, stratified",
        "BetaTCVAE",
        {"beta": 2.0, "tc_weight": TC_WEIGHT, "estimator": "stratified"},
        "BetaTCVAE",
        {"beta": TC_WEIGHT},
        "pythae's weights are in columns 0 and 1, not on the diagonals",
        _exact_kl,
        agree=False,
    ),
    Pair(
        "BetaTCVAE, stratified, pythae's table repaired",
        "BetaTCVAE",
        {"beta": 2.0, "tc_weight": TC_WEIGHT, "estimator": "stratified"},
        "BetaTCVAE",
        {"beta": TC_WEIGHT},
        "twice; KL sampled against exact",
        _exact_kl,
        repair=_repair_table,
        trains=False,
    ),
    Pair(
        "BetaTCVAE, stratified, table repaired and KL made exact",
        "BetaTCVAE",
        {"beta": 2.0, "tc_weight": TC_WEIGHT, "estimator": "stratified"},
        "BetaTCVAE",
        {"beta": TC_WEIGHT},
        "twice",
        _double,
        repair=_repair_both,
    ),
    Pair(
        "RAE, l2",
        "RAE",
        {"code_weight": 0.1, "penalty": "l2", "penalty_weight": WEIGHT_DECAY / 2},
        "RAE_L2",
        {"embedding_weight": 0.1, "reg_weight": WEIGHT_DECAY},
        "weight decay r is the penalty r/2; pythae decays biases, too",
        _weight_decay,
        variational=False,
    ),
    Pair(
        "RAE, gradient, identity encoder",
        "RAE",
        {"code_weight": 0.1, "penalty": "gradient", "penalty_weight": 0.01},
        "RAE_GP",
        {"embedding_weight": 0.1, "reg_weight": 0.01},
        "pythae: slope of the sum of outputs with respect to x, through the encoder",
        variational=False,
        identity=True,
        trains=False,
    ),
    Pair(
        "RAE, gradient",
        "RAE",
        {"code_weight": 0.1, "penalty": "gradient", "penalty_weight": 0.01},
        "RAE_GP",
        {"embedding_weight": 0.1, "reg_weight": 0.01},
        "ours, and the paper's: the decoder's Jacobian with respect to z",
        variational=False,
        agree=False,
    ),
    Pair(
        "WAE, MMD",
        "WAE",
        {"penalty_weight": 20.0},
        "WAE_MMD",
        {"reg_weight": 20.0},
        "equal",
        variational=False,
    ),
    Pair(
        "AAE",
        "AAE",
        {"posterior": "gaussian", "critic_layer_sizes": (256,)},
        "Adversarial_AE",
        {},
        "0.5 SSE and half the generator loss in one Adam, ours has one for each",
        phases=_aae_phases,
    ),
    Pair(
        "FactorVAE",
        "FactorVAE",
        {
            "beta": 2.0,
            "gamma": 5.0,
            "critic_layer_sizes": (1000,) * 5,
            "critic_learning_rate": 1e-3,
        },
        "FactorVAE",
        {"gamma": 5.0},
        "twice; pythae trains the VAE on half of each batch, and its discriminator's "
        "loss moves the encoder, too",
        phases=_factor_vae_phases,
    ),
]


# --- training -------------------------------------------------------------------------

_TRAINERS = {
    "RAE_L2": ("CoupledOptimizerTrainer", ("encoder", "decoder")),
    "Adversarial_AE": ("AdversarialTrainer", ("autoencoder", "discriminator")),
    "FactorVAE": ("AdversarialTrainer", ("autoencoder", "discriminator")),
}


def make_trainer(
    model: Any,
    train: np.ndarray,
    valid: np.ndarray | None,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    fused: bool = False,
    callback: TrainingCallback | None = None,
):
    """Return the trainer that pythae prescribes, without bars, logs and files."""
    name, parts = _TRAINERS.get(model.model_name, ("BaseTrainer", ("",)))
    config = getattr(trainers, f"{name}Config")(
        num_epochs=epochs,
        per_device_train_batch_size=batch_size,
        per_device_eval_batch_size=1024,
        no_cuda=True,
    )
    for part in parts:
        prefix = f"{part}_" if part else ""
        setattr(config, f"{prefix}learning_rate", learning_rate)
        options = {"fused": True} if fused else {}
        if model.model_name == "RAE_L2" and part == "decoder":
            options["weight_decay"] = model.model_config.reg_weight
        setattr(config, f"{prefix}optimizer_params", options or None)
    data, valid_data = (
        None
        if rows is None
        else BaseDataset(torch.from_numpy(rows), torch.ones(len(rows)))
        for rows in (train, valid)
    )
    trainer = getattr(trainers, name)(model, data, valid_data, config)
    trainer._setup_callbacks = lambda: setattr(
        trainer,
        "callback_handler",
        CallbackHandler([callback or TrainingCallback()], model),
    )
    trainer._set_output_dir = lambda: setattr(trainer, "training_dir", "")
    trainer.save_model = lambda *_, **__: None
    return trainer


def copies(networks: Networks) -> Networks:
    return copy.deepcopy(networks)


def available(pairs: list[Pair], only: Sequence[str] = ()) -> list[Pair]:
    """Return the pairs of `only`, by estimator, that exist; say which do not."""
    if only:
        pairs = [pair for pair in pairs if pair.ours in only]
    for name in sorted({pair.ours for pair in pairs if not pair.is_there()}):
        print(f"{name}: left out, not in this version of sklearn_ardvae\n")
    return [pair for pair in pairs if pair.is_there()]
