"""Fit a recommender on several workers: each solves for some users and items, and they exchange the rows."""

import copy
import importlib
import os
from numbers import Integral
from pathlib import Path
from typing import Protocol, TypeVar

import joblib
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from sklearn_mf.ratings._field_cells import Exchange
from sklearn_mf.ratings._store import RatingsStore
from sklearn_mf.recommenders._bayesian import BayesianMFRecommender
from sklearn_mf.recommenders._checkpoints import CheckpointFolder
from sklearn_mf.recommenders._fitting import fit_recommender, replace_attributes
from sklearn_mf.recommenders._implicit import ImplicitMFRecommender
from sklearn_mf.recommenders._mf import MFRecommender
from sklearn_mf.recommenders._rating_options import can_learn_alpha, chosen_solver
from sklearn_mf.solvers._start import start_tensorflow
from sklearn_mf.solvers.distributed._cluster import Cluster
from sklearn_mf.solvers.distributed._peers import Peers
from sklearn_mf.utils._sklearn_compat import validate_parameter_constraints

Estimator = TypeVar("Estimator", bound=BaseEstimator)


class WorkersExchange(Exchange, Protocol):
    """The exchange, and the connection that it uses."""

    #: Connection with the other workers.
    peers: Peers


def fit_on_workers(
    estimator: Estimator,
    store: RatingsStore,
    checkpoint: str | Path | None,
    checkpoint_every: int,
    timeout: float,
    exchange_dtype: str,
) -> Estimator:
    """Fit an estimator together with the other workers of TF_CONFIG; arguments as in the public function."""
    _check_estimator(estimator)
    _check_options(store, checkpoint_every, timeout, exchange_dtype)
    cluster = Cluster.of(os.environ)
    exchange = _connect(cluster, timeout, exchange_dtype == "float16")
    try:
        checkpoints = None
        fingerprint = joblib.hash([_identity(estimator), _identity_of(store), exchange_dtype])
        if checkpoint is not None:
            is_chief = cluster.worker == 0
            checkpoints = CheckpointFolder(Path(checkpoint), checkpoint_every, fingerprint, is_chief)
        seed = _agree(cluster, exchange, estimator, fingerprint, checkpoints)
        _fit(estimator, store, seed, cluster.worker, exchange, checkpoints)
        if exchange is not None:
            exchange.peers.agree("the end of fit")
    except BaseException as error:
        if exchange is not None:
            exchange.peers.fail(error)
        raise
    return estimator


def _check_estimator(estimator: object) -> None:
    """Refuse what cannot be fitted by several workers."""
    name = type(estimator).__name__
    if not isinstance(estimator, MFRecommender | ImplicitMFRecommender | BayesianMFRecommender):
        raise TypeError(
            "estimator must be an MFRecommender, ImplicitMFRecommender or BayesianMFRecommender, got "
            f"{name}: fit other estimators by their method fit."
        )
    validate_parameter_constraints(estimator._parameter_constraints, estimator.get_params(deep=False), name)
    if hasattr(estimator, "_skl_callbacks"):
        raise ValueError(
            f"Callbacks of {name} cannot run on several workers, got "
            f"{estimator._skl_callbacks}: remove them, and set verbose=1 to see the progress."
        )
    if not isinstance(estimator, MFRecommender):
        return
    if estimator.early_stopping:
        raise ValueError(
            "early_stopping=True holds ratings out in memory, which several workers cannot: set it to False."
        )
    has_phases = can_learn_alpha(estimator) and estimator.unobserved_weight != 0 and estimator.embedding_dim
    if chosen_solver(estimator) == "sgd" and not has_phases:
        raise ValueError(
            f"{estimator!r} would use solver='sgd', which trains on one machine alone: set solver='als'."
        )


def _check_options(store: object, checkpoint_every: object, timeout: object, exchange_dtype: object) -> None:
    if not isinstance(store, RatingsStore):
        raise TypeError(
            f"store must be a RatingsStore, got {type(store).__name__}: make one by "
            "sklearn_mf.prepare_ratings."
        )
    if not isinstance(checkpoint_every, Integral) or checkpoint_every < 1:
        raise ValueError(f"checkpoint_every must be a whole number from 1, got {checkpoint_every!r}.")
    if not isinstance(timeout, int | float) or not 0 < timeout < np.inf:
        raise ValueError(f"timeout must be a number of seconds above 0, got {timeout!r}.")
    if exchange_dtype not in ("float32", "float16"):
        raise ValueError(f"exchange_dtype must be 'float32' or 'float16', got {exchange_dtype!r}.")


def _connect(cluster: Cluster, timeout: float, half: bool) -> WorkersExchange | None:
    """Connect with the other workers; None where there are none."""
    if cluster.n_workers == 1:
        return None
    start_tensorflow()
    connection = importlib.import_module("sklearn_mf.solvers.distributed._connection")
    exchange: WorkersExchange = connection.connect(cluster, float(timeout), half)
    return exchange


def _identity(estimator: BaseEstimator) -> list[object]:
    """What the fit of an estimator depends on; a seed that is no number is left out."""
    params = estimator.get_params(deep=False)
    params.pop("verbose")
    if not isinstance(params["random_state"], Integral):
        params.pop("random_state")
    continued = estimator.warm_start and hasattr(estimator, "embeddings_")
    rows = [estimator.categories_, estimator.embeddings_, estimator.biases_] if continued else []
    return [type(estimator).__name__, sorted(params.items()), rows]


def _identity_of(store: RatingsStore) -> list[object]:
    """What distinguishes the ratings of a store from others."""
    return [store.n_ratings, store.column_names, store.ids, vars(store.statistics)]


def _agree(
    cluster: Cluster,
    exchange: WorkersExchange | None,
    estimator: BaseEstimator,
    fingerprint: str,
    checkpoints: CheckpointFolder | None,
) -> int:
    """Compare the input of all workers; the seed of all, that of the chief."""
    seed = None if checkpoints is None else checkpoints.seed
    if seed is None:
        given = estimator.random_state
        drawn = check_random_state(given).randint(np.iinfo(np.int32).max)
        seed = int(given if isinstance(given, Integral) else drawn)
    if exchange is not None:
        n_sweeps = 0 if checkpoints is None else checkpoints.n_sweeps
        values = exchange.peers.agree("the start of fit", [fingerprint, str(n_sweeps), str(seed)])
        _compare(cluster, values)
        seed = int(values[0][2])
    if checkpoints is not None:
        checkpoints.seed = seed
    return seed


def _compare(cluster: Cluster, values: list[list[str]]) -> None:
    """Refuse workers with another estimator, other ratings or another checkpoint than the chief."""
    first = values[0]
    for worker, value in enumerate(values):
        if value[0] != first[0]:
            raise ValueError(
                f"The estimator or the ratings of {cluster.name(worker)} differ from those of "
                f"{cluster.name(0)}: give all workers the same estimator and a copy of the same store."
            )
        if value[1] != first[1]:
            raise ValueError(
                f"W{cluster.name(worker)[1:]} finds a checkpoint after {value[1]} sweeps and "
                f"{cluster.name(0)} after {first[1]}: take a checkpoint folder that all workers share."
            )


def _fit(
    estimator: BaseEstimator,
    store: RatingsStore,
    seed: int,
    worker: int,
    exchange: WorkersExchange | None,
    checkpoints: CheckpointFolder | None,
) -> None:
    """Fit with a common seed; the chief alone prints."""
    run = copy.copy(estimator)
    run.random_state, run.verbose = seed, run.verbose if worker == 0 else 0
    fit_recommender(run, store, None, None, exchange, checkpoints)
    run.random_state, run.verbose = estimator.random_state, estimator.verbose
    replace_attributes(estimator, run)
