"""A fit to rows on disk is the fit to the same rows in memory."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from estimator_table import CLASSES, IDS, fast, plain
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import sklearn_ardvae.estimator.validation
from sklearn_ardvae import ARDVAE, VAE, BetaVAE, store_rows


@pytest.fixture
def stored(low_rank):
    return store_rows(np.array_split(low_rank, 3))


@pytest.mark.parametrize("cls", CLASSES, ids=IDS)
def test_every_estimator_finds_the_same(cls, low_rank, stored):
    ours, theirs = fast(cls).fit(stored), fast(cls).fit(low_rank)
    for call in ("transform", "score_samples", "reconstruct"):
        found = getattr(ours, call)(stored)
        np.testing.assert_array_equal(found, getattr(theirs, call)(low_rank))
    assert ours.n_active_components_ == theirs.n_active_components_
    assert ours.history_["train_loss"] == theirs.history_["train_loss"]


@pytest.mark.slow
def test_a_whole_course_is_the_same(low_rank, stored):
    rows = [ARDVAE(4, random_state=0).fit(x).transform(low_rank) for x in (stored,)]
    rows.append(ARDVAE(4, random_state=0).fit(low_rank).transform(low_rank))
    # Coordinates along the axes of a signal are products, which blocks of another
    # size round elsewhere; steps carry that on.
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-3)


def test_bytes_are_read_with_their_scale():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (200, 12), dtype=np.uint8)
    floats = images.astype(np.float32) / np.float32(255)
    ours = plain(VAE).fit(store_rows(images, divide_by=255))
    np.testing.assert_array_equal(
        ours.transform(floats), plain(VAE).fit(floats).transform(floats)
    )


def test_pieces_of_a_stream(low_rank, stored):
    ours, theirs = plain(ARDVAE), plain(ARDVAE)
    for part in (slice(0, 200), slice(200, 400)):
        ours.partial_fit(stored[part])
        theirs.partial_fit(low_rank[part])
    np.testing.assert_array_equal(ours.transform(stored), theirs.transform(low_rank))


def test_a_search_in_a_pipeline(low_rank, stored):
    def scores(x):
        pipeline = make_pipeline(FunctionTransformer(), plain(BetaVAE))
        grid = {"betavae__beta": [0.01, 0.1]}
        search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(x)
        return search.cv_results_["mean_test_score"]

    np.testing.assert_array_equal(scores(stored), scores(low_rank))


def test_a_checkpoint_is_of_the_rows(low_rank, stored, tmp_path):
    plain(VAE, checkpoint=tmp_path).fit(stored)
    plain(VAE, checkpoint=tmp_path).fit(low_rank)  # the same rows
    with pytest.raises(ValueError, match="data"):
        plain(VAE, checkpoint=tmp_path).fit(stored[:399])


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("name", ["ARDVAE", "VAE"])
def test_large_memory_maps_and_bytes_are_not_copied(name, dtype, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 9, (200, 12)).astype(dtype)
    np.save(tmp_path / "rows.npy", x)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    cls = {"ARDVAE": ARDVAE, "VAE": VAE}[name]
    expected = plain(cls).fit(x).transform(x)
    monkeypatch.setattr(sklearn_ardvae.estimator.validation, "_LARGE_BYTES", 0)
    kept = []

    def noted(X, *others):
        kept.append(type(X).__name__)
        return as_tensor(X, *others)

    as_tensor = sklearn_ardvae.estimator.base.as_tensor
    monkeypatch.setattr(sklearn_ardvae.estimator.base, "as_tensor", noted)
    np.testing.assert_array_equal(plain(cls).fit(mapped).transform(mapped), expected)
    plain(cls).fit(x)
    assert kept == ["StoredRows", "StoredRows" if dtype == "uint8" else "ndarray"]


class TestChecks:
    def test_names_of_features(self, low_rank):
        names = [f"f{i}" for i in range(12)]
        frame = pd.DataFrame(low_rank, columns=names)
        model = plain(VAE).fit(store_rows([frame[:300], frame[300:]]))
        assert model.feature_names_in_.tolist() == names
        model.transform(frame)
        with pytest.raises(ValueError, match="feature names should match"):
            model.transform(store_rows([frame.rename(columns={"f0": "g"})]))

    def test_rows_that_are_no_numbers(self, low_rank):
        low_rank[350, 2] = np.nan
        with pytest.raises(ValueError, match="NaN or infinity"):
            plain(VAE).fit(store_rows(low_rank))

    def test_too_few_rows_and_other_features(self, low_rank):
        with pytest.raises(ValueError, match="needs at least 2 row"):
            plain(VAE).fit(store_rows(low_rank[:1]))
        model = plain(VAE).fit(low_rank)
        with pytest.raises(ValueError, match="X has 11 features, but VAE is expecting"):
            model.transform(store_rows(low_rank[:, :11].copy()))


SCRIPT = """
import sys, warnings
import numpy as np
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
from memory import Resident, resident
from sklearn_ardvae import VAE, store_rows

N, D = 60_000, 400
made = np.lib.format.open_memmap(sys.argv[2], "w+", np.uint8, (N, D))
rng = np.random.default_rng(0)
for start in range(0, N, 1000):
    made[start : start + 1000] = rng.integers(0, 256, (1000, D))
del made
settings = dict(hidden_layer_sizes=(8,), max_iter=1, batch_size=1024, random_state=0)
rows = store_rows(sys.argv[2], divide_by=255)
model = VAE(2, **settings).fit(rows[:4000])
before = resident()
with Resident() as peak:
    model.fit(rows).transform(rows)
    model.score_samples(rows)
print((peak.most - before) / (4 * N * D))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_rows_on_disk_take_no_memory(tmp_path, request):
    folder = request.config.rootpath / "benchmarks"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(tmp_path / "rows.npy")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"},
    )
    # Blocks of a few megabytes, of data of 92 MB in float32; in memory it is 1.3.
    assert float(done.stdout) < 0.3
