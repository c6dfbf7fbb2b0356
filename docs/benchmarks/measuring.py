"""What the cases of the suite share: ratings as columns, a stopwatch with peak memory, errors, one JSON line.

Runs in the environment of a rival too: needs NumPy and pandas alone.
"""

import argparse
import ctypes
import gc
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import data
import numpy as np
import pandas as pd

THREADS = int(os.environ.get("SKLEARN_MF_THREADS", "2"))
SETS = {"ml-1m": data.ml_1m, "ml-100k-u1": data.ml_100k}
FRACTIONS = (1 / 8, 1 / 4, 1 / 2, 3 / 4, 1, 3 / 2)  # of the best number of passes: the points of a curve
SIZES = {"1M": 1_000_000, "5M": 5_000_000, "20M": 20_000_000}
SCALE_DIMS = (16, 64, 128)
SCALE_PASSES = 5
N_TEST = 100_000  # rows beyond those of a size, to test on


@dataclass(frozen=True)
class Columns:
    """Codes (int32) and ratings (float32), each of shape (n_ratings,)."""

    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    n_users: int
    n_items: int

    def part(self, rows: slice) -> "Columns":
        """Some of the rows, on a copy."""
        arrays = (getattr(self, name)[rows].copy() for name in ("user", "item", "rating"))
        return Columns(*arrays, self.n_users, self.n_items)


def movielens(name: str) -> tuple[Columns, Columns]:
    """Train and test part of a data set, ids as codes over both."""
    parts = SETS[name]()
    codes = [np.unique(pd.concat(parts)[column], return_inverse=True) for column in data.PAIR]
    sizes = [len(ids) for ids, _ in codes]
    rating = pd.concat(parts)["rating"].to_numpy(np.float32)
    columns = Columns(*(code.astype(np.int32) for _, code in codes), rating, *sizes)
    n_train = len(parts[0])
    return columns.part(slice(n_train)), columns.part(slice(n_train, None))


def shape(n_ratings: int) -> tuple[int, int]:
    """Users and items of a size: 150 ratings a user and 750 an item on average, about as in MovieLens 20M."""
    return n_ratings // 150, n_ratings // 750


def scale_file(size: str) -> Path:
    """Where the synthetic ratings of a size lie: in SKLEARN_MF_SCRATCH, or below the temporary folder."""
    folder = os.environ.get("SKLEARN_MF_SCRATCH", Path(tempfile.gettempdir()) / "sklearn_mf_suite")
    return Path(folder) / f"{size}.npz"


def synthetic(size: str) -> tuple[Columns, Columns]:
    """Train and test part of the synthetic ratings of a size."""
    if not scale_file(size).exists():
        sys.exit(f"no ratings of size {size}: make them with python cases.py --make {size}")
    with np.load(scale_file(size)) as arrays:
        columns = Columns(arrays["user"], arrays["item"], arrays["rating"], *shape(SIZES[size]))
    return columns.part(slice(SIZES[size])), columns.part(slice(SIZES[size], None))


def resident_mb(kind: str = "VmRSS") -> float:
    """Resident memory of this process; the most since the last reset with "VmHWM". Linux, elsewhere NaN."""
    status = Path("/proc/self/status")
    return int(re.search(rf"{kind}:\s+(\d+)", status.read_text())[1]) / 1024 if status.exists() else np.nan


def give_memory_back() -> None:
    """Free what is not in use, so that it does not hide what comes after."""
    gc.collect()
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), "malloc_trim", int)(0)


class Watch:
    """Seconds of a block, and its peak of resident memory beside what was resident before it."""

    def __enter__(self) -> Self:
        give_memory_back()
        self.earlier_peak_mb = resident_mb("VmHWM")
        reset = Path("/proc/self/clear_refs")
        if reset.exists():
            reset.write_text("5")  # resets the high-water mark
        self.before_mb, self.start = resident_mb(), time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.perf_counter() - self.start
        self.peak_mb = resident_mb("VmHWM")

    def figures(self) -> dict[str, float]:
        """For the JSON line."""
        return {
            "fit_s": float(f"{self.seconds:.4g}"),
            "peak_rss_mb": round(max(self.peak_mb, self.earlier_peak_mb)),
            "before_mb": round(self.before_mb),
            "fit_adds_mb": round(self.peak_mb - self.before_mb),
        }


def errors(predicted: np.ndarray, train: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """RMSE and MAE inside the range of the training ratings; their mean where there is no prediction."""
    predicted = np.asarray(predicted, np.float64)
    cold = ~np.isfinite(predicted)
    predicted = np.clip(np.where(cold, train.mean(dtype=np.float64), predicted), train.min(), train.max())
    error = predicted - test
    rmse, mae = np.sqrt(np.mean(error**2)), np.mean(np.abs(error))
    return {"rmse": round(float(rmse), 4), "mae": round(float(mae), 4), "n_cold": int(cold.sum())}


def points(passes: int) -> list[int]:
    """Numbers of passes of a time-to-RMSE curve whose best is known."""
    return sorted({max(1, round(share * passes)) for share in FRACTIONS})


@dataclass(frozen=True)
class Case:
    """One thing to measure in a process of its own."""

    name: str
    task: str  # explicit, serving, curve, scale
    peer: str
    package: str
    dataset: str
    run: Callable[..., dict[str, Any]]
    arguments: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def line(self) -> dict[str, Any]:
        """Run it; the fields of its JSON line."""
        about = {"case": self.name, "task": self.task, "dataset": self.dataset, "peer": self.peer}
        about["version"] = version(self.package)
        return {**about, **self.extra, **self.run(self.dataset, **self.arguments), "threads": THREADS}


def run_case(cases: list[Case], doc: str, make: Callable[[str], None] | None = None) -> None:
    """Command line of a file of cases: list them, run one of them."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--case", help="run this case and print its JSON line")
    if make:
        parser.add_argument("--make", choices=SIZES, help="write the synthetic ratings of a size")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(case.name for case in cases))
    if make and arguments.make:
        make(arguments.make)
    if arguments.case:
        case = {case.name: case for case in cases}[arguments.case]
        print("RESULT " + json.dumps(case.line()), flush=True)
