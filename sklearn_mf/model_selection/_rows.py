"""Input of splitters: codes of ids, the order of time, and the rows of each id."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sklearn_mf.ratings._columns import IdColumn
from sklearn_mf.ratings._frames import as_pandas, as_table
from sklearn_mf.ratings._ratings import sorted_by
from sklearn_mf.ratings._validation import read_ids
from sklearn_mf.utils._sklearn_compat import _safe_indexing


def id_columns(X: ArrayLike, n_fields: int) -> list[IdColumn]:
    """The first n_fields columns of X as ids; other columns are ignored."""
    first = _safe_indexing(as_table(X), slice(n_fields), axis=1)
    ids = read_ids(first).columns
    if len(ids) < n_fields:
        raise ValueError(f"X has {len(ids)} column: pass users in the first column and items in the second.")
    return ids


def id_codes(X: ArrayLike, n_fields: int) -> list[NDArray[np.int32]]:
    """Codes of the first n_fields columns of X, in the order of first appearance, (n_samples,) each."""
    return [column.numbers for column in id_columns(X, n_fields)]


def in_time(groups: ArrayLike | None, n_samples: int) -> NDArray[np.integer]:
    """Row numbers by time, earliest first; the order of the rows breaks ties, (n_samples,)."""
    if groups is None:
        return np.arange(n_samples, dtype=np.int32)
    times = pd.Series(as_pandas(groups), copy=False)
    if (missing := times.isna().to_numpy()).any():
        raise ValueError(
            f"groups contains a missing time (NaN, None or the like) in row {np.argmax(missing)}: "
            "drop such rows or give them a time."
        )
    try:
        return times.argsort(kind="stable").to_numpy()
    except TypeError as error:
        raise TypeError(f"groups must be times that can be put in order: {error}.") from error


def shuffled(n: int, random: np.random.RandomState) -> NDArray[np.int32]:
    """The numbers from 0 to n - 1 in random order, (n,)."""
    return random.permutation(np.arange(n, dtype=np.int32))


def by_id(
    ids: NDArray[np.int32], order: NDArray[np.integer]
) -> tuple[NDArray[np.integer], NDArray[np.int32]]:
    """Rows grouped by code and their starts, (n_samples,), (n_samples,) -> (n_samples,), (n_ids + 1,).

    The rows of an id keep the given order. Every code up to the largest one occurs.
    """
    places, starts = sorted_by(ids[order], int(ids.max()) + 1)
    return order[places], starts
