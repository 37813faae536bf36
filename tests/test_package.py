"""What ``import sklearn_ardvae`` gives, and what it leaves for later."""

import subprocess
import sys

import pytest

import sklearn_ardvae


def run(program):
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("room", ["datasets", "metrics"])
def test_rooms_are_imported_when_they_are_first_looked_at(room):
    run(
        "import sys, sklearn_ardvae\n"
        f"assert 'sklearn_ardvae.{room}' not in sys.modules\n"
        f"assert '{room}' in dir(sklearn_ardvae)\n"
        f"assert sklearn_ardvae.{room}.__all__\n"
        f"assert sklearn_ardvae.{room} is sys.modules['sklearn_ardvae.{room}']"
    )


def test_what_only_some_functions_need_is_not_imported():
    heavy = ["matplotlib", "onnx", "onnxscript", "polars", "h5py", "safetensors"]
    run(
        "import sys, sklearn_ardvae\n"
        f"found = {{m.partition('.')[0] for m in sys.modules}} & set({heavy!r})\n"
        "assert not found, found"
    )


def test_other_names_are_missed_by_name():
    with pytest.raises(AttributeError, match=r"'sklearn_ardvae' has no .* 'metric'"):
        sklearn_ardvae.metric  # noqa: B018
    assert set(sklearn_ardvae.__all__) <= set(dir(sklearn_ardvae))
