"""The cells of a sparse matrix or tensor of users x items."""

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from sklearn_mf.ratings._columns import read_targets

_SPARSE_FORMATS = ("coo", "csr", "csc", "lil", "dok")


def is_sparse(X: object) -> bool:
    """Whether X is a SciPy sparse matrix or array, or a tf.SparseTensor."""
    return sp.issparse(X) or _is_sparse_tensor(X)


def read_cells(A: Any) -> sp.coo_array:
    """Stored cells with finite float64 values, each cell once; A is not changed."""
    cells = _tensor_cells(A) if _is_sparse_tensor(A) else _matrix_cells(A)
    if not cells.nnz:
        raise ValueError(
            f"Found no rating: the sparse matrix of shape {cells.shape} stores no cell, "
            "pass one with a cell for each rating."
        )
    return cells


def _is_sparse_tensor(X: object) -> bool:
    """Recognise a tf.SparseTensor by its name, without TensorFlow."""
    return type(X).__module__.startswith("tensorflow") and type(X).__name__ == "SparseTensor"


def _matrix_cells(A: Any) -> sp.coo_array:
    """Cells of a SciPy matrix. Repeated cells are summed, in float64: small integers would overflow."""
    if A.format not in _SPARSE_FORMATS:
        raise ValueError(
            f"A sparse matrix in {A.format!r} format cannot say which cells are ratings "
            "(it drops stored zeros or fills blocks with them): pass A.tocsr()."
        )
    if A.ndim != 2:
        raise ValueError(f"Expected a sparse matrix of two dimensions, users x items, got shape {A.shape}.")
    copy = A.astype(np.float64).tocoo(copy=True) if A.dtype.kind in "biuf" else A.tocoo(copy=True)
    cells = sp.coo_array((read_targets(copy.data), (copy.row, copy.col)), shape=copy.shape)
    cells.sum_duplicates()
    cells.data = read_targets(cells.data)  # a sum may be too large
    return cells


def _tensor_cells(tensor: Any) -> sp.coo_array:
    """Cells of a tensor; a repeated cell is an error."""
    indices, values = np.asarray(tensor.indices), read_targets(np.asarray(tensor.values))
    shape = tuple(int(size) for size in np.asarray(tensor.dense_shape))
    if len(shape) != 2:
        raise ValueError(f"Expected a sparse tensor of two dimensions, users x items, got shape {shape}.")
    repeated = pd.DataFrame(indices).duplicated().to_numpy()
    if repeated.any():
        cell = tuple(indices[np.argmax(repeated)].tolist())
        raise ValueError(f"The sparse tensor holds cell {cell} more than once: merge repeated cells first.")
    return sp.coo_array((values, (indices[:, 0], indices[:, 1])), shape=shape)
