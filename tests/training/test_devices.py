"""The device parameter."""

import pytest
import torch

from sklearn_ardvae.training.devices import resolve_device


def test_none_follows_the_data():
    assert resolve_device(None) == torch.device("cpu")
    assert resolve_device(None, torch.device("meta")) == torch.device("meta")


def test_auto_takes_what_there_is():
    expected = torch.device("cpu")
    if torch.accelerator.is_available():
        expected = torch.accelerator.current_accelerator()
    assert resolve_device("auto") == expected


def test_names_and_devices_are_taken():
    assert resolve_device("cpu") == resolve_device(torch.device("cpu"))


def test_a_name_that_is_none_is_refused():
    with pytest.raises(ValueError, match="device='gpu' is not a device; use None"):
        resolve_device("gpu")


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"not available here .*device='auto'"):
        resolve_device("cuda:99")
