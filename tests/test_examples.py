"""The examples run, and what they show is worth showing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.slow
@pytest.mark.skipif("SKLEARN_ARDVAE_DATA" not in os.environ, reason="no mnist.npz")
def test_a_tiny_run_on_mnist_beats_the_mean_and_pca():
    command = [sys.executable, "mnist.py", "--size", "tiny"]
    done = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    error, variance = re.search(
        r"reconstruction error +(\S+) a pixel, of a variance of (\S+)", done.stdout
    ).groups()
    pca = re.search(r"PCA of as many axes +(\S+) a pixel", done.stdout)[1]
    # Seen: 0.0152, 0.0251 and 0.0511.
    assert float(error) < 0.8 * float(pca) < 0.8 * float(variance)
