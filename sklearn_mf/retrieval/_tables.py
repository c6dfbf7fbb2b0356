"""Searches over embeddings, and rankings as tables: free functions on arrays, vocabularies and rankings."""

from collections.abc import Hashable, Sequence
from numbers import Integral

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.ratings._seen_items import SeenItems
from sklearn_mf.ratings._vocabulary import Values
from sklearn_mf.retrieval._top_n import Cells, Excluded, Ranking, top_n, unit_rows

# Columns that the tables add to those of fit.
_RESERVED = ("neighbor", "rank", "score")
METRICS = ("cosine", "dot")

# Items listed by user, and the row in this list of each user of a query, (n_users,); -1 for no row.
ListedItems = tuple[SeenItems, NDArray[np.intp]]


def check_length_of_lists(n: object) -> None:
    """Refuse a length of lists that is no whole number of at least 1."""
    if not isinstance(n, Integral) or isinstance(n, bool):
        raise TypeError(f"n must be a whole number, got {n!r}.")
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}.")


def check_names(names: Sequence[Hashable], method: str) -> None:
    """Refuse column names of fit that would stand twice in a table."""
    if taken := [name for name in names if name in _RESERVED or names.count(name) > 1]:
        raise ValueError(
            f"{method} makes a table with columns of its own, {', '.join(_RESERVED)}, where a column "
            f"{taken[0]!r} of X would stand twice: rename it before fit."
        )


def excluded_cells(listed: Sequence[ListedItems], items: NDArray[np.intp] | None) -> Excluded:
    """Cells of listed items, such as the rated ones, for `top_n`; columns are `items`, None for all items."""
    if not listed:
        return None
    positions = np.full(0 if items is None else listed[0][0].n_items, -1)
    if items is not None:
        positions[items] = np.arange(len(items))

    def cells_of(block: slice) -> Cells:
        """Cells of a block of users, with the columns counted among the items."""
        found = [each.of_users(users[block]) for each, users in listed]
        rows, columns = found[0] if len(found) == 1 else map(np.concatenate, zip(*found, strict=True))
        if items is None:
            return rows, columns
        columns = positions[columns]
        return rows[columns >= 0], columns[columns >= 0]

    return cells_of


def nearest(
    vectors: NDArray[np.floating], codes: NDArray[np.intp], n: int, metric: str, max_norm: float
) -> Ranking:
    """Rank all other rows of `vectors`, (n_ids, width), by cosine or inner product with the rows `codes`."""
    if metric == "cosine":
        vectors, max_norm = unit_rows(vectors), 1.0
    queries = vectors[codes].astype(np.float64)
    return top_n(
        queries, vectors, n, lambda block: (np.arange(len(codes[block])), codes[block]), max_norm=max_norm
    )


def ranking_table(columns: dict[Hashable, Values], ranking: Ranking) -> pd.DataFrame:
    """Table of columns of ids, (n_found,) each, followed by rank and score."""
    return pd.DataFrame({**columns, "rank": ranking.ranks, "score": ranking.scores})
