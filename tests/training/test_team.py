"""Processes that share batches make the steps of one process."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_ardvae import ARDVAE, Autoencoder, BetaVAE
from sklearn_ardvae.training.team import ALONE, Team, part_of

pytest.importorskip("accelerate")


class TestParts:
    @pytest.mark.parametrize("n_rows", [1, 3, 6, 7, 128])
    @pytest.mark.parametrize("n_processes", [1, 2, 3])
    def test_they_make_up_the_batch(self, n_rows, n_processes):
        team = Team(n_processes)
        parts = [team.part(n_rows, i) for i in range(n_processes)]
        rows = torch.arange(n_rows)
        if n_rows < 2 * n_processes:
            assert all(len(rows[part]) == n_rows for part in parts)
        else:
            assert torch.equal(torch.cat([rows[part] for part in parts]), rows)
        weights = [team.weight(n_rows, i) for i in range(n_processes)]
        assert sum(weights) == pytest.approx(1.0)
        mean = sum(
            weight * rows[part].double().mean()
            for weight, part in zip(weights, parts, strict=True)
        )
        assert mean.item() == pytest.approx((n_rows - 1) / 2)

    def test_noise_of_rows_is_shared_and_other_noise_is_not(self):
        of_rows, of_axes = torch.arange(6.0), torch.arange(4.0)
        noise = part_of((of_rows, of_axes, None), 6, slice(2, 4))
        assert torch.equal(noise[0], torch.tensor([2.0, 3.0]))
        assert torch.equal(noise[1], of_axes)
        assert noise[2] is None


class Doubled:
    """Two processes that have the same."""

    def total(self, values):
        return 2.0 * values

    def from_first(self, value):
        return value


def test_gradients_are_added_also_where_there_is_none():
    used, unused = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(3))
    used.grad = torch.full((2, 2), 3.0)
    Team(2, 0, Doubled()).add_gradients([used, unused], 0.5)
    assert torch.equal(used.grad, torch.full((2, 2), 3.0))
    assert torch.equal(unused.grad, torch.zeros(3))
    ALONE.add_gradients([used], 0.5)
    assert torch.equal(used.grad, torch.full((2, 2), 3.0))


SCRIPT = """
import json, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
import accelerate
import sklearn_ardvae
from sklearn_ardvae.datasets import make_manifold

x = make_manifold("network", 601, n_dimensions=3, noise=0.1, random_state=0).data
first = accelerate.PartialState(cpu=True).is_main_process
found = {}
for name, settings in json.loads(sys.argv[2]):
    # Batches that do not divide, and a last one of three rows.
    shared = dict(hidden_layer_sizes=(16,), batch_size=67, device="accelerate")
    model = getattr(sklearn_ardvae, name)(**{"random_state": 0, **shared, **settings})
    own = x if first or not settings.get("verbose") else x[::-1].copy()
    try:
        model.fit(own)
    except ValueError as error:
        found[name] = str(error)
        continue
    twin = model.fit(own) if settings.get("checkpoint") else model
    found[name] = {
        "codes": twin.transform(x).tolist(),
        "train_loss": twin.history_["train_loss"],
        "n_active": twin.n_active_components_,
        "processes": accelerate.PartialState().num_processes,
    }
if first:
    with open(sys.argv[1], "w") as file:
        json.dump(found, file)
"""


@pytest.fixture
def launched(tmp_path):
    """Run fits in processes that torchrun or accelerate has launched."""
    (tmp_path / "script.py").write_text(SCRIPT)

    def run(fits, command):
        arguments = [tmp_path / "script.py", tmp_path / "found.json", json.dumps(fits)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(
            [sys.executable, "-m", *command, *map(str, arguments)],
            check=True,
            capture_output=True,
            env=environment,
            timeout=300,
        )
        return json.loads((tmp_path / "found.json").read_text())

    return run


TWO = ["torch.distributed.run", "--standalone", "--nproc-per-node=2"]
FITS = [
    ("BetaVAE", {"n_components": 4, "max_iter": 3}),
    ("AAE", {"n_components": 4, "max_iter": 3}),
    ("NGVAE", {"n_components": 4, "max_iter": 3, "random_state": None}),
    ("ARDVAE", {"n_components": 8, "max_iter": 12}),
    ("WAE", {"max_iter": 1}),
    ("FactorVAE", {"max_iter": 1}),
    # Rows of the second process are in another order: "verbose" tells the script so.
    ("IRMAE", {"n_components": 4, "max_iter": 1, "verbose": 1}),
]


def test_two_processes_and_one(launched, tmp_path):
    fits = [*FITS, ("RAE", {"max_iter": 3, "checkpoint": str(tmp_path / "run")})]
    two = launched(fits, TWO)
    one = launched(
        [fit for fit in FITS if fit[0] not in ("IRMAE", "NGVAE")],
        ["accelerate.commands.launch", "--cpu", "--num_processes=1"],
    )
    for name in ("BetaVAE", "AAE", "ARDVAE"):
        assert (two[name]["processes"], one[name]["processes"]) == (2, 1)
        # Sums of gradients round elsewhere, which Adam's first steps make of the
        # size of the rate where a gradient is near 0.
        np.testing.assert_allclose(
            two[name]["train_loss"], one[name]["train_loss"], rtol=1e-4
        )
        codes = np.array(one[name]["codes"])
        np.testing.assert_allclose(two[name]["codes"], codes, atol=0.01 * codes.std())
        assert two[name]["n_active"] == one[name]["n_active"]
    # One seed for all, also where none is given; else processes would disagree.
    assert two["NGVAE"]["processes"] == 2
    for name in ("WAE", "FactorVAE"):
        assert "is not the mean of that over its parts" in two[name]
        assert one[name]["processes"] == 1
    assert "X differs between the 2 processes" in two["IRMAE"]
    assert len(two["RAE"]["train_loss"]) == 3
    assert list((tmp_path / "run").iterdir())


class TestRefusals:
    def test_a_small_term_that_compares_rows_is_found(self, low_rank):
        model = BetaVAE(2, hidden_layer_sizes=(8,), max_iter=1, random_state=0)
        module = model.fit(low_rank)._module
        x = torch.from_numpy(low_rank[:64])
        noise = torch.randn(64, 2)
        team = Team(2, 0, Doubled())
        team.check_loss(module, "loss", x, noise)
        loss = type(module).loss

        class Coupled(type(module)):
            def loss(self, x, noise):
                terms = loss(self, x, noise)
                coupled = 1e-5 * self.encode(x).var(0).sum()
                return type(terms)(terms.total + coupled, terms.parts)

        module.__class__ = Coupled
        with pytest.raises(ValueError, match="is not the mean of that over its parts"):
            team.check_loss(module, "loss", x, noise)

    def test_networks_of_float32_alone_cannot_be_judged(self, low_rank):
        class Single(nn.Linear):
            def forward(self, x):
                return super().forward(x.float())

        networks = Single(low_rank.shape[1], 2), nn.Linear(2, low_rank.shape[1])
        model = Autoencoder(2, architecture=networks, max_iter=1, random_state=0)
        module = model.fit(low_rank)._module
        x = torch.from_numpy(low_rank[:64])
        with pytest.raises(ValueError, match="float64, which your networks do not"):
            Team(2, 0, Doubled()).check_loss(module, "loss", x, None)

    def test_alone_it_is_a_fit_like_any(self, low_rank):
        params = {"hidden_layer_sizes": (8,), "max_iter": 2, "random_state": 0}
        ours = ARDVAE(2, beta=0.1, device="accelerate", **params).fit(low_rank)
        theirs = ARDVAE(2, beta=0.1, **params).fit(low_rank)
        assert ours.device_ == "cpu"
        np.testing.assert_array_equal(
            ours.transform(low_rank), theirs.transform(low_rank)
        )
