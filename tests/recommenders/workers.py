"""Two workers that exchange rows and fit, as processes of a network of their own; run by the tests.

python -m tests.recommenders.workers store folder
"""

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from sklearn_mf import BayesianMFRecommender, ImplicitMFRecommender, MFRecommender
from sklearn_mf.ratings._store import RatingsStore
from sklearn_mf.recommenders._workers_command import free_ports, worker_environment
from sklearn_mf.solvers.distributed._cluster import Cluster
from tests.conftest import OBSERVED_ALONE

ESTIMATORS = {
    "als": MFRecommender(8, solver="als", max_iter=4, random_state=0, **OBSERVED_ALONE),
    "two phases": MFRecommender(4, max_iter=3, random_state=0),
    "implicit": ImplicitMFRecommender(4, max_iter=3, random_state=0),
    "bayesian": BayesianMFRecommender(3, max_iter=6, burn_in=2, n_samples=4, random_state=0),
}
WITHOUT_SEED = MFRecommender(8, solver="als", max_iter=2, **OBSERVED_ALONE)
# Most seconds of a step, and of the whole session.
TIMEOUT, SESSION = 120, 400


def isolated(command):
    """A command in a network with the loopback address alone, where the system allows it."""
    allowed = subprocess.run(
        ["unshare", "--map-root-user", "--net", "ip", "link", "set", "lo", "up"], check=False
    )
    if allowed.returncode:
        return command
    return ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *command]


def arrays_of(fitted):
    """All arrays of numbers of a fitted estimator, by name."""
    found = {}
    for name, value in vars(fitted).items():
        for place, part in enumerate(value if isinstance(value, list | tuple) else [value]):
            if isinstance(part, np.ndarray | float):
                found[f"{name} {place}"] = np.asarray(part)
    return found


def own_rows(worker, dtype, width):
    """Rows of a worker; their number and their size differ."""
    rng = np.random.default_rng([worker, width])
    return (rng.normal(size=(3 + 2 * worker, width)) * 10.0 ** rng.integers(-3, 9, width)).astype(dtype)


def exchange_rows(cluster):
    """What a worker gets from the others."""
    import tensorflow as tf

    from sklearn_mf.solvers.distributed._connection import connect

    exchange, half = (connect(cluster, TIMEOUT, half) for half in (False, True))
    found = {}
    for dtype in ("float32", "float64"):
        for width in (1, 3, 70):
            rows = tf.constant(own_rows(cluster.worker, dtype, width))
            found[f"{dtype} {width}"] = exchange.gather(rows, "rows").numpy()
            found[f"half {dtype} {width}"] = half.gather(rows, "rows").numpy()
    empty = tf.zeros([3 * cluster.worker, 2])
    found["empty"], found["half empty"] = (
        exchange.gather(empty, "rows").numpy(),
        half.gather(empty, "rows").numpy(),
    )
    return found


def work(store, folder):
    """Exchange, fit, and lose worker 1 in the middle of an exchange."""
    from sklearn_mf.distributed import fit

    cluster, store = Cluster.of(os.environ), RatingsStore(store)
    found = {"exchange": exchange_rows(cluster)}
    for name, estimator in ESTIMATORS.items():
        found[name] = arrays_of(fit(estimator, store, timeout=TIMEOUT))
    found["without seed"] = arrays_of(fit(WITHOUT_SEED, store, timeout=TIMEOUT))
    half = MFRecommender(**ESTIMATORS["als"].get_params())
    found["half"] = arrays_of(fit(half, store, timeout=TIMEOUT, exchange_dtype="float16"))
    other = MFRecommender(8 + cluster.worker, solver="als", **OBSERVED_ALONE)
    Path(folder, f"{cluster.worker}.pickle").write_bytes(pickle.dumps(found))
    try:
        lose_a_worker(cluster)
    except ConnectionError as error:
        Path(folder, "lost").write_text(str(error))
    try:
        fit(other, store)
    except RuntimeError as error:
        Path(folder, "after").write_text(str(error))


def lose_a_worker(cluster):
    """Worker 1 is killed after it has announced rows."""
    import tensorflow as tf

    from sklearn_mf.solvers.distributed._connection import connect

    exchange = connect(cluster, TIMEOUT, False)
    if cluster.worker == 1:
        exchange.peers.agree("last: 1 columns of float32")
        os.kill(os.getpid(), signal.SIGKILL)
    exchange.gather(tf.zeros([1, 1]), "last")


def start(store, folder):
    """Start both workers, and wait for them; their exit statuses are printed."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    command = [sys.executable, "-m", "tests.recommenders.workers", store, folder]
    environments = [worker_environment(addresses, worker) for worker in range(2)]
    workers = [subprocess.Popen(command, env=environment) for environment in environments]
    print(*[worker.wait(SESSION) for worker in workers])


if __name__ == "__main__":
    (work if "TF_CONFIG" in os.environ else start)(*sys.argv[1:])
