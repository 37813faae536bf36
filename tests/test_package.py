"""What ``import sklearn_ardvae`` gives, and what it leaves for later."""

import json
import subprocess
import sys

import pytest
from estimator_table import fast

import sklearn_ardvae
from sklearn_ardvae import ARDVAE

# What a fresh process sees. Any warning is an error there.
PROGRAM = """
import json, sys
import sklearn_ardvae

seen = {"import": list(sys.modules), "dir": dir(sklearn_ardvae)}
for room in ("datasets", "inspection", "metrics"):
    seen[room] = list(sys.modules)
    module = getattr(sklearn_ardvae, room)
    assert module.__all__
    assert module is sys.modules[f"sklearn_ardvae.{room}"]

import torch
from sklearn_ardvae.relevance import jacobian_weights

jacobian_weights(torch.sin, torch.zeros(2, 3))
seen["relevance"] = list(sys.modules)
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen():
    """The names of the modules that are there after each step of `PROGRAM`."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("room", ["datasets", "inspection", "metrics"])
def test_rooms_are_imported_when_they_are_first_looked_at(room, seen):
    assert f"sklearn_ardvae.{room}" not in seen[room]
    assert room in seen["dir"]


def test_what_only_some_functions_need_is_not_imported(seen):
    heavy = {"matplotlib", "onnx", "onnxscript", "polars", "h5py", "safetensors"}
    assert not heavy & {name.partition(".")[0] for name in seen["import"]}
    assert "sklearn.mixture" not in seen["import"]
    assert "matplotlib" not in seen["inspection"]


def test_relevance_does_not_load_forward_mode(seen):
    # Torch compiles what that needs with torch.jit.script, and warns of it in users'
    # names.
    assert "torch._decomp.decompositions_for_jvp" not in seen["relevance"]


def test_other_names_are_missed_by_name():
    with pytest.raises(AttributeError, match=r"'sklearn_ardvae' has no .* 'metric'"):
        sklearn_ardvae.metric  # noqa: B018
    assert set(sklearn_ardvae.__all__) <= set(dir(sklearn_ardvae))


LOADS = """
import sys
import numpy as np
from sklearn_ardvae import ARDVAE
ARDVAE.load(sys.argv[1]).transform(np.ones((2, int(sys.argv[2])), dtype=np.float32))
assert "torch._dynamo" not in sys.modules
"""


def test_a_model_is_loaded_and_used_without_torchs_compiler(low_rank, tmp_path):
    pytest.importorskip("safetensors")
    path = tmp_path / "model.safetensors"
    fast(ARDVAE).fit(low_rank).save(path)
    command = [sys.executable, "-c", LOADS, str(path), str(low_rank.shape[1])]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
