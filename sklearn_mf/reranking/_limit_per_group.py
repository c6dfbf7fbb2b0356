"""Lists with few items of one group."""

from collections.abc import Mapping
from numbers import Integral

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.ratings._columns import read_id_column, short_repr
from sklearn_mf.ratings._frames import as_table
from sklearn_mf.ratings._vocabulary import Vocabulary
from sklearn_mf.reranking._lists import RankedTable, read_ranked
from sklearn_mf.retrieval._pairs import codes_among, ranks_within
from sklearn_mf.utils._sklearn_compat import Interval, validate_params


@validate_params(
    {
        "n": [Interval(Integral, 1, None, closed="left")],
        "most": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def limit_per_group(
    table: pd.DataFrame, groups: "Mapping | pd.Series | pd.DataFrame", n: int = 10, most: int = 2
) -> pd.DataFrame:
    """Limit the number of items of one group in each recommended list.

    Each list is read from the best item to the worst. An item is left out if the list already has `most`
    items of its group, such as an artist, a seller or a series. So recommend more items than you want to
    show, and pass the table.

    Parameters
    ----------
    table : DataFrame of shape (n_rows, n_columns)
        Lists as `recommend` returns them: users, items and "rank", and perhaps other columns.
    groups : dict, Series, or DataFrame of shape (n_items, 2)
        Group of each item: a dict from items to groups, a Series with the items as index, or a frame of items
        and groups. An item without a group, or with a missing one (None, NaN), is not limited.
    n : int, default=10
        Length of the new lists; shorter where too few items are left.
    most : int, default=2
        Most items of one group in a list.

    Returns
    -------
    table : DataFrame of shape (n_chosen, n_columns)
        The chosen rows with the same columns, in the order of the ranks, with ranks from 1.

    Raises
    ------
    ValueError
        If the table is not one of `recommend`, `groups` is none of the above or has an item more than once,
        or no item of the table has a group since the types of the ids differ.

    See Also
    --------
    diversify : Lists of items with different embeddings.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_mf.reranking import limit_per_group
    >>> table = pd.DataFrame({"user": "ann", "song": ["a", "b", "c", "d"], "rank": [1, 2, 3, 4]})
    >>> artists = {"a": "Abba", "b": "Abba", "c": "Abba", "d": "Cher"}
    >>> limit_per_group(table, artists, n=3, most=2)
      user song  rank
    0  ann    a     1
    1  ann    b     2
    2  ann    d     3
    """
    ranked = read_ranked(table)
    group = _group_of_rows(ranked, groups)
    keys = ranked.users.astype(np.int64) * (group.max(initial=0) + 2) + group + 1
    kept = (group < 0) | (ranks_within(keys) <= most)
    rows = np.flatnonzero(kept)
    return ranked.take(rows[ranks_within(ranked.users[rows]) <= n])


def _group_of_rows(ranked: RankedTable, groups: object) -> NDArray[np.intp]:
    """Number of the group of each row, (n_rows,), -1 for none."""
    items, names = _read_groups(groups)
    column, dtype = read_id_column(items, "Items of groups")
    if len(column.ids) < len(items):
        repeated = column.ids[np.argmax(np.bincount(column.numbers))]
        raise ValueError(
            f"groups has item {short_repr(repeated)} more than once: keep one group for each item."
        )
    vocabulary, codes, _ = Vocabulary.learn(column, dtype)
    numbers = np.append(np.empty(len(codes), dtype=np.intp), -1)  # the last for items without a group
    numbers[codes] = pd.factorize(names)[0]
    return numbers[codes_among(vocabulary, ranked.items.ids, "Items of table and groups")].take(
        ranked.items.numbers
    )


def _read_groups(groups: object) -> tuple[pd.Series, pd.Series]:
    """Items, each once, and their groups, (n_items,), (n_items,)."""
    table = pd.Series(dict(groups), dtype=object) if isinstance(groups, Mapping) else as_table(groups)
    if isinstance(table, pd.Series):
        return pd.Series(table.index), table
    if isinstance(table, pd.DataFrame) and table.shape[1] == 2:
        return table.iloc[:, 0], table.iloc[:, 1]
    raise ValueError(
        "groups must be a dict or Series from items to groups, or a frame of the two columns item and group, "
        f"got {short_repr(groups)}."
    )
