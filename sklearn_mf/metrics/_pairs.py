"""Tables of users and items become numbered pairs and ranked lists, or an error that says why not."""

from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_array

from sklearn_mf.ratings._columns import read_id_column, short_repr
from sklearn_mf.ratings._validation import as_table
from sklearn_mf.ratings._vocabulary import Vocabulary

_NUMBERS = ("integer", "floating", "mixed-integer-float", "boolean", "decimal")


class Pairs(NamedTuple):
    """Rows of users and items, numbered.

    Parameters
    ----------
    users, items : Vocabulary
        The distinct ids.
    user_codes, item_codes : ndarray of shape (n_pairs,), integer
        Row of each id among them.
    """

    users: Vocabulary
    items: Vocabulary
    user_codes: NDArray[np.integer]
    item_codes: NDArray[np.integer]

    @property
    def keys(self) -> NDArray[np.int64]:
        """One number for each pair: ndarray of shape (n_pairs,)."""
        return self.user_codes.astype(np.int64) * len(self.items.ids) + self.item_codes

    def take(self, rows: NDArray[Any]) -> Self:
        """Keep some of the pairs.

        Parameters
        ----------
        rows : ndarray of shape (n_kept,) or (n_pairs,), integer or bool
            Which ones.

        Returns
        -------
        pairs : Pairs
            These, over the same ids.
        """
        return self._replace(user_codes=self.user_codes[rows], item_codes=self.item_codes[rows])


class Lists(NamedTuple):
    """Recommended items, list after list, best first.

    Parameters
    ----------
    pairs : Pairs
        Users and items; users rise.
    ranks : ndarray of shape (n_pairs,), intp
        1 for the first of each user.
    """

    pairs: Pairs
    ranks: NDArray[np.intp]


def read_lists(recommended: Any, k: int) -> Lists:
    """Read what is recommended.

    Parameters
    ----------
    recommended : DataFrame with at least two columns, or array-like of shape (n_recommended, 2)
        Users and items, in the order of the column "rank" where there is one, else in that of the rows.
    k : int
        Items of each list to keep.

    Returns
    -------
    lists : Lists
        The first k items of each user.
    """
    table = as_table(recommended)
    is_frame = isinstance(table, pd.DataFrame)
    pairs = read_pairs(read_columns(table, "recommended", None if is_frame else 2), "recommended")
    check_distinct(pairs, "recommended")
    if is_frame and "rank" in table.columns:
        order = np.lexsort((_numbers(table["rank"], "rank"), pairs.user_codes))
    else:
        order = np.argsort(pairs.user_codes, kind="stable")
    ranks = places_in_runs(pairs.user_codes[order])
    return Lists(pairs.take(order[ranks <= k]), ranks[ranks <= k])


def read_relevant(relevant: Any) -> tuple[Pairs, list[Any]]:
    """Read what is relevant.

    Parameters
    ----------
    relevant : DataFrame or array-like of shape (n_relevant, 2) or (n_relevant, 3)
        Users, items and perhaps gains.

    Returns
    -------
    pairs : Pairs
        Each once, at least one.
    columns : list of Series or ndarray of shape (n_relevant,)
        The table's own.
    """
    columns = read_columns(relevant, "relevant", 3)
    pairs = read_pairs(columns, "relevant")
    if not len(pairs.user_codes):
        raise ValueError("relevant has no rows: a mean needs at least one user with a relevant item.")
    check_distinct(pairs, "relevant")
    return pairs, columns


def read_gains(gains: Any) -> NDArray[np.float64]:
    """Read what relevant items are worth.

    Parameters
    ----------
    gains : Series or ndarray of shape (n_relevant,)
        Numbers.

    Returns
    -------
    gains : ndarray of shape (n_relevant,), float64
        Finite and above 0.
    """
    gains = _numbers(gains, "gain")
    if gains.min() <= 0:
        row = int(np.argmin(gains))
        raise ValueError(
            f"Gains must be above 0, got {gains[row]:g} in row {row} of relevant: leave out what is not "
            "relevant."
        )
    return gains


def read_columns(table: Any, label: str, most: int | None) -> list[Any]:
    """Take a table apart.

    Parameters
    ----------
    table : DataFrame or array-like of shape (n_rows, n_columns)
        At least two columns.
    label : str
        What to call it in an error.
    most : int or None
        How many columns it may have; None is any number.

    Returns
    -------
    columns : list of Series or ndarray of shape (n_rows,)
        One for each column.
    """
    table = as_table(table)
    shape = tuple(getattr(table, "shape", ()))
    if len(shape) != 2 or not 2 <= shape[1] <= (most or shape[1]):
        got = f"shape {shape}" if shape else short_repr(table)
        more = {None: ", and more columns", 2: "", 3: ", and perhaps one column more"}[most]
        raise ValueError(f"{label} must be a table of users and items{more}, one row a pair, got {got}.")
    return [table.iloc[:, place] if hasattr(table, "iloc") else table[:, place] for place in range(shape[1])]


def read_pairs(columns: list[Any], label: str) -> Pairs:
    """Number the ids of users and items.

    Parameters
    ----------
    columns : list of Series or ndarray of shape (n_rows,)
        Users, items, and anything.
    label : str
        What to call the table in an error.

    Returns
    -------
    pairs : Pairs
        One for each row.
    """
    learnt = [
        Vocabulary.learn(*read_id_column(column, f"{what} column of {label}"))
        for what, column in zip(("User", "Item"), columns[:2], strict=True)
    ]
    (users, user_codes, _), (items, item_codes, _) = learnt
    return Pairs(users, items, user_codes, item_codes)


def check_distinct(pairs: Pairs, label: str) -> None:
    """Refuse pairs that stand more than once.

    Parameters
    ----------
    pairs : Pairs
        Users and items.
    label : str
        What to call them in the error.
    """
    repeated = pd.Index(pairs.keys).duplicated()
    if repeated.any():
        row = int(np.argmax(repeated))
        user = short_repr(pairs.users.ids[pairs.user_codes[row]])
        item = short_repr(pairs.items.ids[pairs.item_codes[row]])
        raise ValueError(
            f"{label} has user {user} with item {item} more than once, again in row {row}: keep one row for "
            "each pair."
        )


def codes_among(known: Vocabulary, ids: NDArray[Any], what: str) -> NDArray[np.intp]:
    """Look ids up, and refuse those that could never be found because they are of another type.

    Parameters
    ----------
    known : Vocabulary
        Where to look.
    ids : ndarray of shape (n,)
        What to look up.
    what : str
        What to call both sides in the error.

    Returns
    -------
    codes : ndarray of shape (n,), intp
        Row of each id, -1 for an unknown one.
    """
    codes = known.codes(ids)
    if len(ids) and len(known.ids) and (codes < 0).all():
        kinds = _kind(known.ids), _kind(ids)
        if kinds[0] != kinds[1] and not any(kind.startswith("mixed") for kind in kinds):
            raise ValueError(
                f"{what} come in two types, {short_repr(known.ids[0])} and {short_repr(ids[0])}, and "
                "none is in both: convert one side."
            )
    return codes


def places_in_runs(numbers: NDArray[np.integer]) -> NDArray[np.intp]:
    """Count 1, 2, ... through each run of equal numbers.

    Parameters
    ----------
    numbers : ndarray of shape (n,), integer
        Equal ones stand together.

    Returns
    -------
    places : ndarray of shape (n,), intp
        1 where a run begins.
    """
    starts = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)])
    return np.arange(len(numbers)) - np.repeat(starts, np.diff(np.append(starts, len(numbers)))) + 1


def _numbers(column: Any, name: str) -> NDArray[np.float64]:
    return check_array(column, ensure_2d=False, dtype=np.float64, ensure_min_samples=0, input_name=name)


def _kind(ids: NDArray[Any]) -> str:
    kind = str(pd.api.types.infer_dtype(ids, skipna=False))
    return "number" if kind in _NUMBERS else kind
