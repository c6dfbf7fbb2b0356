"""What a splitter reads: the codes of ids, the order of time, the rows of each user."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.ratings._columns import IdColumn, is_polars, polars_column
from sklearn_mf.ratings._ratings import sorted_by
from sklearn_mf.ratings._validation import as_table, read_ids
from sklearn_mf.utils._sklearn_compat import _safe_indexing


def id_columns(X: Any, n_fields: int) -> list[IdColumn]:
    """Read the first columns of X as ids; what the others hold does not matter.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_columns)
        User first, item second.
    n_fields : int
        How many columns to read.

    Returns
    -------
    ids : list of IdColumn
        One for each of these columns.
    """
    first = _safe_indexing(X if hasattr(X, "shape") else as_table(X), slice(n_fields), axis=1)
    ids = read_ids(first).columns
    if len(ids) < n_fields:
        raise ValueError(f"X has {len(ids)} column: pass users in the first column and items in the second.")
    return ids


def id_codes(X: Any, n_fields: int) -> list[NDArray[np.int32]]:
    """Number the ids of the first columns of X in the order in which they first appear.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_columns)
        User first, item second.
    n_fields : int
        How many columns to number.

    Returns
    -------
    codes : list of ndarray of shape (n_samples,), int32
        One array for each of these columns.
    """
    return [column.numbers for column in id_columns(X, n_fields)]


def in_time(groups: Any, n_samples: int) -> NDArray[np.integer]:
    """Put rows in the order of their time, rows of one time in the order in which they stand.

    Parameters
    ----------
    groups : array-like of shape (n_samples,) or None
        Times: numbers, dates or text that sorts like them. None: rows stand in order.
    n_samples : int
        Number of rows.

    Returns
    -------
    rows : ndarray of shape (n_samples,), integer
        Earliest first.
    """
    if groups is None:
        return np.arange(n_samples, dtype=np.int32)
    times: pd.Series[Any] = pd.Series(polars_column(groups) if is_polars(groups) else groups, copy=False)
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
    """Put the numbers from 0 in random order.

    Parameters
    ----------
    n : int
        How many.
    random : RandomState
        To draw from.

    Returns
    -------
    numbers : ndarray of shape (n,), int32
        Each from 0 to n - 1 once.
    """
    return random.permutation(np.arange(n, dtype=np.int32))


def by_user(
    users: NDArray[np.int32], order: NDArray[np.integer]
) -> tuple[NDArray[np.integer], NDArray[np.int32]]:
    """Put the rows of each user side by side.

    Parameters
    ----------
    users : ndarray of shape (n_samples,), int32
        Codes, each from 0 to the largest at least once.
    order : ndarray of shape (n_samples,), integer
        All rows; those of one user stay in this order.

    Returns
    -------
    rows : ndarray of shape (n_samples,), integer
        The same rows, those of user 0 first.
    starts : ndarray of shape (n_users + 1,), int32
        First place of each user in `rows`, and the end of the last.
    """
    places, starts = sorted_by(users[order], int(users.max()) + 1)
    return order[places], starts
