"""ONNX files beside the table: networks, columns, what is refused, what is left."""

import logging

import numpy as np
import pytest
import torch
from estimator_table import fast
from torch import nn

from sklearn_ardvae import ARDVAE, VAE, Autoencoder
from sklearn_ardvae.estimator import onnx as onnx_module

pytest.importorskip("onnxscript")
onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def run(path, **given):
    return runtime.InferenceSession(path).run(None, given)[0]


def images(*shape):
    return np.random.default_rng(0).random((20, *shape), dtype=np.float32)


def flat_encoder(shape, n_outputs):
    return nn.Sequential(
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(int(np.prod(shape)), n_outputs)
    )


def flat_decoder(n_components, shape):
    return nn.Sequential(
        nn.Linear(n_components, int(np.prod(shape))), nn.Unflatten(1, shape)
    )


class PairEncoder(nn.Module):
    """An encoder that returns mean and log variance apart."""

    def __init__(self):
        super().__init__()
        self.mean, self.log_variance = nn.Linear(16, 2), nn.Linear(16, 2)

    def forward(self, x):
        return self.mean(x), self.log_variance(x)


NETWORKS = {
    "convolutions": (
        {"architecture": "ngvae", "input_shape": (1, 16, 16)},
        (1, 16, 16),
    ),
    "batch normalisation": (
        {"architecture": "ardvae_mnist", "input_shape": (1, 32, 32)},
        (1, 32, 32),
    ),
    "logits": ({"likelihood": "bernoulli"}, (16,)),
    "own": (
        {"architecture": (flat_encoder, flat_decoder), "input_shape": (1, 4, 4)},
        (1, 4, 4),
    ),
    "own pair": ({"architecture": (PairEncoder(), nn.Linear(2, 16))}, (16,)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_other_networks_do_what_transform_does(name, tmp_path):
    params, shape = NETWORKS[name]
    x = images(*shape)
    model = fast(VAE, max_iter=1, **params).fit(x)
    assert model.output_components == "all"
    for part in ("encoder", "decoder"):
        model.to_onnx(tmp_path / part, part=part)
    codes = run(tmp_path / "encoder", X=x.reshape(20, -1))
    # Convolutions of another library; the numbers are of order 1.
    np.testing.assert_allclose(codes, model.transform(x), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        run(tmp_path / "decoder", codes=codes),
        model.inverse_transform(codes),
        rtol=1e-3,
        atol=1e-4,
    )


@pytest.fixture
def model(low_rank):
    return fast(ARDVAE, n_components=4, max_iter=5).fit(low_rank)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_columns_are_those_of_transform(low_rank, tmp_path):
    x = np.full((50, 4), 3.0, dtype=np.float32)
    model = fast(ARDVAE, min_output_components=1).fit(x)
    assert model.n_active_components_ == 0
    model.to_onnx(tmp_path / "e")
    np.testing.assert_allclose(run(tmp_path / "e", X=x), model.transform(x), rtol=1e-4)


def test_the_file_is_whole_on_its_own(model, low_rank, tmp_path):
    model.to_onnx(tmp_path / "e.onnx")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = (tmp_path / "e.onnx").rename(elsewhere / "e.onnx")
    onnx.checker.check_model(onnx.load(moved), full_check=True)
    np.testing.assert_allclose(
        run(moved, X=low_rank), model.transform(low_rank), rtol=1e-4, atol=1e-5
    )


def test_the_exporter_says_nothing_of_itself(model, tmp_path, capfd, recwarn, caplog):
    model.to_onnx(tmp_path / "e.onnx")
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_the_model_is_left_as_it_was(model, low_rank, tmp_path):
    module, codes = model.module_, model.transform(low_rank)
    parameter = next(module.parameters())
    model.to_onnx(tmp_path / "e.onnx")
    assert model.module_ is module
    assert next(module.parameters()) is parameter
    assert not module.training
    np.testing.assert_array_equal(model.transform(low_rank), codes)


def test_more_than_protobuf_holds_is_refused(model, tmp_path, monkeypatch):
    path = tmp_path / "e.onnx"
    path.write_bytes(b"earlier")
    monkeypatch.setattr(onnx_module, "_LARGEST_WEIGHTS", 100)
    with pytest.raises(ValueError, match=r"part='encoder' take .* GB.*module_"):
        model.to_onnx(path)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_export_leaves_the_earlier_file(model, tmp_path, monkeypatch):
    path = tmp_path / "e.onnx"
    model.to_onnx(path)
    earlier = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(torch.onnx, "export", full)
    with pytest.raises(OSError, match="no space"):
        model.to_onnx(path, part="decoder")
    assert path.read_bytes() == earlier
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_part_is_refused(tmp_path):
    model = fast(Autoencoder).fit(images(6))
    with pytest.raises(ValueError, match="part must be"):
        model.to_onnx(tmp_path / "x", part="head")
