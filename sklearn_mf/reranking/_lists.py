"""Tables of recommend, sorted by user and rank."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.ratings._columns import IdColumn, read_id_column, short_repr
from sklearn_mf.ratings._frames import as_table
from sklearn_mf.retrieval._pairs import ranks_within


class RankedTable(NamedTuple):
    """Lists of all users, one after another, best first.

    Parameters
    ----------
    table : DataFrame of shape (n_rows, n_columns)
        Its first two columns are users and items. Users are in the order in which they first appear.
    users : ndarray of shape (n_rows,), int32
        Number of the user of each row, rising from 0.
    items : IdColumn
        Items of the rows.
    """

    table: pd.DataFrame
    users: NDArray[np.int32]
    items: IdColumn

    def take(self, rows: NDArray[np.integer]) -> pd.DataFrame:
        """Table of some rows, those of a user side by side, with ranks from 1 in this order."""
        taken = self.table.iloc[rows].reset_index(drop=True)
        return taken.assign(rank=ranks_within(self.users[rows]))


def read_ranked(table: object, *needed: str) -> RankedTable:
    """Check a table of recommend, with the column "rank" and other needed ones, and sort it."""
    frame = as_table(table)
    missing = [name for name in ("rank", *needed) if name not in getattr(frame, "columns", ())]
    if not isinstance(frame, pd.DataFrame) or missing or "rank" in frame.columns[:2]:
        got = list(frame.columns) if isinstance(frame, pd.DataFrame) else short_repr(table)
        names = " and ".join(map(repr, ("rank", *needed)))
        raise ValueError(
            f"table must be a DataFrame of users, items and {names}, as recommend returns it, got {got}."
        )
    users = read_id_column(frame.iloc[:, 0], "User column of table")[0].numbers
    order = np.lexsort((frame["rank"].to_numpy(), users))
    frame = frame.iloc[order]
    items = read_id_column(frame.iloc[:, 1], "Item column of table")[0]
    return RankedTable(frame, users[order], items)
