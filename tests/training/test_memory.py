"""What a fit needs beside the data."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, resource, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
import sklearn_ardvae
name, shape, calls = sys.argv[1], *map(json.loads, sys.argv[2:])
settings = dict(hidden_layer_sizes=(8,), max_iter=1, batch_size=1024, random_state=0)
model = getattr(sklearn_ardvae, name)(2, **settings)
small = np.random.default_rng(0).standard_normal((2000, shape[1]), dtype="float32")
model.fit(small).score(small)
data = {}


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def added(call, dtype):
    if dtype not in data:
        data.clear()
        data[dtype] = np.tile(small, (shape[0] // len(small), 1)).astype(dtype)
        model.transform(small.astype(dtype))
    x = data[dtype]
    # The peak so far may be that of making the data, or of the call before.
    filler = []
    before = peak()
    resident = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
    while resident + sum(f.nbytes for f in filler) < before:
        filler.append(np.ones(1_000_000, dtype="uint8"))
    before = max(before, peak())
    getattr(model, call)(x)
    return (peak() - before) / (4 * x.size)


print(json.dumps([added(*call) for call in calls]))
"""
SHAPE = (20_000, 400)


def added(name, calls):
    """Return the peak of memory that each call adds, in sizes of the data in float32.

    Blocks of a megabyte go back to the system at once: what malloc keeps of those that
    are free differs by half the data from one run to the next.
    """
    arguments = name, json.dumps(SHAPE), json.dumps(calls)
    return json.loads(
        subprocess.run(
            [sys.executable, "-c", SCRIPT, *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"},
        ).stdout
    )


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    ("name", "most"),
    [
        (
            "ARDVAE",
            {
                ("transform", "float32"): 0.5,
                ("score_samples", "float32"): 0.5,
                # With nothing set: standardised rows, and PCA of them and of halves.
                ("fit", "float32"): 2.4,
                ("fit", "float64"): 2.4,
            },
        ),
        ("BetaVAE", {("fit", "float32"): 0.5, ("fit", "float64"): 1.6}),
        ("RRAE", {("score_samples", "float32"): 0.5, ("fit", "float32"): 0.7}),
        ("Autoencoder", {("score_samples", "float32"): 0.5}),
    ],
    ids=["ARDVAE", "BetaVAE", "RRAE", "Autoencoder"],
)
def test_memory_beside_the_data(name, most):
    # Blocks of 4 MB, an eighth of these data, are in each number; a copy adds 1.
    # What a call gives back the next may take unseen: those that need least go first.
    found = dict(zip(most, added(name, list(most)), strict=True))
    too_much = {call: share for call, share in found.items() if share >= most[call]}
    assert not too_much, found
