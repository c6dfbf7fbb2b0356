"""Cells of sparse matrices."""

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_mf.ratings._matrices import read_cells
from sklearn_mf.ratings._validation import read_ratings

ROWS, COLUMNS = np.array([0, 0, 1]), np.array([0, 0, 1])


def uncanonical(kind, data):
    """Matrix of one format in which cell (0, 0) stands twice."""
    if kind == "coo":
        return sp.coo_array((data, (ROWS, COLUMNS)), shape=(2, 2))
    form = {"csr": sp.csr_array, "csc": sp.csc_array}[kind]
    return form((data, np.array([0, 0, 1]), np.array([0, 2, 3])), shape=(2, 2))


LARGEST = {"int8": 127, "uint8": 255, "int16": 2**15 - 1, "bool": 1, "float16": 65504, "int32": 2**31 - 1}
CASES = [(kind, dtype) for kind in ("coo", "csr", "csc") for dtype in LARGEST]
CASES.remove(("coo", "float16"))  # SciPy makes no such matrix


@pytest.mark.parametrize(("kind", "dtype"), CASES)
def test_repeated_cells_of_small_types_do_not_overflow(kind, dtype):
    largest = LARGEST[dtype]
    A = uncanonical(kind, np.array([largest, largest, 1], dtype=dtype))
    cells = read_cells(A)
    assert cells.data.tolist() == [2 * largest, 1]
    assert np.stack(cells.coords).T.tolist() == [[0, 0], [1, 1]]
    assert A.nnz == 3, "the matrix of the caller is as it was"


def test_a_sum_of_cells_that_is_too_large_is_refused():
    with pytest.raises(ValueError, match="at most 1e\\+100 in size, got 2e\\+100 at position 0"):
        read_cells(uncanonical("coo", np.array([1e100, 1e100, 1])))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float16", "bfloat16", "bool"])
def test_tensors_of_small_types(dtype):
    tf = pytest.importorskip("tensorflow")
    values = tf.cast(tf.constant([1, 0, 1]), dtype)
    tensor = tf.SparseTensor([[0, 0], [0, 1], [1, 1]], values, (2, 2))
    assert read_ratings(tensor, None, None, "Model").targets.tolist() == [1, 0, 1]
