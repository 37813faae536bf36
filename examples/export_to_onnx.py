"""
Outside Python: ONNX
====================

::

    pip install "sklearn_ardvae[onnx]" onnxruntime
    python examples/export_to_onnx.py

Encoder and decoder become files that other programs run without torch, scikit-learn or
this package. The runtime's answers are compared with the estimator's.
"""

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from sklearn.datasets import load_digits

from sklearn_ardvae import ARDVAE


def run(path, rows):
    session = onnxruntime.InferenceSession(path)
    (name,) = (given.name for given in session.get_inputs())
    return session.run(None, {name: rows})[0]


def main():
    X = load_digits().data.astype(np.float32) / 16
    model = ARDVAE(16, beta=0.05, max_iter=30, random_state=0).fit(X)
    with tempfile.TemporaryDirectory() as folder:
        encoder, decoder = Path(folder, "encoder.onnx"), Path(folder, "decoder.onnx")
        model.to_onnx(encoder, part="encoder")
        model.to_onnx(decoder, part="decoder")
        codes = run(encoder, X)
        rows = run(decoder, codes)
        sizes = [path.stat().st_size // 1024 for path in (encoder, decoder)]
    print(f"encoder {sizes[0]} kB, decoder {sizes[1]} kB, {codes.shape[1]} codes a row")
    print(f"codes differ by {np.abs(codes - model.transform(X)).max():.1g} at most")
    print(f"rows differ by {np.abs(rows - model.reconstruct(X)).max():.1g} at most")


if __name__ == "__main__":
    main()
