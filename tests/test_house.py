"""The picture of the house in docs/house.md is that of the code."""

import ast
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from estimator_table import fast
from sklearn.utils.estimator_checks import check_estimator

from sklearn_ardvae.nn.variational import VariationalModule

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "sklearn_ardvae"
FLOORS = {
    "inspection": 5,
    "model_selection": 5,
    "methods": 4,
    "estimator": 3,
    "training": 2,
    "metrics": 2,
    "nn": 1,
    "datasets": 1,
}


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path):
    """Return the rooms of this package that a file imports from."""
    inside = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = inside[: len(inside) - node.level + 1]
            names = (node.module or "").split(".") if node.module else []
            target = [*above, *names]
            yield from [target[0]] if target else [alias.name for alias in node.names]


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_import_goes_up(path):
    here = FLOORS.get(room(path), 0)
    for target in imported(path):
        below = FLOORS.get(target, 0)
        assert target == room(path) or below < here or below == here == 0, target


def test_nothing_but_the_root_imports_data_sets():
    users = [path for path in FILES if "datasets" in set(imported(path))]
    assert all(room(path) == "datasets" for path in users)


def test_every_room_is_in_the_picture():
    text = (ROOT / "docs/house.md").read_text()
    for path in FILES:
        assert f"`{room(path)}" in text, path


@pytest.fixture(scope="module")
def added():
    """The method that the guide adds, as a module."""
    text = (ROOT / "docs/house.md").read_text()
    guide = text[text.index("## How to add a method") :]
    assert len(guide.splitlines()) < 120
    (code,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    module = types.ModuleType("iwae_of_the_guide")
    module.__package__ = "sklearn_ardvae.methods"  # where the guide puts it
    sys.modules[module.__name__] = module
    exec(compile(code, "docs/house.md", "exec"), vars(module))
    yield module
    del sys.modules[module.__name__]


class TestTheExample:
    def test_it_is_an_estimator(self, added):
        check_estimator(fast(added.IWAE), on_skip=None)
        assert "beta : float" in added.IWAE.__doc__
        assert "%(" not in added.IWAE.__doc__
        for part in ("Good for:", "Known to fail:", "References\n"):
            assert part in added.IWAE.__doc__

    def test_it_is_trained_saved_and_scored(self, added, low_rank, tmp_path):
        model = fast(added.IWAE, n_components=4, max_iter=30, learning_rate=0.01)
        model.set_params(hidden_layer_sizes=(32,)).fit(low_rank)
        assert model.score(low_rank) > fast(added.IWAE).fit(low_rank).score(low_rank)
        model.save(tmp_path / "model")
        twin = added.IWAE.load(tmp_path / "model")
        np.testing.assert_array_equal(
            twin.transform(low_rank), model.transform(low_rank)
        )

    def test_one_draw_is_a_vae_and_more_are_a_tighter_bound(self, added, low_rank):
        model = fast(added.IWAE, n_components=2, max_iter=5).fit(low_rank)
        module, x = model._module, torch.from_numpy(low_rank)
        generator = torch.Generator().manual_seed(0)
        losses = {}
        with torch.no_grad():
            for module.n_draws in (1, 5, 50):
                draws = [
                    module.loss(x, module.draw_noise(400, generator)).total.item()
                    for _ in range(20)
                ]
                losses[module.n_draws] = np.mean(draws)
            noise = [module.posterior_noise(400, generator) for _ in range(20)]
            bound = np.mean([vae_loss(module, x, n) for n in noise])
        # Means of 8000 draws each.
        assert losses[1] == pytest.approx(bound, rel=0.02)
        assert losses[1] > losses[5] > losses[50]


def vae_loss(module, x, noise):
    return VariationalModule.loss(module, x, noise).total.item()
