"""Searches over embeddings, and rankings as tables: free functions on arrays, vocabularies and rankings."""

from collections.abc import Hashable, Sequence
from numbers import Integral

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.ratings._seen_items import SeenItems
from sklearn_mf.retrieval._top_n import Cells, Excluded, Ranking, top_n, unit_rows

# Columns that the tables add to those of fit.
_RESERVED = ("neighbor", "rank", "score")
METRICS = ("cosine", "dot")


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


def excluded_cells(seen: SeenItems, users: NDArray[np.intp], items: NDArray[np.intp] | None) -> Excluded:
    """Cells that users have rated, in the form of `top_n`; columns are `items`, None for all items."""
    if items is None:
        return lambda block: seen.of_users(users[block])
    positions = np.full(seen.n_items, -1)
    positions[items] = np.arange(len(items))

    def among_items(block: slice) -> Cells:
        """Cells of a block, with the columns counted among the items."""
        rows, columns = seen.of_users(users[block])
        columns = positions[columns]
        return rows[columns >= 0], columns[columns >= 0]

    return among_items


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


def ranking_table(columns: dict[Hashable, pd.Series], ranking: Ranking) -> pd.DataFrame:
    """Table of columns of ids, (n_found,) each, followed by rank and score."""
    return pd.DataFrame({**columns, "rank": ranking.ranks, "score": ranking.scores})
