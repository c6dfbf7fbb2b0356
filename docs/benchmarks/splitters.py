"""Seconds and peak memory of the splitters on 20 M ratings, above the columns themselves. Linux.

    python docs/benchmarks/splitters.py [--ratings 20000000]

Users and items are random whole numbers with a popularity skew, 150 ratings a user and 750 an item on
average, and time is a random int64. Seconds and memory are until the first split is there, two arrays of row
numbers; the seconds of the others follow. CPU seconds stand beside, which other programs on the machine
disturb less. The last table has nothing but rare ids, two or three ratings each.
"""

import argparse
from time import process_time

import numpy as np
import pandas as pd
from data import environment
from measuring import Watch, shape

from sklearn_mf.model_selection import ColdUserSplit, LeaveLastOut, PerUserKFold, TemporalSplit, WarmKFold

SKEW = 0.5
TIMED = (LeaveLastOut(), TemporalSplit(), ColdUserSplit(given=5, random_state=0))
UNTIMED = (
    PerUserKFold(random_state=0),
    PerUserKFold(shuffle=False),
    *TIMED,
    ColdUserSplit(random_state=0),
    WarmKFold(random_state=0),
    WarmKFold(2, random_state=0),
)


def skewed(rng: np.random.Generator, n_ids: int, n: int) -> np.ndarray:
    """Ids of which the r-th most frequent one occurs in proportion to r ** -SKEW, shape (n,), int64."""
    ranks = n_ids * rng.random(n) ** (1 / (1 - SKEW))
    return rng.permutation(n_ids)[ranks.astype(np.int64)]


def table(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Ratings of which some users and items have thousands."""
    n_users, n_items = shape(n)
    return pd.DataFrame({"user": skewed(rng, n_users, n), "item": skewed(rng, n_items, n)})


def rare(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Ratings of which users have two and items three, in random order."""
    columns = {"user": rng.permutation(np.arange(n) // 2), "item": rng.permutation(np.arange(n) // 3)}
    return pd.DataFrame(columns)


def measure(cv, X: pd.DataFrame, time: np.ndarray | None = None) -> None:
    """Print a line for a splitter."""
    splits = cv.split(X, groups=time)
    start = process_time()
    with Watch() as first:
        split = next(splits)
    cpu = process_time() - start
    n_test, size = len(split[1]), sum(part.nbytes for part in split) / 2**20
    del split
    with Watch() as others:
        for _ in splits:
            pass
    name = f"{cv}{'' if time is None else ', time as groups'}"
    added = first.peak_mb - first.before_mb
    print(
        f"{name:67} {first.seconds:6.1f} s ({cpu:5.1f} s of CPU), {added:5.0f} MB of which {size:4.0f} MB "
        f"the split, {others.seconds:5.1f} s for the others, {n_test:10,d} tested first",
        flush=True,
    )


def main() -> None:
    """Measure each splitter."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ratings", type=int, default=20_000_000)
    n = parser.parse_args().ratings
    print(environment())
    rng = np.random.default_rng(0)
    X, time = table(rng, n), rng.integers(0, 2**40, n)
    print(f"{n:,d} ratings, {X.user.nunique():,d} users, {X.item.nunique():,d} items")
    for cv in UNTIMED:
        measure(cv, X)
    for cv in TIMED:
        measure(cv, X, time)
    X = rare(rng, n)
    print(f"{n:,d} ratings, {X.user.nunique():,d} users, {X.item.nunique():,d} items")
    for cv in (PerUserKFold(random_state=0), WarmKFold(random_state=0)):
        measure(cv, X)


if __name__ == "__main__":
    main()
