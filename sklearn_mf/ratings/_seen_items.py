"""The items that each user has rated."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sklearn_mf.ratings._ratings import Ratings

Cells = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows and columns


@dataclass(frozen=True)
class SeenItems:
    """Rated items of all users, one user after another, as the rows of a sparse matrix store them.

    Parameters
    ----------
    starts : ndarray of shape (n_users + 1,), integer
        First place of each user in `items`, and the end of the last.
    items : ndarray of shape (n_ratings,), integer
        Codes of the rated items; those of one user rise. The methods that make seen items store them in the
        smallest unsigned type.
    n_items : int
        Number of items.
    """

    starts: NDArray[np.integer]
    items: NDArray[np.integer]
    n_items: int

    @classmethod
    def of(cls, ratings: Ratings) -> Self:
        """Index merged ratings of two fields, which are sorted by user and item already."""
        starts = np.concatenate([[0], np.cumsum(ratings.counts(0))])
        return cls(starts, compact(ratings.codes[:, 1], ratings.n_ids[1]), ratings.n_ids[1])

    @classmethod
    def of_cells(
        cls, users: NDArray[np.integer], items: NDArray[np.integer], n_users: int, n_items: int
    ) -> Self:
        """Index cells (n_cells,), (n_cells,) in any order, which may repeat."""
        cells = np.ones(len(users), dtype=bool), (users, items)
        matrix = sp.csr_array(cells, shape=(n_users, n_items))
        return cls(matrix.indptr, compact(matrix.indices, n_items), n_items)

    def without(self, users: NDArray[np.bool_], items: NDArray[np.bool_]) -> "SeenItems":
        """The items of the users where the masks (n_users,), (n_items,) are False, with their new codes."""
        rows, columns = self.users(), self.items
        kept = ~(users[rows] | items[columns])
        row_codes, column_codes = np.cumsum(~users) - 1, np.cumsum(~items) - 1
        cells = row_codes[rows[kept]], column_codes[columns[kept]]
        return SeenItems.of_cells(*cells, int((~users).sum()), int((~items).sum()))

    def joined(self, older: "SeenItems", known_codes: list[NDArray[np.int32]]) -> "SeenItems":
        """Add the items of an earlier fit, whose users and items have the new codes `known_codes`."""
        users = np.concatenate([self.users(), known_codes[0][older.users()]])
        items = np.concatenate([self.items, known_codes[1][older.items]])
        return SeenItems.of_cells(users, items, len(self.starts) - 1, self.n_items)

    def users(self) -> NDArray[np.intp]:
        """Code of the user of each rating, (n_ratings,)."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def of_users(self, codes: NDArray[np.integer]) -> Cells:
        """Cells (row in `codes`, item) that users have rated; none for code -1, an unknown user."""
        first, last = self.starts[codes], np.where(codes < 0, self.starts[codes], self.starts[codes + 1])
        counts = last - first
        places = np.arange(counts.sum()) + np.repeat(last - np.cumsum(counts), counts)
        return np.repeat(np.arange(len(codes)), counts), self.items[places].astype(np.intp)

    def contains(self, users: NDArray[np.integer], items: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Whether each user has rated the item beside it, (n,), (n,) -> (n,); False where a code is -1."""
        found = np.zeros(len(users), dtype=bool)
        known = (users >= 0) & (items >= 0)
        if known.any():  # of no cells SciPy makes a sparse array
            stored = np.broadcast_to(np.True_, len(self.items))
            shape = len(self.starts) - 1, self.n_items
            matrix = sp.csr_array((stored, self.items, self.starts), shape=shape)
            found[known] = matrix[users[known], items[known]]
        return found

    def counts(self, field: int) -> NDArray[np.intp]:
        """Number of rated cells of each user (field 0) or item (field 1), (n_ids,)."""
        return np.diff(self.starts) if field == 0 else np.bincount(self.items, minlength=self.n_items)


def compact(items: NDArray[np.integer], n_items: int) -> NDArray[np.unsignedinteger]:
    """Copy of item codes in the smallest unsigned type that holds them, (n,) -> (n,)."""
    return items.astype(np.min_scalar_type(max(n_items - 1, 0)))
