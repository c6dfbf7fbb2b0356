"""Several workers on one machine against one process: bits, failures, and the growth of the exchange.

SKLEARN_MF_DATA=folder python docs/benchmarks/distributed.py [same] [killed] [exchange] [billion]

Workers are processes on the loopback address, which share the cores: the seconds say nothing about a network.
"""

import contextlib
import io
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
import pyarrow as pa
from data import OBSERVED, environment, ml_1m, ml_100k

from sklearn_mf import (
    BayesianMFRecommender,
    ImplicitMFRecommender,
    MFRecommender,
    RatingsStore,
    prepare_ratings,
)
from sklearn_mf.recommenders._workers_command import free_ports, worker_environment

ALS = {"solver": "als", "tol": 0, "n_iter_no_change": 10**6, "verbose": 1, "random_state": 0, **OBSERVED}
#: Data, and estimators fitted on them.
CASES = {
    "ML-100K u1, als, 16": (ml_100k, MFRecommender(16, max_iter=20, **ALS)),
    "ML-100K u1, als, 32": (ml_100k, MFRecommender(32, max_iter=20, **ALS)),
    "ML-1M, als, 64": (ml_1m, MFRecommender(64, max_iter=10, **ALS)),
    "ML-100K u1, default": (ml_100k, MFRecommender(verbose=1, random_state=0)),
    "ML-100K u1, implicit, 32": (ml_100k, ImplicitMFRecommender(32, verbose=1, random_state=0)),
    "ML-100K u1, Bayesian, 16": (
        ml_100k,
        BayesianMFRecommender(16, max_iter=20, burn_in=5, verbose=1, random_state=0),
    ),
}
#: Rows and columns of a table: users and items of ML-1M, and of 20 M synthetic ratings.
TABLES = {"ML-1M, 64": [(6040, 66), (3706, 66)], "20 M, 64": [(138_493, 66), (26_744, 66)]}
REPEATS = 5
#: Of 10**9 ratings as those of ML-20M: users, items, embedding_dim, machines and their cores.
BILLION = {"users": 6_700_000, "items": 1_300_000, "dim": 128, "machines": 8, "cores": 16}


def store_of(read, folder):
    """A store of the training ratings of a set."""
    path = Path(folder) / read.__name__
    return (
        RatingsStore(path)
        if path.exists()
        else prepare_ratings(pa.Table.from_pandas(read()[0], preserve_index=False), path)
    )


def command(folder, store, estimator, n_workers, *more):
    """The command that fits an estimator, and the file of the fitted one."""
    given, fitted = Path(folder) / "estimator", Path(folder) / "fitted"
    joblib.dump(estimator, given)
    fitted.unlink(missing_ok=True)
    words = [sys.executable, "-m", "sklearn_mf.distributed", "--workers", str(n_workers)]
    words += ["--store", str(store.folder), "--estimator", str(given), "--output", str(fitted), *more]
    return words, fitted


def sweep_seconds(text):
    """Median seconds of the sweeps that a fit has printed, without the first."""
    return statistics.median(float(s) for s in re.findall(r"([\d.]+) s$", text, re.MULTILINE)[1:])


def fit_by_workers(folder, store, estimator, n_workers, *more, threads=1):
    """Fit by some workers, each with so many threads of TensorFlow; the seconds of a sweep too."""
    words, fitted = command(folder, store, estimator, n_workers, *more)
    environment = os.environ | {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "3"}
    printed = subprocess.run(words, check=True, capture_output=True, text=True, env=environment).stdout
    return joblib.load(fitted), sweep_seconds(printed)


def difference(one, other):
    """Largest difference of embeddings and biases, and relative difference of the last objective."""
    pairs = zip([*one.embeddings_, *one.biases_], [*other.embeddings_, *other.biases_], strict=True)
    largest = max(float(np.abs(a - b).max()) for a, b in pairs)
    curves = [getattr(each, "loss_curve_", None) or each.log_likelihood_curve_ for each in (one, other)]
    return largest, abs(curves[0][-1] / curves[1][-1] - 1)


def compare(folder):
    """Two workers of one thread each against one process of one thread, and of all cores."""
    cores = os.cpu_count()
    print(
        "\nTwo workers of one thread each: largest difference and relative difference of J from one process"
    )
    print(f"of one thread, and of {cores} threads; median seconds of a sweep")
    for name, (read, estimator) in CASES.items():
        store = store_of(read, folder)
        alone = {
            threads: fit_by_workers(folder, store, estimator, 1, threads=threads) for threads in (1, cores)
        }
        for dtype in ("float32", "float16") if "als" in name else ("float32",):
            together, seconds = fit_by_workers(folder, store, estimator, 2, "--exchange-dtype", dtype)
            found = [difference(together, one) for one, _ in alone.values()]
            differences = "; ".join(f"{largest:.2g} and {relative:.2g}" for largest, relative in found)
            others = ", ".join(f"{other:.3f}" for _, other in alone.values())
            print(f"{name}, {dtype}: {differences}; {seconds:.3f} s (one process: {others} s)", flush=True)


def kill_and_restart(folder):
    """Kill worker 1 in the seventh sweep, and start again."""
    print("\nWorker 1 killed in sweep 7, with a checkpoint every 3 sweeps")
    store, estimator = store_of(ml_100k, folder), MFRecommender(32, max_iter=20, **ALS)
    more = ["--checkpoint", str(Path(folder) / "checkpoint"), "--checkpoint-every", "3"]
    words, _ = command(folder, store, estimator, 2, *more)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as launcher:
        for line in launcher.stdout:
            if line.startswith("Sweep 6"):
                break
        children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
        os.kill(int(children[1]), signal.SIGKILL)
        started = time.perf_counter()
        message = launcher.stderr.read().strip().splitlines()[-1]
        status = launcher.wait()
    print(f"ended after {time.perf_counter() - started:.1f} s with status {status}: {message}")
    again, _ = fit_by_workers(folder, store, estimator, 2, *more)
    alone, _ = fit_by_workers(folder, store, estimator, 1)
    print(
        f"started again: largest difference from a fit without interruption {difference(again, alone)[0]:.2g}"
    )


def measure_exchange():
    """In a worker: seconds and CPU seconds of the exchange of both tables, and megabytes received."""
    import tensorflow as tf

    from sklearn_mf.solvers.distributed._cluster import Cluster
    from sklearn_mf.solvers.distributed._connection import connect

    cluster, found = Cluster.of(os.environ), {}
    for half in (False, True):
        exchange = connect(cluster, 300.0, half)
        for name, tables in TABLES.items():
            rows = [tf.random.normal([n // cluster.n_workers, width]) for n, width in tables]
            seconds, processor = [], []
            for repeat in range(REPEATS + 2):
                started, used = time.perf_counter(), time.process_time()
                for table in rows:
                    exchange.gather(table, f"{name}, {repeat}")
                seconds.append(time.perf_counter() - started)
                processor.append(time.process_time() - used)
            n_bytes = sum(n * width * 4 for n, width in tables) * (1 - 1 / cluster.n_workers) / (1 + half)
            found[f"{name}, {'float16' if half else 'float32'}"] = (
                statistics.median(seconds[2:]),
                statistics.median(processor[2:]),
                n_bytes / 1e6,
            )
    if cluster.worker == 0:
        print(json.dumps(found))


def exchange_of(n_workers):
    """Seconds, CPU seconds and megabytes received of each exchange, measured by some local workers."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(n_workers)]
    words = [sys.executable, __file__, "worker"]
    workers = [
        subprocess.Popen(words, env=worker_environment(addresses, number), stdout=subprocess.PIPE, text=True)
        for number in range(n_workers)
    ]
    outputs = [worker.communicate()[0] for worker in workers]
    return json.loads(outputs[0])


def grow():
    """Exchange of both tables by 2, 4 and 8 workers."""
    print(f"\nExchange of the rows of both fields, median of {REPEATS}: received by each worker")
    rates = {}
    for n_workers in (2, 4, 8):
        for name, (seconds, processor, megabytes) in exchange_of(n_workers).items():
            rates[n_workers, name] = megabytes / processor
            print(
                f"{n_workers} workers, {name}: {megabytes:.1f} MB in {seconds:.3f} s, the chief's CPU "
                f"{processor:.3f} s, {megabytes / processor:.0f} MB a CPU second",
                flush=True,
            )
    return rates


def billion(folder, rates):
    """What 10**9 ratings take on several machines, computed from rates measured here."""
    print("\n10^9 ratings x 128 on 8 machines of 16 cores, computed and not run, from the rates of this run")
    store = store_of(ml_1m, folder)
    estimator, used = MFRecommender(BILLION["dim"], **ALS), {}
    for n_sweeps in (1, 1, 6):  # the first fit loads TensorFlow and traces its graphs
        started = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            estimator.set_params(max_iter=n_sweeps).fit(store)
        used[n_sweeps] = time.process_time() - started
    seconds = (used[6] - used[1]) / 5
    rate = store.n_ratings / max(seconds, 1e-9)
    rows, machines, cores = BILLION["users"] + BILLION["items"], BILLION["machines"], BILLION["cores"]
    table = rows * (BILLION["dim"] + 3) * 4 / 1e9
    received = table * (1 - 1 / machines)
    print(f"one sweep of ML-1M, 128: {seconds:.2f} CPU s, {rate / 1e6:.2f} M ratings a core and second")
    compute = 1e9 / (rate * machines * cores)
    print(f"compute of a sweep: {compute:.1f} s, at 60 % efficiency {compute / 0.6:.1f} s")
    print(f"rows of both fields: {table:.1f} GB; received a sweep and machine: {received:.1f} GB")
    for name, per_second in (
        ("at 10 Gbit/s", 1250.0),
        ("float32, at the MB a CPU second of 2 local workers", rates.get((2, "20 M, 64, float32"))),
        ("float16, at the MB a CPU second of 2 local workers", rates.get((2, "20 M, 64, float16"))),
    ):
        if per_second is not None:
            share = 0.5 if "float16" in name else 1.0
            seconds = share * received * 1e3 / per_second
            print(f"exchange of a sweep {name} ({per_second:.0f} MB/s): {seconds:.0f} s")


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["same", "killed", "exchange", "billion"]
    if chosen == ["worker"]:
        measure_exchange()
        sys.exit()
    print(environment())
    with tempfile.TemporaryDirectory() as scratch:
        if "same" in chosen:
            compare(scratch)
        if "killed" in chosen:
            kill_and_restart(scratch)
        measured = grow() if "exchange" in chosen else {}
        if "billion" in chosen:
            billion(scratch, measured)
