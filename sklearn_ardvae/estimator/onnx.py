"""Encoders and decoders as ONNX graphs."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from .._files import whole_file
from .._optional import optional_module
from ..nn.module import AutoencoderModule
from .fitted import FittedAutoencoderMixin

__all__ = ["OnnxMixin"]

# What protobuf puts into one file, less some room for the graph.
_LARGEST_WEIGHTS = 2**31 - 2**24
_EXPORTERS_LOG = "torch.onnx._internal.exporter._registration"


class OnnxMixin(FittedAutoencoderMixin):
    """``to_onnx`` for estimators."""

    def to_onnx(
        self, path: str | PathLike, *, part: Literal["encoder", "decoder"] = "encoder"
    ) -> None:
        """Write `transform` or `inverse_transform` as an ONNX model, in one file.

        A file that is there already stays as it is until the new one is whole.

        Parameters
        ----------
        path : path-like
            The file.
        part : {"encoder", "decoder"}, default="encoder"
            ``"encoder"`` maps input ``X`` to output ``codes``, what `transform`
            returns; ``"decoder"`` maps input ``codes`` to output ``X``. The number of
            rows is free.

        Raises
        ------
        ImportError
            If the packages onnx and onnxscript are missing.
        OSError
            If the file cannot be written.
        ValueError
            If `part` is neither, or its weights take more than the 2 GB of a file.
        """
        check_is_fitted(self)
        if part not in ("encoder", "decoder"):
            raise ValueError(f"part must be 'encoder' or 'decoder'; got {part!r}.")
        optional_module("onnxscript", "onnx")
        columns = torch.as_tensor(np.array(self._columns_out))
        module = copy.deepcopy(self._module).cpu()
        network: nn.Module
        if part == "encoder":
            network = _Encoder(module, columns)
            example, names = torch.zeros(2, self.n_features_in_), ("X", "codes")
        else:
            fill = torch.as_tensor(self._code_mean, dtype=torch.float32)
            network = _Decoder(module, columns, fill)
            example, names = torch.zeros(2, len(columns)), ("codes", "X")
        with _quiet_exporter():
            program = torch.onnx.export(
                network.eval(),
                (example,),
                dynamo=True,
                verbose=False,
                input_names=[names[0]],
                output_names=[names[1]],
                dynamic_shapes=({0: torch.export.Dim("n_samples")},),
            )
        assert program is not None  # without a path, it is returned
        weights = (w.const_value for w in program.model.graph.initializers.values())
        size = sum(weight.nbytes for weight in weights if weight is not None)
        if size > _LARGEST_WEIGHTS:
            raise ValueError(
                f"The weights of part={part!r} take {size / 2**30:.2f} GB, and one "
                "ONNX file holds 2 GB. Fit smaller networks, or export `module_` by "
                "torch.onnx.export(..., external_data=True), which writes two files."
            )
        with whole_file(Path(path)) as partial:
            partial.write_bytes(program.model_proto.SerializeToString())


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Leave out what torch's exporter says of itself, and nothing else."""

    def is_of_the_model(record: logging.LogRecord) -> bool:
        return "torchvision is not installed" not in record.getMessage()

    log = logging.getLogger(_EXPORTERS_LOG)
    log.addFilter(is_of_the_model)
    try:
        with warnings.catch_warnings():
            for category in (DeprecationWarning, FutureWarning):
                warnings.simplefilter("ignore", category)
            yield
    finally:
        log.removeFilter(is_of_the_model)


class _Encoder(nn.Module):
    """What `transform` does, for export."""

    columns: Tensor

    def __init__(self, module: AutoencoderModule, columns: Tensor) -> None:
        super().__init__()
        self.module = module
        self.register_buffer("columns", columns)

    def forward(self, x: Tensor) -> Tensor:
        return self.module.encode(x).index_select(1, self.columns)


class _Decoder(nn.Module):
    """What `inverse_transform` does, for export."""

    selection: Tensor
    fill: Tensor

    def __init__(
        self, module: AutoencoderModule, columns: Tensor, fill: Tensor
    ) -> None:
        super().__init__()
        self.module = module
        # Codes times a selection, plus the means of the components left out.
        selection = torch.zeros(len(columns), len(fill))
        selection[torch.arange(len(columns)), columns] = 1.0
        self.register_buffer("selection", selection)
        self.register_buffer("fill", fill.index_fill(0, columns, 0.0))

    def forward(self, codes: Tensor) -> Tensor:
        return self.module.decode(codes @ self.selection + self.fill)
