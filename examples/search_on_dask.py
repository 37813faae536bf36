"""
A search on a Dask cluster
==========================

::

    pip install "sklearn_ardvae[dask]"
    python examples/search_on_dask.py

Two workers on this machine stand for a cluster; ``Client("scheduler:8786")`` takes one
that is there. Data are sent once; the evidence of unseen rows chooses, which means the
same for all weights and sizes.
"""

from distributed import Client, LocalCluster
from joblib import parallel_config
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from sklearn_ardvae import ARDVAE


def main():
    X = StandardScaler().fit_transform(load_breast_cancer().data)
    grid = {"beta": [0.1, 0.3, 1.0], "n_components": [8, 16]}
    search = GridSearchCV(ARDVAE(max_iter=60, random_state=0), grid, cv=2, n_jobs=-1)
    workers = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    with (
        workers as cluster,
        Client(cluster),
        parallel_config("dask", scatter=[X]),
    ):
        search.fit(X)
    print("best:", search.best_params_)
    print(f"evidence: {search.best_score_:.2f} nats a row")
    print(search.best_estimator_.n_active_components_, "active components")


if __name__ == "__main__":
    main()
