"""One thread for every test, set before torch is imported: two processes share them."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Without it scikit-learn skips one of its checks.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)

# For type checkers only; what it says is not to be run.
collect_ignore = ["typed/user_script.py"]

# Fits take long enough for hypothesis' deadline, and its database would go stale.
settings.register_profile("project", deadline=None, database=None, derandomize=True)
settings.load_profile("project")


@pytest.fixture
def low_rank():
    """Rows (400, 12) on a plane of rank 3, of unit variance, with little noise."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 3)) @ rng.standard_normal((3, 12))
    x = x / x.std() + 0.01 * rng.standard_normal((400, 12))
    return x.astype(np.float32)
