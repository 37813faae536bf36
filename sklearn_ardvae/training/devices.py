"""From the ``device`` parameter to a torch device that exists."""

from __future__ import annotations

import torch

from .team import LAUNCHED, launched_team

__all__ = ["resolve_device"]


def resolve_device(
    device: str | torch.device | None, data_device: torch.device | None = None
) -> torch.device:
    """Return the device to train on.

    Parameters
    ----------
    device : str, torch.device or None
        None follows the data (the CPU for anything but a tensor), ``"auto"`` takes
        the accelerator where there is one, ``"accelerate"`` what the launcher gave this
        process, anything else names a device.
    data_device : torch.device or None
        Where the data lie, if they are a tensor.

    Raises
    ------
    ValueError
        If the name is not a device's, or this machine has no such device.
    """
    if device is None:
        return data_device or torch.device("cpu")
    if device == LAUNCHED:
        return launched_team()[1]
    accelerator = None
    if torch.accelerator.is_available():
        accelerator = torch.accelerator.current_accelerator()
    if device == "auto":
        return accelerator or torch.device("cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is not a device; use None, 'auto', 'cpu', 'cuda', "
            "'cuda:1', 'mps', 'accelerate' or a torch.device. Torch says: "
            f"{error}"
        ) from error
    present = {"cpu"} | ({accelerator.type} if accelerator else set())
    count = torch.accelerator.device_count() if accelerator else 0
    in_range = resolved.type == "cpu" or (resolved.index or 0) < count
    if resolved.type not in present or not in_range:
        raise ValueError(
            f"device={device!r} is not available here (found: {sorted(present)}, "
            f"{count} accelerator(s)); use device='auto' to take what there is."
        )
    return resolved
