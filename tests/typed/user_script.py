"""What a user writes: type checkers find no error in it, and know the types asserted.

Nothing here is run; `test_types.py` hands it to mypy and pyright.
"""

from typing import Any, assert_type

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_ardvae
from sklearn_ardvae import (
    ARDVAE,
    ARDVAECV,
    IRMAE,
    L0ARMVAE,
    NGVAE,
    RRAE,
    VAE,
    CodePosterior,
    LeastVolumeAE,
    MaskAAE,
    Relevance,
    SecondStageVAE,
    TwoStageVAE,
    all_estimators,
    decoder_relevance,
)
from sklearn_ardvae.datasets import fetch_mnist, make_manifold, make_sprites
from sklearn_ardvae.metrics import active_units, mutual_info_gap, reconstruction_error

Floats = NDArray[np.float32]

# --- data -----------------------------------------------------------------------

X, factors = make_manifold("sphere", 500, n_dimensions=2, return_X_y=True)
assert_type(X, NDArray[Any])
assert_type(factors, NDArray[Any])
manifold = make_manifold("sphere", 500, n_dimensions=2, random_state=0)
rows = manifold.data
digits, labels = fetch_mnist(subset="train", return_X_y=True)
assert_type(labels, NDArray[Any])
images = make_sprites(100, return_X_y=False).data

# --- a fit ----------------------------------------------------------------------

model = ARDVAE(
    32,
    0.05,
    prior="student_t",
    prior_samples=0.1,
    hidden_layer_sizes=[64, 64],
    activation=torch.nn.Mish,
    input_shape=(1, 8, 8),
    batch_size=64,
    device="cpu",
    callbacks=[],
    skorch_params={"compile": False},
    random_state=np.random.RandomState(0),
).fit(X)
assert_type(model, ARDVAE)
assert_type(model.partial_fit(X), ARDVAE)
model.fit(pd.DataFrame(X))
model.fit(torch.zeros(10, 64))
model.fit([[0.0, 1.0], [1.0, 0.0]], y=None)

assert_type(model.n_active_components_, int)
assert_type(model.active_components_, NDArray[np.intp])
assert_type(model.intrinsic_dimension_, float)
assert_type(model.relevance_, Floats)
assert_type(model.relevance_ratio_, Floats)
assert_type(model.noise_variance_, float)
assert_type(model.n_iter_, int)
assert_type(model.history_, dict[str, list[float]])
assert_type(model.loss_curve_, list[float])
assert_type(model.device_, str)
assert_type(model.n_features_in_, int)
assert_type(model.feature_names_in_, NDArray[np.object_])
model.module_.decode(torch.zeros(1, 32)).sum()

# Of the methods' own.
assert_type(model.prior_variance_, Floats)
assert_type(model.prior_shape_, float)
lower, upper = model.prior_variance_interval(0.9).T
assert_type(MaskAAE(8).fit(X).mask_, Floats)
assert_type(L0ARMVAE().fit(X).gate_probability_, Floats)
assert_type(NGVAE(4).fit(X).expected_variance_, Floats)
assert_type(RRAE().fit(X).rank_, int)
assert_type(IRMAE().fit(X).component_variance_, Floats)
assert_type(LeastVolumeAE().fit(X).component_variance_, Floats)
assert_type(TwoStageVAE(4).fit(X).second_stage_noise_variance_, float)
assert_type(TwoStageVAE(4).fit(X).second_stage_history_, dict[str, list[float]])

# --- codes, reconstructions, scores, samples --------------------------------------

codes = model.transform(X)
assert_type(codes, Floats)
assert_type(model.fit_transform(X), Floats)
assert_type(model.inverse_transform(codes), Floats)
assert_type(model.reconstruct(X), Floats)
assert_type(model.score_samples(X), Floats)
assert_type(model.score(X), float)
assert_type(model.local_dimension(X), NDArray[np.float64])
assert_type(model.sample(10, random_state=0, density="gmm", X=X), Floats)
q = model.code_posterior(X)
assert_type(q, CodePosterior)
assert_type(q.mean, Floats)
assert_type(q.std, Floats)
names: NDArray[np.object_] = model.get_feature_names_out()
model.set_params(output_components="all")
model.set_output(transform="pandas")
density = SecondStageVAE((8,)).fit(codes)
assert_type(density, SecondStageVAE)
assert_type(density.sample(5), Floats)
found = decoder_relevance(model.module_.decode, codes)
assert_type(found, Relevance)
assert_type(found.n_active, int)

# --- in company -----------------------------------------------------------------

pipeline = make_pipeline(StandardScaler(), VAE(8)).fit(X)
pipeline.inverse_transform(pipeline.transform(X))
search = GridSearchCV(ARDVAE(), {"beta": [0.05, 0.1]}, cv=3).fit(X)
best: ARDVAE = search.best_estimator_
print(best.n_active_components_ + 1)
path = assert_type(ARDVAECV(8, [0.2, 0.05], cv=3, n_jobs=2).fit(X), ARDVAECV)
assert_type(path.evidence_path_, NDArray[np.float64])
print(path.beta_ / path.plateau_.lowest_beta, path.betas_[0], path.transform(X))
for name, cls in all_estimators():
    print(name, cls(n_components=3, max_iter=5).fit(X).n_active_components_)

# --- files ----------------------------------------------------------------------

model.save("model.safetensors")
assert_type(ARDVAE.load("model.safetensors", device="cpu"), ARDVAE)
model.to_onnx("encoder.onnx", part="encoder")

# --- metrics --------------------------------------------------------------------

print(reconstruction_error(X, model.reconstruct(X)))
mutual_info_gap(codes, factors)
active_units(codes)
sklearn_ardvae.metrics.sap_score(codes, factors)
sklearn_ardvae.datasets.make_shift(10)


class Wider(ARDVAE, n_components=64):
    """A method of the user's own."""

    extra: float = 0.5


assert_type(Wider(extra=0.1, beta=0.2).fit(X).extra, float)
