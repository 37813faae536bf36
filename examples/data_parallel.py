"""One fit on several processes, each of which takes a part of every batch.

    torchrun --nproc-per-node 2 examples/data_parallel.py
    accelerate launch --multi_gpu --num_processes 2 examples/data_parallel.py
    python examples/data_parallel.py                          # one process, as well

Every process runs this script: it has the same rows and the same random_state, and ends
with the same model. Needs: pip install "sklearn_ardvae[distributed]"
"""

import os

from sklearn.datasets import load_digits

from sklearn_ardvae import ARDVAE

X = load_digits().data

# A batch is what one process would take: it is shared, not multiplied.
model = ARDVAE(32, device="accelerate", random_state=0)
model.fit(X)

if os.environ.get("RANK", "0") == "0":
    print(f"{os.environ.get('WORLD_SIZE', '1')} process(es) on {model.device_}")
    print(f"{model.n_active_components_} axes, beta {model.beta_:.3f}")
