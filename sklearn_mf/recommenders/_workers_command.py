"""The command that fits a saved estimator as one worker, or starts all workers on this machine."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import joblib

from sklearn_mf.ratings._store import RatingsStore
from sklearn_mf.recommenders._several_machines import fit_on_workers
from sklearn_mf.solvers.distributed._cluster import Cluster

# Seconds that workers have to end after another one failed, and after they were told to end.
_AFTER_FAILURE, _AFTER_SIGNAL = 20.0, 2.0


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    options = _parser().parse_args(arguments)
    if options.workers is None:
        return _work(options)
    return _start_all(options.workers, _without_workers(sys.argv[1:] if arguments is None else arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sklearn_mf.distributed",
        description="Fit a recommender by several worker processes.",
        allow_abbrev=False,  # each worker would take `--worker 2` for its own, and start two more
    )
    add = parser.add_argument
    add("--workers", type=int, help="start so many workers here; else be the one that TF_CONFIG names")
    add("--store", required=True, help="folder that sklearn_mf.prepare_ratings made")
    add("--estimator", required=True, help="file with the estimator, written by joblib.dump")
    add("--output", required=True, help="file for the fitted estimator, written by the chief")
    add("--checkpoint", help="folder for checkpoints, from which the same command continues")
    add("--checkpoint-every", type=int, default=5, help="sweeps between checkpoints (default: 5)")
    add("--timeout", type=float, default=600.0, help="most seconds of a step (default: 600)")
    add("--exchange-dtype", choices=["float32", "float16"], default="float32", help="type of rows on the way")
    return parser


def _work(options: argparse.Namespace) -> int:
    """Be one worker."""
    estimator = joblib.load(options.estimator)
    try:
        fit_on_workers(
            estimator,
            RatingsStore(options.store),
            options.checkpoint,
            options.checkpoint_every,
            options.timeout,
            options.exchange_dtype,
        )
    except (ValueError, TypeError, RuntimeError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 1
    if Cluster.of(os.environ).worker == 0:
        unfinished = Path(f"{options.output}.unfinished")
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        joblib.dump(estimator, unfinished)
        unfinished.replace(options.output)
    return 0


def _without_workers(arguments: Sequence[str]) -> list[str]:
    """The arguments without `--workers` and its number."""
    kept, skip = [], False
    for argument in arguments:
        if not skip and not argument.startswith("--workers"):
            kept.append(argument)
        skip = argument == "--workers"
    return kept


def _start_all(n_workers: int, arguments: list[str]) -> int:
    """Start all workers on this machine, and wait for them."""
    if n_workers < 1:
        raise SystemExit(f"--workers must be at least 1, got {n_workers}.")
    command = [sys.executable, "-m", "sklearn_mf.distributed", *arguments]
    addresses = [f"127.0.0.1:{port}" for port in free_ports(n_workers)]
    signal.signal(signal.SIGTERM, _interrupt)
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows; ignored under nohup
    if hangup is not None and signal.getsignal(hangup) == signal.SIG_DFL:
        signal.signal(hangup, _interrupt)
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(n_workers):
            # In a session of their own they do not get the Ctrl-C of the terminal, which TensorFlow ignores.
            environment = worker_environment(addresses, number)
            workers.append(subprocess.Popen(command, env=environment, start_new_session=True))
        return _wait(workers)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        _end(workers)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def free_ports(n: int) -> list[int]:
    """Ports of this machine that no program uses."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def worker_environment(addresses: list[str], worker: int) -> dict[str, str]:
    """Environment of a worker: its place among the others, and its share of the cores."""
    task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": worker}}
    n_threads = str(max((os.cpu_count() or 1) // len(addresses), 1))
    defaults = {
        "TF_NUM_INTRAOP_THREADS": n_threads,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }
    return {**defaults, **os.environ, "TF_CONFIG": json.dumps(task)}


def _wait(workers: list["subprocess.Popen[bytes]"]) -> int:
    """Wait for all workers; the status of the first that failed, which the others learn by themselves."""
    deadline, status = float("inf"), 0
    while time.monotonic() < deadline:
        codes = [worker.poll() for worker in workers]
        failed = [code for code in codes if code]
        if failed and not status:
            deadline = time.monotonic() + _AFTER_FAILURE
            status = failed[0] if failed[0] > 0 else 128 - failed[0]
        if None not in codes:
            break
        time.sleep(0.05)
    return status


def _end(workers: list["subprocess.Popen[bytes]"]) -> None:
    """End the workers that still run."""
    deadline = time.monotonic() + _AFTER_SIGNAL
    for worker in workers:
        worker.terminate()
    while time.monotonic() < deadline and any(worker.poll() is None for worker in workers):
        time.sleep(0.05)
    for worker in workers:
        worker.kill()
        worker.wait()
