"""Read tables of users and items as numbered pairs and ranked lists."""

from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from sklearn_mf.ratings._columns import read_id_column, short_repr
from sklearn_mf.ratings._frames import as_table
from sklearn_mf.ratings._vocabulary import Vocabulary

# One column of a user's table.
Column = pd.Series | NDArray[np.generic]
# Types that `infer_dtype` gives to ids that compare as numbers.
_NUMBERS = ("integer", "floating", "mixed-integer-float", "boolean", "decimal")


class Pairs(NamedTuple):
    """Rows of users and items as codes.

    Parameters
    ----------
    users, items : Vocabulary
        Distinct ids.
    user_codes, item_codes : ndarray of shape (n_pairs,), integer
        Row number of each id in its vocabulary.
    """

    users: Vocabulary
    items: Vocabulary
    user_codes: NDArray[np.integer]
    item_codes: NDArray[np.integer]

    @property
    def keys(self) -> NDArray[np.int64]:
        """One number for each pair, (n_pairs,)."""
        return self.user_codes.astype(np.int64) * len(self.items.ids) + self.item_codes

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Self:
        """The pairs of these rows, with the same vocabularies."""
        return self._replace(user_codes=self.user_codes[rows], item_codes=self.item_codes[rows])


class Lists(NamedTuple):
    """Recommended items, one list after the other, best first.

    Parameters
    ----------
    pairs : Pairs
        Users and items; the user codes rise.
    ranks : ndarray of shape (n_pairs,), integer
        Rank in the list of the user, from 1.
    """

    pairs: Pairs
    ranks: NDArray[np.integer]


def read_lists(recommended: ArrayLike, k: int, label: str = "recommended") -> Lists:
    """The first k items of each user, by the column "rank" if there is one, else in the order of the rows."""
    table = as_table(recommended)
    is_frame = isinstance(table, pd.DataFrame)
    pairs = read_pairs(read_columns(table, label, None if is_frame else 2), label)
    _check_distinct(pairs, label)
    if is_frame and "rank" in table.columns:
        order = np.lexsort((_numbers(table["rank"], "rank"), pairs.user_codes))
    else:
        order = np.argsort(pairs.user_codes, kind="stable")
    ranks = ranks_within(pairs.user_codes[order])
    return Lists(pairs.take(order[ranks <= k]), ranks[ranks <= k])


def read_relevant(relevant: ArrayLike) -> tuple[Pairs, list[Column]]:
    """At least one relevant pair, each once, and the columns of the table, perhaps with gains."""
    columns = read_columns(relevant, "relevant", 3)
    pairs = read_pairs(columns, "relevant")
    if not len(pairs.user_codes):
        raise ValueError("relevant has no rows: a mean needs at least one user with a relevant item.")
    _check_distinct(pairs, "relevant")
    return pairs, columns


def read_gains(column: Column) -> NDArray[np.float64]:
    """Finite gains above 0, (n_relevant,)."""
    gains = _numbers(column, "gain")
    if gains.min() <= 0:
        row = int(np.argmin(gains))
        raise ValueError(
            f"Gains must be above 0, got {gains[row]:g} in row {row} of relevant: leave out what is not "
            "relevant."
        )
    return gains


def read_columns(table: object, label: str, most: int | None) -> list[Column]:
    """Columns of a table that has at least two and, unless None, at most `most`."""
    table = as_table(table)
    shape = tuple(getattr(table, "shape", ()))
    if len(shape) != 2 or not 2 <= shape[1] <= (most or shape[1]):
        got = f"shape {shape}" if shape else short_repr(table)
        more = {None: ", and more columns", 2: "", 3: ", and perhaps one column more"}[most]
        raise ValueError(f"{label} must be a table of users and items{more}, one row a pair, got {got}.")
    if isinstance(table, pd.DataFrame):
        return [table.iloc[:, place] for place in range(shape[1])]
    return list(np.asarray(table).T)


def read_pairs(columns: list[Column], label: str) -> Pairs:
    """Codes of the users and items in the first two columns; other columns are ignored."""
    (users, user_codes, _), (items, item_codes, _) = (
        Vocabulary.learn(*read_id_column(column, f"{what} column of {label}"))
        for what, column in zip(("User", "Item"), columns[:2], strict=True)
    )
    return Pairs(users, items, user_codes, item_codes)


def _check_distinct(pairs: Pairs, label: str) -> None:
    repeated = pd.Index(pairs.keys).duplicated()
    if repeated.any():
        row = int(np.argmax(repeated))
        user = short_repr(pairs.users.ids[pairs.user_codes[row]])
        item = short_repr(pairs.items.ids[pairs.item_codes[row]])
        raise ValueError(
            f"{label} has user {user} with item {item} more than once, again in row {row}: keep one row for "
            "each pair."
        )


def codes_among(known: Vocabulary, ids: NDArray[np.generic], what: str) -> NDArray[np.intp]:
    """Codes of ids (n,), -1 for unknown ids; an error if all are unknown since the types differ."""
    codes = known.codes(ids)
    if len(ids) and len(known.ids) and (codes < 0).all():
        kinds = _kind(known.ids), _kind(ids)
        if kinds[0] != kinds[1] and not any(kind.startswith("mixed") for kind in kinds):
            raise ValueError(
                f"{what} come in two types, {short_repr(known.ids[0])} and {short_repr(ids[0])}, and "
                "none is in both: convert one side."
            )
    return codes


def ranks_within(groups: NDArray[np.integer]) -> NDArray[np.integer]:
    """Rank of each row among the rows of its group, from 1 in the order of the rows, (n,) -> (n,)."""
    return pd.Series(groups).groupby(groups).cumcount().to_numpy() + 1


def _numbers(column: Column, name: str) -> NDArray[np.float64]:
    return check_array(column, ensure_2d=False, dtype=np.float64, ensure_min_samples=0, input_name=name)


def _kind(ids: NDArray[np.generic]) -> str:
    kind = str(pd.api.types.infer_dtype(ids, skipna=False))
    return "number" if kind in _NUMBERS else kind
