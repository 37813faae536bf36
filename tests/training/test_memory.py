"""What a fit needs beside the data."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
import sklearn_ardvae
name, dtype, call = sys.argv[1:]
shape = {shape}
settings = dict(hidden_layer_sizes=(8,), max_iter=1, batch_size=1024, random_state=0)
model = getattr(sklearn_ardvae, name)(2, **settings)
small = np.random.default_rng(0).standard_normal((2000, shape[1]), dtype="float32")
model.fit(small).score(small)
model.transform(small.astype(dtype))
x = np.tile(small, (shape[0] // len(small), 1)).astype(dtype)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# The peak so far may be that of making the data.
filler = []
before = peak()
resident = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
while resident + sum(f.nbytes for f in filler) < before:
    filler.append(np.ones(1_000_000, dtype="uint8"))
before = max(before, peak())
getattr(model, call)(x)
print((peak() - before) / (4 * x.size))
"""
SHAPE = (40_000, 1000)


def added(name, dtype, call):
    """Return the peak of memory that a call adds, in sizes of the data in float32.

    Blocks of a megabyte go back to the system at once: what malloc keeps of those that
    are free differs by half the data from one run to the next.
    """
    script = SCRIPT.format(shape=SHAPE)
    return float(
        subprocess.run(
            [sys.executable, "-c", script, name, dtype, call],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"},
        ).stdout
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    ("name", "dtype", "call", "most"),
    [
        # With nothing set: standardised rows, and PCA of them and of halves.
        ("ARDVAE", "float32", "fit", 1.9),
        ("ARDVAE", "float64", "fit", 1.9),
        ("BetaVAE", "float32", "fit", 0.5),
        ("BetaVAE", "float64", "fit", 1.5),
        ("RRAE", "float32", "fit", 1.1),
        ("RRAE", "float32", "score_samples", 0.5),
        ("Autoencoder", "float32", "score_samples", 0.5),
        ("ARDVAE", "float32", "score_samples", 0.5),
        ("ARDVAE", "float32", "transform", 0.5),
    ],
)
def test_memory_beside_the_data(name, dtype, call, most):
    assert added(name, dtype, call) < most
