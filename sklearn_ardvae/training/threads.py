"""One thread for small networks: more wait for each other longer than they work.

Nothing global is changed. OpenMP and MKL keep a number of threads for each thread of
the process; that of the calling thread is lowered in the block and put back after it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController

__all__ = ["threads_for"]

# Floating point operations of a batch from which threads are used. On an idle machine a
# step on two takes 0.93 of the time at 1e7, 0.76 at 6e7, 0.63 at 4e8 and 0.61 at 5e9
# (benchmarks/performance/thread_worth.py); beside other work small ones wait for each
# other, many times longer than they gain.
WORTH_THREADS = 3e8


@contextmanager
def threads_for(flops: float) -> Iterator[None]:
    """Let torch work on one thread inside the block if its batches are small.

    Parameters
    ----------
    flops : float
        Floating point operations of a batch.
    """
    # Asking makes torch take its own number for this thread first, if it is a new one.
    if torch.get_num_threads() == 1 or flops >= WORTH_THREADS:
        yield
        return
    set_mkl_threads = _mkl_setter()
    with _controller().limit(limits=1, user_api="openmp"):
        before = set_mkl_threads(1)
        try:
            yield
        finally:
            set_mkl_threads(before)


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@cache
def _mkl_setter() -> Callable[[int], int]:
    """Return MKL's own setter for the calling thread, which returns what it was.

    MKL inside torch follows OpenMP until ``torch.set_num_threads`` is called, and that
    from then on.
    """
    library = ctypes.CDLL(torch._C.__file__)
    return getattr(library, "MKL_Set_Num_Threads_Local", lambda _: 0)
