"""Fit a recommender on several machines.

Each worker is a process that calls :func:`fit`, on its own machine or on the same one. The environment
variable TF_CONFIG tells it the addresses of all workers and its own number. To start all workers on one
machine, run::

    python -m sklearn_mf.distributed --workers 2 --store folder --estimator file --output fitted
"""

import sys
from pathlib import Path
from typing import TypeVar

from sklearn.base import BaseEstimator

from sklearn_mf.ratings._store import RatingsStore
from sklearn_mf.recommenders._several_machines import fit_on_workers
from sklearn_mf.recommenders._workers_command import run

__all__ = ["fit"]

Estimator = TypeVar("Estimator", bound=BaseEstimator)


def fit(
    estimator: Estimator,
    store: RatingsStore,
    *,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 5,
    timeout: float = 600.0,
    exchange_dtype: str = "float32",
) -> Estimator:
    """Fit an estimator together with the other workers of the environment variable TF_CONFIG.

    All workers call this function, with the same estimator and the same ratings, before anything else in the
    process uses TensorFlow. Each solves for its own share of the users and items, and they exchange the
    rows after each half of a sweep. The result is that of ``estimator.fit(store)`` on one machine.

    Parameters
    ----------
    estimator : MFRecommender, ImplicitMFRecommender or BayesianMFRecommender
        The estimator to fit, in place. `solver="sgd"`, `early_stopping=True` and callbacks raise.
    store : RatingsStore
        The ratings, prepared once; each worker opens the folder itself, or a copy of it.
    checkpoint : str or Path, default=None
        A folder that all workers share. The chief, worker 0, saves the state of training there, and a job
        that is started again with the same arguments continues from it to the same bits. The file is a
        pickle: use a folder that only people whom you trust can write to.
    checkpoint_every : int, default=5
        Number of sweeps from one checkpoint to the next.
    timeout : float, default=600.0
        Most seconds that a worker waits for the others: at the start, and in each step. It must be longer
        than half of a sweep takes, and than the ratings and ids take to be read.
    exchange_dtype : {"float32", "float16"}, default="float32"
        Type of the rows on the network. "float16" halves the bytes, and rounds each number by about one part
        in 2000 of the largest of its column.

    Returns
    -------
    estimator : estimator
        The fitted estimator, with the same bits on all workers.

    Raises
    ------
    ValueError
        Where TF_CONFIG is missing or not valid, where workers have different estimators or ratings, or where
        the checkpoint is of another fit.
    TypeError
        Where the estimator or the store is of another class.
    TimeoutError
        Where a worker does not start, or does not reach a step in time; on the worker that notices it.
    ConnectionError
        Where another worker has ended, or the chief could not start.
    RuntimeError
        Where another worker has failed, is at another step or reports one of the errors above, or where
        TensorFlow was used before.

    See Also
    --------
    sklearn_mf.prepare_ratings : Make a store.

    Notes
    -----
    TensorFlow's servers listen on all network interfaces and ask for no password. Run the workers in a
    private network.

    Examples
    --------
    >>> from sklearn_mf import MFRecommender
    >>> from sklearn_mf.distributed import fit
    >>> fit(MFRecommender(solver="als"), "ratings")
    Traceback (most recent call last):
    TypeError: store must be a RatingsStore, got str: make one by sklearn_mf.prepare_ratings.
    """
    return fit_on_workers(estimator, store, checkpoint, checkpoint_every, timeout, exchange_dtype)


if __name__ == "__main__":
    sys.exit(run())
