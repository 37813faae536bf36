"""What type checkers and completion know of what a user writes."""

import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jedi
import numpy as np
import pytest
from estimator_table import CLASSES, IDS, fast
from sklearn.utils.fixes import parse_version

import sklearn_ardvae

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("user_script.py")


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """Of each worker: what another one is writing at the moment cannot be read."""
    with pytest.MonkeyPatch.context() as patch:
        folder = str(tmp_path_factory.mktemp("jedi"))
        patch.setattr(jedi.settings, "cache_directory", folder)
        yield


def run(*command):
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=os.environ | {"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.skipif(
    parse_version(np.__version__) < parse_version("2.2"),
    reason="what numpy 2.0 and matplotlib 3.8 say of types is less than what they take",
)
def test_mypy_finds_no_error_in_the_package_and_in_a_users_script():
    done = run("mypy", "--config-file", "pyproject.toml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not importlib.util.find_spec("pyright"), reason="no pyright")
def test_pyright_finds_no_error_in_a_users_script():
    done = run("pyright", "--pythonpath", sys.executable, "--outputjson", str(SCRIPT))
    try:
        found = json.loads(done.stdout)
    except json.JSONDecodeError:
        pytest.skip(f"pyright does not run here: {done.stderr}")
    errors = [d for d in found["generalDiagnostics"] if d["severity"] == "error"]
    assert not errors


def completions(code):
    script = jedi.Script(code, project=jedi.Project(ROOT))
    return {completion.name for completion in script.complete()}


@pytest.mark.parametrize("cls", CLASSES, ids=IDS)
def test_parameters_are_completed(cls):
    name = cls.__name__
    found = completions(f"from sklearn_ardvae import {name}\n{name}(")
    assert {f"{parameter}=" for parameter in inspect.signature(cls).parameters} <= found


@pytest.mark.parametrize("made", ["{}(3)", "{}(3).fit([[0.0], [1.0]])"])
@pytest.mark.parametrize("cls", CLASSES, ids=IDS)
def test_fitted_attributes_are_completed(cls, made, low_rank):
    name = cls.__name__
    call = made.format(name)
    found = completions(f"from sklearn_ardvae import {name}\nmodel = {call}\nmodel.")
    fitted = {
        name
        for name, _ in inspect.getmembers(fast(cls).fit(low_rank))
        if re.fullmatch(r"[a-z].*[^_]_", name)
    }
    assert fitted | {"code_posterior", "feature_names_in_"} <= found


@pytest.mark.parametrize("room", ["datasets", "metrics"])
def test_rooms_are_completed(room):
    assert room in completions("import sklearn_ardvae\nsklearn_ardvae.")
    names = getattr(sklearn_ardvae, room).__all__
    assert set(names) <= completions(f"import sklearn_ardvae\nsklearn_ardvae.{room}.")
