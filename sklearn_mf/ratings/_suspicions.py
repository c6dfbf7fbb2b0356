"""Input that is valid but probably not meant: warnings, and a hint for an error."""

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_mf.ratings._columns import Column, IdColumn, short_repr
from sklearn_mf.utils._warnings import warn_user

# Whole numbers look like counts if the largest is more than 100 times the median of those above 0. No scale
# from 1 to 100 is like that. Prices may be, and squared error is as wrong for them.
_MOST_TIMES_MEDIAN = 100
# Powers of ten in which values lie. A scale of 1 to 5 with a mistyped 999 fills two.
_FEWEST_POWERS = 3
# Ratings that are compared at a time: bounds the memory.
_CHUNK = 2**20
# 1990 to 2100 in seconds since 1970.
_UNIX_SECONDS = 631_152_000, 4_102_444_800
_TIME_WORDS = {"time", "timestamp", "datetime", "date", "day", "ts", "when", "year"}


def warn_of_third_column(ids: list[IdColumn], targets: NDArray[np.float64]) -> None:
    """Warn where the third of three id columns equals the ratings."""
    numbers = len(ids) == 3 and ids[2].ids.dtype.kind in "iufO"
    if numbers and len(targets) > 1 and np.array_equal(ids[2].rows, targets):
        warn_user(
            "The third column of X equals y and is taken as ids: call fit(ratings) with one argument, "
            "or fit(X, y) with X the two id columns."
        )


def warn_of_implicit_feedback(targets: NDArray[np.float64], caller: str) -> None:
    """Warn where ratings are all equal or look like counts, (n,); `caller` is the estimator's name."""
    lowest, highest = targets.min(), targets.max()
    if len(targets) > 1 and lowest == highest:
        warn_user(
            f"All {len(targets)} ratings are {lowest:g}: {caller} learns from ratings that differ, so there "
            "is nothing to learn; if a row only says that a user chose an item, as a click does, use "
            "ImplicitMFRecommender."
        )
    elif _are_counts(targets):
        warn_user(
            f"The ratings are whole numbers from {lowest:g} to {highest:g} with median "
            f"{np.median(targets):g}, as counts are: {caller} fits ratings on a scale by squared error, "
            "which the largest counts dominate; fit their logarithms, np.log1p(y), or use "
            "ImplicitMFRecommender."
        )


def warn_if_all_unknown(
    codes: NDArray[np.integer], ids: NDArray[np.generic], known: NDArray[np.generic], label: str
) -> None:
    """Warn where no id (n,) is known, that is where all codes (n,) are -1: the type may differ."""
    if len(codes) and (codes < 0).all():
        warn_user(
            f"Every id of {label} is unknown, the first is {short_repr(ids[0])} "
            f"while fit saw {short_repr(known[0])} and others: if they are the same ids in another type, "
            "convert them."
        )


def time_column_hint(table: object, columns: dict[object, Column]) -> str:
    """Part of an error about too many columns: which one looks like a time, and how to drop it."""
    times = [name for name in columns if _is_named_time(name)] or [
        name for name, column in columns.items() if _holds_times(pd.Series(column, copy=False))
    ]
    kept = [name for name in columns if name not in times]
    if len(kept) != 3 or len(times) != 1:
        return ""
    if not hasattr(table, "columns"):
        advice = f"keep columns {kept[0]}, {kept[1]} and {kept[2]}"
    else:
        advice = f"pass ratings[{kept}]" if hasattr(table, "loc") else f"pass ratings.select({kept})"
    return f", where column {times[0]!r} looks like a time: drop it, {advice}"


def _are_counts(targets: NDArray[np.float64]) -> bool:
    """Whether ratings are whole, not negative, and spread over powers of ten with few large ones, (n,)."""
    largest = targets.max()
    if targets.min() < 0 or largest <= _MOST_TIMES_MEDIAN:
        return False
    powers: set[float] = set()
    n_small, n_positive = 0, 0
    for rows in gen_batches(len(targets), _CHUNK):
        part = targets[rows]
        if (part != np.floor(part)).any():
            return False
        positive = part[part > 0]
        powers.update(np.floor(np.log10(positive)).tolist())
        n_small += int((_MOST_TIMES_MEDIAN * positive < largest).sum())
        n_positive += len(positive)
    return len(powers) >= _FEWEST_POWERS and 2 * n_small > n_positive


def _is_named_time(name: object) -> bool:
    words = re.findall("[a-z]+", str(name).lower())
    return any(word in _TIME_WORDS or word.endswith(("time", "timestamp")) for word in words)


def _holds_times(column: pd.Series) -> bool:
    """Whether a column holds dates, text of dates, or seconds (or 10^-3, 10^-6, 10^-9 of one) since 1970."""
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind == "string":
        return all(re.match(r"\d{4}-\d\d-\d\d", text) is not None for text in column.dropna().head())
    if kind not in ("integer", "floating"):
        return kind in ("datetime", "datetime64", "date", "period")
    lowest, highest = column.min(), column.max()
    first, last = _UNIX_SECONDS
    return any(first * unit <= lowest and highest <= last * unit for unit in (1, 10**3, 10**6, 10**9))
