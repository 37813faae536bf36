"""Text that the docstrings of all estimators share, in one place.

A docstring has ``%(name)s`` where the text belongs. Defaults are those of the class.
"""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

__all__ = ["fill_docstring"]

# The scale of a loss, said of every method that has it.
_SQUARED_ERROR = """
The squared error is a SUM over features without 1/2 (the Bernoulli likelihood puts the
cross entropy in its place)
"""

_TRAINING_PARAMETERS = """
max_iter : int, default=500
    Most epochs of one call of `fit`.
batch_size : int or "auto", default="auto"
    Rows in a gradient step, >= 1. ``"auto"`` is a fortieth of the rows, but at
    least 16 and at most 128.
learning_rate : float, default=0.004
    Of Adam at the start, > 0. For the papers' batch-normalised convolutions use
    5e-4.
lr_patience : int or None, default=10
    The learning rate is halved after so many epochs in which the validation loss
    has not improved by `tol`; None keeps it.
validation_fraction : float, default=0.1
    Share of the rows in [0, 1) that are set aside: for the learning rate, early
    stopping and the error that is reported. With 0 the training loss takes their
    place.
early_stopping : bool, default=True
    Whether to stop after `n_iter_no_change` epochs without improvement and restore
    the weights of the lowest validation loss; otherwise `max_iter` epochs are run.
n_iter_no_change : int, default=40
    See `early_stopping`.
tol : float, default=1e-4
    A loss improves when it falls by this share of itself, >= 0.
device : str, torch.device or None, default=None
    Where to compute: None for the CPU (or the device of a tensor X), ``"auto"`` for
    the accelerator if there is one, or a name such as ``"cuda:1"``. ``"accelerate"``:
    what `accelerate launch` or `torchrun` gives this process; processes that were
    launched together share each batch of a fit, whose loss has to be a mean over
    rows.
random_state : int, RandomState instance or None, default=None
    Determines the initial weights, the split, the batches and all noise. Pass an
    int for reproducible results across multiple function calls. See
    :term:`Glossary <random_state>`.
verbose : int, default=0
    Print a row of losses after every so many epochs; 0 for none.
"""

_AUTOENCODER_PARAMETERS = """
architecture : str or pair, default="mlp"
    The networks. ``"mlp"``: perceptrons with `hidden_layer_sizes`. ``"linear_mlp"``:
    the same, each beside a linear map; with squared error rows are standardised inside
    (one scale for all features) and the start is probabilistic PCA. A name: the
    network of a paper, ``"ardvae_mnist"`` (images of 32 x 32), ``"ardvae_celeba"``
    (64 x 64), ``"ardvae_cifar10"`` (32 x 32, also ImageNet32), ``"ardvae_dsprites"``
    (64 x 64, also 3D Shapes), ``"maskaae"`` (four dense layers of 1024), ``"ngvae"``
    (sides divisible by 16), ``"rrae"`` (any side); these are meant for pixels in
    [0, 1], CelebA's in [-1, 1]. A pair ``(encoder, decoder)`` of your own:
    modules, which are copied, or classes or functions that make one, called as
    ``encoder(input_shape, n_outputs)`` and ``decoder(n_components, input_shape)``.
    An encoder of your own must put out %(outputs)s. With
    ``likelihood="bernoulli"`` decoders put out logits.
hidden_layer_sizes : array-like of int, default=(128, 128)
    Hidden layers of the encoder; the decoder has them in reverse. Only for
    ``"mlp"`` and ``"linear_mlp"``.
activation : str or callable, default="silu"
    Between layers, only for ``"mlp"`` and ``"linear_mlp"``: ``"elu"``, ``"gelu"``,
    ``"identity"``, ``"leaky_relu"``, ``"relu"``, ``"silu"``, ``"tanh"``, or a class or
    function that makes a module.
input_shape : tuple of int, default=None
    Shape of one sample, channels first, as (channels, height, width) or (height,
    width), for networks that work on images. X may then also have shape
    (n_samples, \\*input_shape).
likelihood : {"gaussian", "bernoulli"}, default="gaussian"
    Squared error, or cross entropy of data in [0, 1]; a sum over features.
warm_start : bool, default=False
    Whether `fit` goes on from the present weights and state for another `max_iter`
    epochs.
output_components : {"active", "all"}, default="active"
    What `transform` returns: the active components, most relevant first, or all
    `n_components` in their own order.
min_output_components : int, default=0
    `transform` returns at least so many columns (or all, if there are fewer), >= 0:
    the active components and then the most relevant of the others. With 1, a
    candidate of a search whose axes have all collapsed gets a poor score from the next
    step of a pipeline, not an error. `n_active_components_` is what was found.
on_interrupt : {"keep", "raise"}, default="keep"
    What happens after Ctrl-C in `fit`, which keeps the best weights so far: a warning,
    or KeyboardInterrupt, so that a search ends with it instead of going on to the next
    candidate.
skorch_params : dict, default=None
    Passed to ``skorch.NeuralNet`` last, for example
    ``{"optimizer__weight_decay": 1e-4}`` or ``{"compile": True}``; or with
    ``{"mixed_precision": "bf16"}`` the networks multiply in bfloat16 in the gradient
    steps (weights, losses and all results stay in float32).
callbacks : list, default=None
    Skorch callbacks. For scikit-learn's own see `set_callbacks`.
checkpoint : path-like, default=None
    A folder of its own in which `fit` keeps what it has come to after an epoch, at most
    a twentieth of the time. The same `fit` once more, in another process if this one
    was killed, goes on from there and ends with the same model, bit by bit on the same
    machine. Other data or parameters are an error. Needs ``safetensors``.
"""

_ATTRIBUTES = """
n_active_components_ : int
    Number of latent dimensions that the data need.
active_components_ : ndarray of int of shape (`n_active_components_`,)
    Their indices, most relevant first.
intrinsic_dimension_ : float
    Dimension of the data themselves: that of a sphere in three axes is 2. Estimated
    from the distances between reconstructions of up to 2500 training rows (see
    `local_dimension`), and then at most `n_active_components_`; or between the rows
    themselves, where no axis is active, or what the axes leave cannot be noise. Of data
    whose parts have several dimensions, their harmonic mean. NaN if these rows have
    fewer than 4 different reconstructions.
relevance_ : ndarray of shape (n_components,)
    Variance that each axis adds to the reconstruction, to first order, in squared
    units of X: the mean squared norm of its column of the decoder's Jacobian times
    the variance of the axis.
relevance_ratio_ : ndarray of shape (n_components,)
    `relevance_` over its sum.
noise_variance_ : float
    Mean squared error of one feature on the validation rows (without any, on up to
    10 000 of the training rows), codes sampled from the posterior where there is one;
    the variance of the Gaussian likelihood in `score`.
n_iter_ : int
    Epochs run, over all calls.
history_ : dict of str to list
    One number per epoch: the losses and their terms (``"train_loss"``,
    ``"valid_loss"``, ...), ``"learning_rate"``, and ``"n_active"``, a quick estimate
    of the number of active components.
loss_curve_ : list of float
    ``history_["train_loss"]``.
module_ : torch.nn.Module
    The trained network, with methods `encode` and `decode` of tensors on `device_`; in
    evaluation mode, and shared with the estimator, not a copy.
device_ : str
    Where the model was trained.
n_features_in_ : int
    Number of features seen during :term:`fit`.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of features seen during :term:`fit`. Defined only when X has feature names
    that are all strings.
"""

_COUNT_BY = """
count_by : {"relevance", "evidence"}, default="relevance"
    What decides how many components are active. ``"relevance"``: the fewest whose
    relevances exceed 99 % of the total. ``"evidence"``: once the loss has converged,
    axes go, the least relevant first, as long as the evidence of the validation rows
    falls by less than 0.007 nats a feature at a step. The attributes `axis_evidence_`
    and `axis_evidence_std_` then say what an axis is worth in nats a row, as `ARDVAE`
    has them. It takes trials of 30 epochs each, within `max_iter`, and needs
    `early_stopping`.
"""

# What `ARDVAE` takes, and `ARDVAECV` with it.
_ARD_PRIOR = """
prior : {"gaussian", "student_t"}, default="gaussian"
    The learned prior of an axis: N(0, b/a), or the marginal over its unknown
    precision, Student's t with 2a degrees of freedom, which matters where the
    prior is estimated from a few hundred rows or fewer (KL by one sample).
prior_update_every : int, default=1
    Epochs between two updates of the prior, >= 1 (the paper's lag u).
prior_samples : "auto", "all", int or float, default="auto"
    Rows that estimate the prior, drawn anew for each update and withheld from
    the gradient steps until the next. ``"auto"``: a fifth of the training rows,
    at most 10 000, the paper's number. An int >= 1 is a number, a float in
    (0, 1) a share; of either at most half of the training rows are withheld, and
    a warning says so. ``"all"``: all training rows, none of them withheld.
relevance_threshold : float, default=0.99
    Counted by relevance, the active axes are the fewest whose relevances exceed
    this share of the total, in (0, 1].
relevance_samples : int, default=100
    Rows at which the decoder's Jacobian is taken, >= 1.
validation_fraction : "auto" or float, default="auto"
    Share of the rows in [0, 1) that training does not see: for the noise, the
    evidence, early stopping and the error that is reported. ``"auto"``: a tenth,
    but 40 rows at least (a quarter, if there are fewer than 160), and 2000 at
    most. With 0 training rows take their place, and too many axes are found.
"""

_EVIDENCE_ATTRIBUTES = """
axis_evidence_ : ndarray of shape (n_components,)
    What the validation rows lose in evidence, in nats a row, if an axis is switched off
    and all else stays; 0 for inactive ones. Where the decoder is curved, retraining
    would win some of it back: the trials of the fit did that. Only with
    ``count_by="evidence"``.
axis_evidence_std_ : ndarray of shape (n_components,)
    Its standard error.
count_probabilities_ : ndarray of float
    How likely the data are to have 0, 1, 2, ... dimensions; see `dimension_interval`.
count_stability_ : float
    Of these, the probability of `n_active_components_`, from 0 to 1.
"""

SHARED = {
    "squared_error": f"{_SQUARED_ERROR.strip()} and a mean over the batch.",
    "squared_error_and_kl": f"""{_SQUARED_ERROR.strip()}, the KL of the
posterior N(mu, sigma^2) from the prior a SUM over latent axes; both are means over the
batch.""",
    "count_by": _COUNT_BY,
    "ard_prior": _ARD_PRIOR,
    "evidence_attributes": _EVIDENCE_ATTRIBUTES,
    "training_parameters": _TRAINING_PARAMETERS,
    "shared_parameters": _AUTOENCODER_PARAMETERS + _TRAINING_PARAMETERS.lstrip(),
    "shared_attributes": _ATTRIBUTES,
}

# What encoders put out, by the numbers for each component.
_OUTPUTS = {
    1: "the codes",
    2: "means, then log variances, side by side or as a tuple",
    3: "means, then log variances, then contexts, side by side or as a tuple",
}


def fill_docstring(cls: Any) -> None:
    """Put the shared text where ``%(name)s`` stands in the docstring of a class."""
    if not cls.__doc__ or "%(" not in cls.__doc__:
        return
    doc = inspect.cleandoc(cls.__doc__)
    signature = inspect.signature(cls)
    for name, text in SHARED.items():
        text = _with_own_defaults(text.strip(), signature)
        doc = doc.replace(f"%({name})s", text)
    if "%(outputs)s" in doc:
        doc = doc.replace(
            "%(outputs)s", _OUTPUTS[cls._module_class.outputs_per_component]
        )
    cls.__doc__ = doc


def _with_own_defaults(text: str, signature: inspect.Signature) -> str:
    """Put the defaults of a method that has some of its own."""

    def corrected(line: re.Match) -> str:
        parameter = signature.parameters.get(line["name"])
        if parameter is None or ast.literal_eval(line["stated"]) == parameter.default:
            return line[0]
        return line["start"] + repr(parameter.default).replace("'", '"')

    pattern = r"^(?P<start>(?P<name>\w+) : .*default=)(?P<stated>.+)$"
    return re.sub(pattern, corrected, text, flags=re.MULTILINE)
