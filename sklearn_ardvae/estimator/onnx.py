"""Encoders and decoders as ONNX graphs."""

from __future__ import annotations

from os import PathLike
from typing import Literal

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from .optional import optional_module

__all__ = ["OnnxMixin"]


class OnnxMixin:
    """``to_onnx`` for estimators."""

    def to_onnx(
        self, path: str | PathLike, *, part: Literal["encoder", "decoder"] = "encoder"
    ) -> None:
        """Write `transform` or `inverse_transform` as an ONNX model.

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
        """
        check_is_fitted(self)
        if part not in ("encoder", "decoder"):
            raise ValueError(f"part must be 'encoder' or 'decoder'; got {part!r}.")
        optional_module("onnxscript", "onnx")
        columns = torch.as_tensor(np.array(self._columns_out))
        if part == "encoder":
            network = _Encoder(self._module, columns)
            example, names = torch.zeros(2, self.n_features_in_), ("X", "codes")
        else:
            fill = torch.as_tensor(self._code_mean, dtype=torch.float32)
            network = _Decoder(self._module, columns, fill)
            example, names = torch.zeros(2, len(columns)), ("codes", "X")
        torch.onnx.export(
            network.to("cpu").eval(),
            (example,),
            path,
            dynamo=True,
            verbose=False,
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_shapes=({0: torch.export.Dim("n_samples")},),
        )
        self._module.to(self._device)


class _Encoder(nn.Module):
    """What `transform` does, for export."""

    def __init__(self, module: nn.Module, columns: Tensor) -> None:
        super().__init__()
        self.module = module
        self.register_buffer("columns", columns)

    def forward(self, x: Tensor) -> Tensor:
        return self.module.encode(x).index_select(1, self.columns)


class _Decoder(nn.Module):
    """What `inverse_transform` does, for export."""

    def __init__(self, module: nn.Module, columns: Tensor, fill: Tensor) -> None:
        super().__init__()
        self.module = module
        # Codes times a selection, plus the means of the components left out.
        selection = torch.zeros(len(columns), len(fill))
        selection[torch.arange(len(columns)), columns] = 1.0
        self.register_buffer("selection", selection)
        self.register_buffer("fill", fill.index_fill(0, columns, 0.0))

    def forward(self, codes: Tensor) -> Tensor:
        return self.module.decode(codes @ self.selection + self.fill)
