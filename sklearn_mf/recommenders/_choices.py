"""The items that recommend may show: candidates and exclude, for all users or row by row for each."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.ratings._columns import IdColumn, read_id_column, read_id_list
from sklearn_mf.ratings._frames import as_pandas, as_table
from sklearn_mf.ratings._seen_items import SeenItems
from sklearn_mf.ratings._suspicions import warn_if_all_unknown
from sklearn_mf.ratings._validation import Table, check_known
from sklearn_mf.ratings._vocabulary import Vocabulary
from sklearn_mf.recommenders._catalog import Catalog
from sklearn_mf.retrieval._tables import ListedItems, excluded_cells
from sklearn_mf.retrieval._top_n import Cells, Excluded

# Excluded items are left out as cells while they are less than 1 / 8 of all: the others need no copy.
_MOST_SHARE = 8


class Choices(NamedTuple):
    """Items to choose from, in the form of `top_n`.

    Parameters
    ----------
    items : ndarray of shape (n_candidates,), intp, or None
        Codes of the candidates of all users; None for all items.
    excluded : callable or None
        Cells to leave out, with columns counted among `items`.
    cells : tuple of two ndarray of shape (n_cells,), or None
        Where each user has candidates of their own: number of the user and code of the item, without those
        to leave out. `items` and `excluded` are None then.
    """

    items: NDArray[np.intp] | None
    excluded: Excluded
    cells: Cells | None


def read_choices(
    catalog: Catalog,
    ids: NDArray[np.generic],
    seen: list[ListedItems],
    candidates: object,
    exclude: object,
) -> Choices:
    """Read candidates and exclude for the users `ids`, (n_users,); `seen` items are left out as well."""
    table, banned_table = _pair_table(candidates), _pair_table(exclude)
    own = None if table is None else _read_pairs(catalog, table, ids, "candidates")
    excluded = list(seen)
    items = None
    if candidates is not None and own is None:
        items = np.unique(catalog.known_codes(1, candidates, "candidates"))
    if banned_table is not None:
        excluded.append(_read_pairs(catalog, banned_table, ids, "exclude"))
    elif exclude is not None:
        banned, n_items = _read_items(catalog, exclude), catalog.n_items
        if items is None and len(banned) * _MOST_SHARE < n_items:
            list_of_all = SeenItems(np.array([0, len(banned)]), banned, n_items)
            excluded.append((list_of_all, np.zeros(len(ids), dtype=np.intp)))
        else:
            items = np.setdiff1d(np.arange(n_items) if items is None else items, banned)
    if own is None:
        return Choices(items, excluded_cells(excluded, items), None)
    cells = _remaining(own, items, excluded_cells(excluded, None), catalog.n_items)
    return Choices(None, None, cells)


def _pair_table(value: object) -> Table | None:
    """The value as a table where it is a frame, an array of two dimensions or a list of lists; else None."""
    if pd.api.types.is_scalar(value):
        return None
    if isinstance(value, list):
        return as_table(value) if value and all(isinstance(row, list) for row in value) else None
    table = as_pandas(value)
    return table if isinstance(table, (pd.DataFrame, np.ndarray)) and table.ndim == 2 else None


def _read_pairs(catalog: Catalog, table: Table, ids: NDArray[np.generic], label: str) -> ListedItems:
    """Items of a table of users and items, by user; rows of other users than `ids` (n_users,) are left out.

    Unknown items raise in candidates and are left out in exclude.
    """
    users, items = _pair_columns(table, catalog, label)
    distinct, numbers, _ = Vocabulary.learn(IdColumn.of(ids), str(ids.dtype))
    rows, codes = distinct.codes(users.ids), catalog.vocabularies[1].codes(items.ids)
    if label == "candidates":
        check_known(codes, items.ids, label)
    _warn_of_other_types(catalog, users.ids, items.ids, rows, codes)
    rows, codes = rows.take(users.numbers), codes.take(items.numbers)
    kept = (rows >= 0) & (codes >= 0)
    size = len(distinct.ids), catalog.n_items
    return SeenItems.of_cells(rows[kept], codes[kept], *size), numbers.astype(np.intp)


def _pair_columns(table: Table, catalog: Catalog, label: str) -> tuple[IdColumn, IdColumn]:
    """Columns of users and items: those named as in fit where a frame has them, else the only two."""
    frame = pd.DataFrame(table) if isinstance(table, np.ndarray) else table
    if set(catalog.names) <= set(frame.columns):
        frame = frame[catalog.names]
    if frame.shape[1] != 2:
        raise ValueError(
            f"{label} must be a list of items, or a table of the two columns {catalog.names[0]!r} and "
            f"{catalog.names[1]!r}, got a table of {frame.shape[1]} columns: select the two."
        )
    users, items = (
        read_id_column(frame.iloc[:, place], f"{what} column of {label}")[0]
        for place, what in enumerate(("User", "Item"))
    )
    return users, items


def _warn_of_other_types(
    catalog: Catalog,
    users: NDArray[np.generic],
    items: NDArray[np.generic],
    rows: NDArray[np.intp],
    codes: NDArray[np.intp],
) -> None:
    """Warn where no item of a table is known, or no user is one of the query or of fit."""
    known_users, known_items = (vocabulary.ids for vocabulary in catalog.vocabularies)
    warn_if_all_unknown(codes, items, known_items, repr(catalog.names[1]))
    if (rows < 0).all():
        codes = catalog.vocabularies[0].codes(users)
        warn_if_all_unknown(codes, users, known_users, repr(catalog.names[0]))


def _read_items(catalog: Catalog, exclude: object) -> NDArray[np.intp]:
    """Codes of the known items of exclude."""
    vocabulary = catalog.vocabularies[1]
    ids = read_id_list(exclude, "exclude", vocabulary.ids)
    codes = vocabulary.codes(ids)
    warn_if_all_unknown(codes, ids, vocabulary.ids, repr(catalog.names[1]))
    return codes[codes >= 0]


def _remaining(own: ListedItems, items: NDArray[np.intp] | None, excluded: Excluded, n_items: int) -> Cells:
    """Cells (number of the user, item) of the users' own candidates, less other items and excluded cells."""
    listed, numbers = own
    rows, columns = listed.of_users(numbers)
    kept = np.ones(len(rows), dtype=bool) if items is None else np.isin(columns, items)
    if excluded is not None:
        out_rows, out_columns = excluded(slice(None))
        kept &= ~pd.Index(rows * n_items + columns).isin(out_rows * n_items + out_columns)
    return rows[kept], columns[kept]
