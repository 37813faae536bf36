"""One thread for small networks, by themselves, and nothing global changed."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from sklearn_ardvae import ARDVAE
from sklearn_ardvae.training import threads
from sklearn_ardvae.training.threads import WORTH_THREADS, threads_for


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def test_small_work_has_one_thread_and_large_work_all(two_threads):
    with threads_for(WORTH_THREADS / 2):
        assert torch.get_num_threads() == 1
    with threads_for(WORTH_THREADS):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 2


def test_the_number_comes_back_after_an_error(two_threads):
    with pytest.raises(RuntimeError), threads_for(1.0):
        raise RuntimeError
    assert torch.get_num_threads() == 2


def test_other_threads_keep_theirs(two_threads):
    seen = {}

    def look(name):
        seen[name] = torch.get_num_threads()

    with threads_for(1.0):
        other = threading.Thread(target=look, args=("beside",))
        other.start()
        other.join()

    def within():
        # The first thing that torch does in this thread.
        with threads_for(1.0):
            look("within")
            torch.ones(100_000).exp()
            look("still within")
        look("after")

    new = threading.Thread(target=within)
    new.start()
    new.join()
    assert seen == {"beside": 2, "within": 1, "still within": 1, "after": 2}


def test_every_call_of_an_estimator_is_inside(two_threads, monkeypatch, low_rank):
    seen = []
    original = torch.nn.functional.linear

    def linear(x, *args):
        # Two rows are those of a trial, before it is known how large networks are.
        if len(x) > 2:
            seen.append(torch.get_num_threads())
        return original(x, *args)

    monkeypatch.setattr(torch.nn.functional, "linear", linear)
    model = ARDVAE(4, max_iter=2, random_state=0).fit(low_rank)
    model.partial_fit(low_rank)
    codes = model.transform(low_rank)
    model.inverse_transform(codes)
    model.score(low_rank)
    model.sample(3)
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2


def test_a_missing_setter_of_mkl_is_no_error(monkeypatch, two_threads):
    monkeypatch.setattr(threads.ctypes, "CDLL", lambda path: object())
    threads._mkl_setter.cache_clear()
    with threads_for(1.0):
        assert torch.get_num_threads() == 1
    threads._mkl_setter.cache_clear()


SCRIPT = """
import time, warnings
import numpy as np
warnings.simplefilter("ignore")
from sklearn_ardvae import FactorVAE
x = np.random.default_rng(0).normal(size=(400, 8)).astype("float32")
FactorVAE(4, max_iter=1, random_state=0).fit(x)
wall, cpu = time.perf_counter(), time.process_time()
FactorVAE(4, max_iter=5, random_state=0).fit(x).transform(x)
print((time.process_time() - cpu) / (time.perf_counter() - wall))
"""


@pytest.mark.skipif(os.cpu_count() == 1, reason="one processor")
def test_the_default_environment_spends_no_time_on_waiting_threads():
    names = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_NUM_THREADS")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    out = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # Threads that wait spin: with all processors this was their number, 2 and more.
    assert float(np.float64(out)) < 1.3
