"""Fits from a ratings store beside fits of the same rows in memory: CPU a pass, anonymous memory, J.

    python docs/benchmarks/store.py make FOLDER [--rows 50000000]
    python docs/benchmarks/out_of_core.py FOLDER [--cases als gibbs sgd default] [--passes 3] [--dim 64]

Each fit runs in a fresh process with two threads, the two of a case in turn. CPU seconds a pass are those of
the last pass, so that compiling counts in neither. Memory is the peak of anonymous memory during fit above
that of the process with TensorFlow loaded and a small fit behind it; for the fit in memory, the columns that
the user holds (16 bytes a rating) are counted apart. The store is prepared once, beside FOLDER. Linux.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "2")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")

import numpy as np
import pyarrow.dataset as ds

from sklearn_mf import BayesianMFRecommender, MFRecommender, RatingsStore, prepare_ratings

OBSERVED = {"unobserved_weight": 0, "random_state": 0}


def estimators(dim: int, passes: int) -> dict[str, Any]:
    """The recommender of each case."""
    chain = {"burn_in": 1, "n_samples": 2, "implicit_features": 0, "random_state": 0}
    return {
        "als": MFRecommender(dim, solver="als", max_iter=passes, **OBSERVED),
        "gibbs": BayesianMFRecommender(dim, max_iter=passes, **chain),
        "sgd": MFRecommender(dim, solver="sgd", max_iter=passes, **OBSERVED),
        "default": MFRecommender(dim, max_iter=passes, random_state=0),
    }


class PassTimes:
    """Callback that notes the CPU seconds of the process at the end of each pass."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def setup(self, estimator: object, context: object) -> None:
        """Do nothing."""

    def teardown(self, estimator: object, context: object) -> None:
        """Do nothing."""

    def on_fit_task_begin(self, estimator: object, context: object) -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: object, context: Any) -> None:
        """Note the time."""
        if context.task_name != "fit":
            self.ends.append(time.process_time())


class AnonymousPeak(threading.Thread):
    """Samples the anonymous memory of the process, in MB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.done = 0.0, threading.Event()

    def run(self) -> None:
        """Sample until told to stop."""
        while not self.done.wait(0.02):
            self.peak = max(self.peak, anonymous_mb())

    def stop(self) -> float:
        """Peak."""
        self.done.set()
        self.join()
        return self.peak


def anonymous_mb() -> float:
    """Anonymous memory of this process."""
    return int(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def fit(case: str, source: Path, from_store: bool, dim: int, passes: int) -> dict[str, float]:
    """Figures of one fit in this process."""
    warnings.simplefilter("ignore")  # chains of few sweeps
    rng = np.random.default_rng(0)
    small = rng.integers(0, 50, (500, 2)), rng.integers(1, 6, 500)
    estimators(dim, 1)[case].fit(*small)  # loads TensorFlow and compiles what can be compiled
    base = anonymous_mb()
    X: Any = RatingsStore(store_of(source)) if from_store else ds.dataset(source).to_table().to_pandas()
    columns, times, peak = anonymous_mb() - base, PassTimes(), AnonymousPeak()
    peak.start()
    started = time.process_time()
    model = estimators(dim, passes)[case].set_callbacks(times).fit(X)
    total = time.process_time() - started
    curve = getattr(model, "loss_curve_", None) or model.log_likelihood_curve_
    return {
        "pass_cpu": times.ends[-1] - times.ends[-2],
        "fit_cpu": total,
        "added_mb": peak.stop() - base - (0 if from_store else columns),
        "columns_mb": 0.0 if from_store else columns,
        "seen_mb": model._seen_items.nbytes / 2**20,
        "end": curve[-1],
        "bits": zlib.crc32(b"".join(rows.tobytes() for rows in model.embeddings_)),
    }


def store_of(source: Path) -> Path:
    """Where the store of a folder of shards lies."""
    return source.with_name(f"{source.name}-store")


def measure(case: str, source: Path, from_store: bool, dim: int, passes: int) -> dict[str, float]:
    """Figures of one fit in a fresh process."""
    task = [case, "store" if from_store else "memory", str(source), str(dim), str(passes)]
    run = subprocess.run([sys.executable, __file__, "--task", *task], capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    figures: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return figures


def report(case: str, source: Path, dim: int, passes: int, write: Callable[[str], None]) -> None:
    """Both fits of a case, and their ratios."""
    memory, store = (measure(case, source, from_store, dim, passes) for from_store in (False, True))
    for name, figures in (("memory", memory), ("store", store)):
        columns = f" + {figures['columns_mb']:.0f} MB of columns" if figures["columns_mb"] else ""
        write(
            f"{case}, {name}: {figures['pass_cpu']:.1f} s of CPU a pass, {figures['fit_cpu']:.1f} s in all, "
            f"{figures['added_mb']:.0f} MB{columns}, the model keeps {figures['seen_mb']:.0f} MB of seen items, "
            f"objective {figures['end']:.8g}"
        )
    bits = "the same bits" if memory["bits"] == store["bits"] else "other bits"
    change = abs(store["end"] - memory["end"]) / abs(memory["end"])
    ratio = store["pass_cpu"] / memory["pass_cpu"]
    write(f"{case}: CPU a pass {ratio:.2f} x, objective differs by {change:.1e} of itself, {bits}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--cases", nargs="+", choices=estimators(1, 1), default=list(estimators(1, 1)))
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--task", nargs=5, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.task:
        case, where, source, dim, passes = chosen.task
        print(json.dumps(fit(case, Path(source), where == "store", int(dim), int(passes))))
        return
    if not store_of(chosen.folder).exists():
        prepare_ratings(ds.dataset(chosen.folder), store_of(chosen.folder))
    print(repr(RatingsStore(store_of(chosen.folder))), f"dim {chosen.dim}, {chosen.passes} passes")
    for case in chosen.cases:
        report(case, chosen.folder, chosen.dim, chosen.passes, lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
