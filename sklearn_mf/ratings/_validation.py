"""Whatever the user passes becomes columns of ids, ratings and weights, or an error that says why not."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import check_array

from sklearn_mf.ratings._columns import (
    IdColumn,
    IdType,
    check_id,
    check_length,
    is_polars,
    object_array,
    polars_column,
    read_id_column,
    read_targets,
    read_weights,
    short_repr,
)
from sklearn_mf.utils._warnings import warn_user

_SPARSE_FORMATS = ("coo", "csr", "csc", "lil", "dok")


@dataclass(frozen=True)
class TrainingInput:
    """Checked input of fit.

    Parameters
    ----------
    ids : list of IdColumn
        One column of ids for each field.
    dtypes : list of str or dict
        The type of each column, to give ids back in.
    known : list of ndarray or None
        Ids that a field has whether or not they were rated: all row and column numbers of a matrix.
    targets : ndarray of shape (n_samples,), float64
        The ratings.
    weights : ndarray of shape (n_samples,), float64
        Positive sample weights.
    X : array-like of shape (n_samples, n_fields)
        The id columns as callbacks get them.
    """

    ids: list[IdColumn]
    dtypes: list[IdType]
    known: list[NDArray[Any] | None]
    targets: NDArray[np.float64]
    weights: NDArray[np.float64]
    X: Any

    def for_callbacks(self, weighted: bool) -> dict[str, Any]:
        """What scikit-learn's callbacks get of the training data.

        Parameters
        ----------
        weighted : bool
            Whether to pass the weights on.

        Returns
        -------
        arguments : dict
            `X`, `y` and `metadata`.
        """
        metadata = {"sample_weight": self.weights} if weighted else None
        return {"X": self.X, "y": self.targets, "metadata": metadata}


@dataclass(frozen=True)
class IdTable:
    """A checked table of ids.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_samples, n_fields)
        The table as checked.
    columns : list of IdColumn
        One column of ids for each field.
    dtypes : list of str or dict
        The type of each column, to give ids back in.
    """

    X: Any
    columns: list[IdColumn]
    dtypes: list[IdType]


def read_ratings(X: Any, y: Any, sample_weight: Any, caller: str) -> TrainingInput:
    """Check the input of fit and drop rows of weight 0; `caller` is the estimator's name, for errors."""
    if _is_sparse(X):
        return _read_matrix(X, y, sample_weight)
    X, y = split_ratings(X, y, caller)
    table = read_ids(X)
    X, ids = table.X, table.columns
    targets = read_targets(y)
    check_length(targets, len(X), "ratings")
    _warn_of_third_column(ids, targets)
    weights = read_weights(sample_weight, len(X))
    keep = weights > 0
    if not keep.all():
        ids, targets, weights = [column.take(keep) for column in ids], targets[keep], weights[keep]
        X = X[keep]
    return TrainingInput(ids, table.dtypes, [None] * len(ids), targets, weights, X)


def read_ids(X: Any) -> IdTable:
    """Check a table of ids, (n_samples, n_fields), and number the ids of each column."""
    X = read_table(X)
    is_frame = isinstance(X, pd.DataFrame)
    columns = [X.iloc[:, f] if is_frame else X[:, f] for f in range(X.shape[1])]
    names = X.columns if is_frame else range(X.shape[1])
    pairs = [read_id_column(column, f"Column {name!r}") for column, name in zip(columns, names, strict=True)]
    return IdTable(X, [pair[0] for pair in pairs], [pair[1] for pair in pairs])


def read_table(X: Any) -> Any:
    """Check that X is a table, and make it an ndarray or DataFrame of shape (n_rows, n_columns)."""
    if _is_sparse(X):
        raise TypeError(
            "A sparse matrix is not a table of ids: pass one row for each (user, item) pair and a column "
            "for each field; only fit takes ratings as a sparse matrix, alone, as in fit(A)."
        )
    X = as_table(X)
    return _read_frame(X) if isinstance(X, pd.DataFrame) else _read_array(X)


def _read_frame(X: pd.DataFrame) -> pd.DataFrame:
    if 0 in X.shape:
        raise ValueError(
            f"Found array with {X.shape[0]} sample(s) and {X.shape[1]} feature(s) (shape={X.shape}) "
            "while a minimum of 1 is required: pass at least one row and one column of ids."
        )
    if not X.columns.is_unique:
        raise ValueError(
            f"Column {X.columns[X.columns.duplicated()][0]!r} stands in X more than once: rename it."
        )
    return X


def _read_array(X: Any) -> NDArray[Any]:
    X = X if hasattr(X, "shape") else np.asarray(X)
    if len(X.shape) != 2:
        got = f"an array of shape {tuple(X.shape)}" if X.shape else short_repr(X[()])
        raise ValueError(
            f"Expected a table of ids, 2D, got {got}: Reshape your data to one row for each rating "
            "and one column for each field."
        )
    if np.iscomplexobj(X) and np.size(X):
        check_id(np.ravel(X)[0], 0, "Column 0")
    return check_array(X, dtype=None, ensure_all_finite=False)


def split_ratings(X: Any, y: Any, caller: str) -> tuple[Any, Any]:
    """Split a table of user, item, rating into X and y where y is None; `caller` stands in the error."""
    if y is not None or _is_sparse(X):
        return X, y
    X = as_table(X)
    shape = getattr(X, "shape", None)
    if shape is None or len(shape) != 2 or shape[1] != 3:
        got = short_repr(X) if shape is None else f"an input of shape {tuple(shape)}"
        raise ValueError(
            f"This {caller} estimator requires y to be passed, but the target y is None: "
            "call it with two arguments, ids and ratings, as in fit(X, y), or with one table of exactly "
            f"three columns user, item, rating; got {got}."
        )
    if isinstance(X, pd.DataFrame):
        return X.iloc[:, :2], X.iloc[:, 2]
    return X[:, :2], X[:, 2]


def check_known(codes: NDArray[np.integer], ids: NDArray[Any], label: str) -> None:
    """Refuse ids that fit has not seen.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        Row numbers, -1 for an unknown id.
    ids : ndarray of shape (n,)
        The ids.
    label : str
        What to call them in the error.
    """
    unknown = ids[np.asarray(codes) < 0]
    if len(unknown):
        first, more = pd.unique(unknown)[:5], len(pd.unique(unknown)) > 5
        listed = ", ".join(repr(item) for item in pd.Series(first).tolist())  # dates as dates
        raise ValueError(
            f"{label} not known from fit: {listed}{', and others' if more else ''}; "
            "pass ids that fit has seen."
        )


def as_table(X: Any) -> Any:
    """Make lists object arrays, so that 3 beside "u1" stays 3, and frames of polars those of pandas.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_rows, n_columns)
        Whatever the user passes as a table.

    Returns
    -------
    table : ndarray or DataFrame of shape (n_rows, n_columns)
        The same; anything else as it is.
    """
    if isinstance(X, (list, tuple)):
        return _rows_to_table(X)
    if isinstance(X, np.ndarray) and X.dtype.kind == "T":
        return X.astype(object)
    if is_polars(X):
        if not hasattr(X, "get_columns"):
            raise TypeError(
                f"A polars {type(X).__name__} is not a table of ids: pass a DataFrame, as collect() gives it "
                "from a LazyFrame."
            )
        return pd.DataFrame({column.name: polars_column(column) for column in X.get_columns()})
    return X


def _is_sparse(X: Any) -> bool:
    return sp.issparse(X) or _is_sparse_tensor(X)


def _is_sparse_tensor(X: Any) -> bool:
    """Recognise tf.SparseTensor by its looks, without TensorFlow."""
    return type(X).__module__.startswith("tensorflow") and type(X).__name__ == "SparseTensor"


def _read_matrix(A: Any, y: Any, sample_weight: Any) -> TrainingInput:
    if y is not None or sample_weight is not None:
        raise ValueError(
            "A sparse matrix holds the ratings itself: call fit(A) with neither y nor sample_weight, "
            "or fit(X, y, sample_weight) with a table of ids."
        )
    A = _tensor_to_coo(A) if _is_sparse_tensor(A) else _matrix_to_coo(A)
    if not A.nnz:
        raise ValueError(
            f"Found no rating: the sparse matrix of shape {A.shape} stores no cell, "
            "pass one with a cell for each rating."
        )
    X = np.stack([A.row, A.col], axis=1).astype(np.int64)
    table = read_ids(X)
    targets, known = read_targets(A.data), [np.arange(size) for size in A.shape]
    return TrainingInput(
        table.columns, table.dtypes, list(known), targets, np.broadcast_to(1.0, len(targets)), X
    )


def _matrix_to_coo(A: Any) -> Any:
    """Stored cells of a scipy matrix; repeated cells are summed on a copy, as scipy defines them."""
    if A.format not in _SPARSE_FORMATS:
        raise ValueError(
            f"A sparse matrix in {A.format!r} format cannot say which cells are ratings "
            "(it drops stored zeros or fills blocks with them): pass A.tocsr()."
        )
    if A.ndim != 2:
        raise ValueError(f"Expected a sparse matrix of two dimensions, users x items, got shape {A.shape}.")
    copy = A.tocoo(copy=True)
    copy.sum_duplicates()
    return copy


def _tensor_to_coo(tensor: Any) -> Any:
    indices, values = np.asarray(tensor.indices), read_targets(np.asarray(tensor.values))
    shape = tuple(int(size) for size in np.asarray(tensor.dense_shape))
    if len(shape) != 2:
        raise ValueError(f"Expected a sparse tensor of two dimensions, users x items, got shape {shape}.")
    repeated = pd.DataFrame(indices).duplicated().to_numpy()
    if repeated.any():
        cell = tuple(indices[np.argmax(repeated)].tolist())
        raise ValueError(f"The sparse tensor holds cell {cell} more than once: merge repeated cells first.")
    return sp.coo_matrix((values, (indices[:, 0], indices[:, 1])), shape=shape)


def _rows_to_table(rows: Any) -> NDArray[np.object_]:
    """2-D array of objects from rows of equal length; 1-D with the items as they are if they are no rows."""
    if not rows or not all(isinstance(row, (list, tuple, np.ndarray, pd.Series)) for row in rows):
        return object_array(rows)
    width = len(rows[0])
    for place, row in enumerate(rows):
        if len(row) != width:
            raise ValueError(
                f"The rows of X differ in length, {width} in row 0 and {len(row)} in row {place}: "
                "every row needs one id for each field."
            )
    table = np.empty((len(rows), width), dtype=object)
    for field, column in enumerate(zip(*rows, strict=True)):
        table[:, field] = object_array(column)
    return table


def _warn_of_third_column(ids: list[IdColumn], targets: NDArray[np.float64]) -> None:
    numbers = len(ids) == 3 and ids[2].ids.dtype.kind in "iufO"
    if numbers and len(targets) > 1 and np.array_equal(ids[2].rows, targets):
        warn_user(
            "The third column of X equals y and is taken as ids: call fit(ratings) with one argument, "
            "or fit(X, y) with X the two id columns."
        )
