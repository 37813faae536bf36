"""Whatever the bytes: a ValueError, or a model that is what the file says, soon."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from estimator_table import fast
from saved_files import Cost, damaged, edited, same

from sklearn_ardvae import ARDVAE, VRRAE, MaskAAE, TwoStageVAE
from sklearn_ardvae.estimator.base import BaseAutoencoder
from sklearn_ardvae.estimator.saving import container, format_2


@pytest.fixture(scope="module")
def files(tmp_path_factory, request):
    """Bytes of saved models, and what they say."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 3)).astype(np.float32)
    models = [
        fast(ARDVAE, skorch_params={"optimizer__weight_decay": 0.1}),
        fast(MaskAAE, hidden_layer_sizes=[4]),
        fast(TwoStageVAE, max_iter=20, hidden_layer_sizes=np.array([4])),
        fast(VRRAE, tol=np.float32(0.1)),
    ]
    contents = []
    for i, model in enumerate(models):
        model.fit(x).save(folder / str(i))
        contents.append((folder / str(i)).read_bytes())
    return folder / "mutant", contents


def said(content):
    """Return what a file says of a model, but for the machine that it was on."""
    model = format_2.from_header(*container.unpack(content))
    del model.attributes["device_"]
    state = model.attributes, model.weights, model.optimizer_states
    return model.params, model.built_from, *state


def says_all(content, expected):
    """Whether a file says all that another says; the rest are defaults."""
    (params, built_from, *found), (some_params, some_built_from, *wanted) = (
        said(content),
        said(expected),
    )
    return (
        same({name: params[name] for name in some_params}, some_params)
        and same(built_from, some_built_from)
        and same(found, wanted)
    )


def check_mutants(files, n_mutants, n_start=0):
    path, contents = files
    slowest, largest, n_loaded = (0.0, -1), (0, -1), 0
    for i in range(n_start, n_start + n_mutants):
        rng = np.random.default_rng(i)
        original = contents[i % len(contents)]
        vouched = i % 2 == 0
        mutant = (edited if vouched else damaged)(original, rng)
        path.write_bytes(mutant)
        cost, model, refusal = Cost(), None, ""
        with warnings.catch_warnings(), cost.measured():
            # Of a version that was edited, or of a parameter.
            warnings.simplefilter("ignore", UserWarning)
            try:
                model = BaseAutoencoder.load(path)
            except ValueError as error:
                refusal = str(error)
            except Exception as error:
                error.add_note(f"mutant {i}")
                raise
        slowest = max(slowest, (cost.seconds, i))
        largest = max(largest, (cost.bytes, i))
        if model is None:
            assert refusal.startswith(str(path)), i
            continue
        n_loaded += 1
        model.save(path)
        expected = mutant if vouched else original
        assert says_all(path.read_bytes(), expected), i
        codes = model.set_params(input_shape=None, output_components="all")
        assert codes.transform(np.zeros((2, 3))).shape[1] == model.relevance_.size
    print(f"slowest {slowest}, largest {largest}, loaded {n_loaded}")
    assert slowest[0] < 1.0, slowest
    assert largest[0] < 100e6, largest
    return n_loaded


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no /proc")
def test_memory_is_measured():
    cost = Cost()
    with cost.measured():
        np.ones(10**7)
    assert cost.bytes == pytest.approx(8e7, rel=0.1)


def test_mutants_are_refused_or_load_right(files):
    assert check_mutants(files, 300) > 0


@pytest.mark.slow
def test_ten_thousand_mutants_are_refused_or_load_right(files):
    assert check_mutants(files, 10_000) > 0
