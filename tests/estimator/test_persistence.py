"""What save and load refuse, and say; what they keep is tested for every estimator."""

import numpy as np
import pytest
import torch
from estimator_table import CLASSES, fast
from safetensors.numpy import save_file
from torch import nn

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.estimator.base import BaseAutoencoder


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def model(low_rank):
    return fast(ARDVAE).fit(low_rank)


def test_an_unfitted_model_cannot_be_saved(path):
    with pytest.raises(ValueError, match="not fitted"):
        ARDVAE().save(path)


def test_the_base_class_loads_any_estimator(model, path, low_rank):
    model.save(path)
    again = BaseAutoencoder.load(path)
    assert type(again) is ARDVAE
    np.testing.assert_array_equal(again.transform(low_rank), model.transform(low_rank))


def test_another_class_is_refused(model, path):
    class Other(ARDVAE):
        pass

    model.save(path)
    with pytest.raises(ValueError, match="class ARDVAE, not Other"):
        Other.load(path)


def test_what_is_no_model_is_refused(path):
    path.write_bytes(b"anything")
    with pytest.raises(ValueError, match="not a safetensors file"):
        ARDVAE.load(path)
    save_file({"x": np.zeros(1)}, path)
    with pytest.raises(ValueError, match="no saved estimator"):
        ARDVAE.load(path)
    with pytest.raises(FileNotFoundError):
        ARDVAE.load(path.with_name("nowhere"))


def networks():
    return nn.Linear(12, 4), nn.Linear(2, 12)


def test_parameters_that_json_cannot_hold_are_asked_for(path, low_rank):
    pair = networks()
    model = fast(ARDVAE, architecture=pair).fit(low_rank)
    model.save(path)
    with pytest.raises(ValueError, match=r"without \['architecture'\]"):
        ARDVAE.load(path)
    with pytest.raises(ValueError, match="pass exactly these"):
        ARDVAE.load(path, architecture=pair, beta=2.0)
    again = ARDVAE.load(path, architecture=networks())
    np.testing.assert_array_equal(again.transform(low_rank), model.transform(low_rank))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.accelerator.is_available(), reason="no accelerator")
@pytest.mark.parametrize("cls", CLASSES)
def test_a_model_moves_between_devices(cls, path, low_rank):
    model = fast(cls, device="auto").fit(low_rank)
    assert model.device_ != "cpu"
    again = fast(cls, device="auto").fit(low_rank)
    np.testing.assert_array_equal(again.transform(low_rank), model.transform(low_rank))
    model.save(path)
    on_cpu = cls.load(path, device="cpu")
    assert on_cpu.device_ == "cpu"
    # Sums in another order on another device.
    np.testing.assert_allclose(
        on_cpu.transform(low_rank), model.transform(low_rank), rtol=1e-3, atol=1e-4
    )
