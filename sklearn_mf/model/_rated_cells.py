"""The indicator matrix of the rated cells, in memory or on disk: products with it a part at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from sklearn_mf.ratings._ratings import Ratings

Floats = NDArray[np.float64]

# Most cells in a part, unless one row has more.
_CHUNK = 2**20


@dataclass(frozen=True)
class CellRows:
    """Indicator matrix with a row for each id of a field; its attributes are those of a csr_array.

    Parameters
    ----------
    indptr : ndarray of shape (n_ids + 1,), integer
        First cell of each row, and the end of the last.
    indices : ndarray of shape (n_cells,), int32
        Column of each cell, rising within a row; an array or a memory map.
    shape : tuple of int
        Number of ids of the field, and of the other field.
    """

    indptr: NDArray[np.integer]
    indices: NDArray[np.int32]
    shape: tuple[int, int]

    def __matmul__(self, matrix: Floats) -> Floats:
        return self.product(matrix)

    def product(self, matrix: Floats, scales: tuple[Floats, Floats] | None = None) -> Floats:
        """Product with a matrix, (n_columns, k) -> (n_rows, k), after rows and columns are scaled."""
        product = np.empty((self.shape[0], matrix.shape[1]))
        for rows in self._parts():
            product[rows] = self._part(rows, scales) @ matrix
        return product

    def _parts(self) -> Iterator[slice]:
        first, n_rows = 0, self.shape[0]
        while first < n_rows:
            last = int(np.searchsorted(self.indptr, self.indptr[first] + _CHUNK, "right")) - 1
            yield slice(first, max(last, first + 1))
            first = max(last, first + 1)

    def _part(self, rows: slice, scales: tuple[Floats, Floats] | None) -> csr_array:
        """Some rows, (n_rows, n_columns)."""
        starts = self.indptr[rows.start : rows.stop + 1]
        indices = np.ascontiguousarray(self.indices[starts[0] : starts[-1]])
        values = np.ones(len(indices))
        if scales is not None:
            values = np.repeat(scales[0][rows], np.diff(starts)) * scales[1][indices]
        return csr_array((values, indices, starts - starts[0]), shape=(rows.stop - rows.start, self.shape[1]))


def rated_cells(ratings: Ratings) -> tuple[CellRows, CellRows]:
    """Indicator matrices of the cells of the first two fields: users x items and items x users."""
    n_users, n_items = ratings.n_ids[:2]
    if ratings.field_cells:
        users, items = ratings.field_cells
        return (
            CellRows(users.starts, users.other_codes, (n_users, n_items)),
            CellRows(items.starts, items.other_codes, (n_items, n_users)),
        )
    cells = indicator(ratings.codes, ratings.n_ids)
    return _rows_of(cells), _rows_of(cells.T.tocsr())


def indicator(codes: NDArray[np.int32], n_ids: tuple[int, ...]) -> csr_array:
    """Indicator matrix of the cells of the first two fields, (n, n_fields) -> (n_ids[0], n_ids[1])."""
    places = codes[:, 0], codes[:, 1]
    cells = csr_array((np.ones(len(codes), dtype=np.int8), places), shape=(n_ids[0], n_ids[1]))
    cells.sum_duplicates()
    cells.data[:] = 1
    return cells


def scaled_operator(
    users: CellRows, items: CellRows, user_scales: Floats, item_scales: Floats
) -> LinearOperator:
    """The indicator matrix with scaled rows and columns, as an operator."""

    def of_columns(matrix: Floats) -> Floats:
        """Product with a matrix of items, (n_items, k) -> (n_users, k)."""
        return users.product(matrix.reshape(len(item_scales), -1), (user_scales, item_scales))

    def of_rows(matrix: Floats) -> Floats:
        """Product of the transpose with a matrix of users, (n_users, k) -> (n_items, k)."""
        return items.product(matrix.reshape(len(user_scales), -1), (item_scales, user_scales))

    products = {"matvec": of_columns, "rmatvec": of_rows, "matmat": of_columns, "rmatmat": of_rows}
    return LinearOperator(users.shape, dtype=np.float64, **products)


def _rows_of(cells: csr_array) -> CellRows:
    return CellRows(cells.indptr, cells.indices, cells.shape)
