"""Whatever the user passes becomes id columns, ratings and weights; every sentence about bad input is here."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

IdType = str | dict[str, Any]
_SPARSE_FORMATS = ("coo", "csr", "csc", "lil", "dok")


@dataclass(frozen=True)
class Observed:
    """Checked input of fit.

    Parameters
    ----------
    ids : list of ndarray of shape (n_samples,)
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

    ids: list[NDArray[Any]]
    dtypes: list[IdType]
    known: list[NDArray[Any] | None]
    targets: NDArray[np.float64]
    weights: NDArray[np.float64]
    X: Any


def read_ratings(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Observed:
    """Check the input of fit and drop rows of weight 0.

    Parameters
    ----------
    estimator : estimator
        Gets `n_features_in_` and `feature_names_in_`.
    X : array-like, DataFrame, sparse matrix or tf.SparseTensor
        Ids, or ids and ratings.
    y : array-like of shape (n_samples,) or None
        Ratings.
    sample_weight : array-like of shape (n_samples,) or None
        Weights.

    Returns
    -------
    observed : Observed
        Columns of equal length.

    Raises
    ------
    ValueError, TypeError
        Where the input does not make sense, with a sentence that says why.
    """
    if _is_sparse(X):
        return _read_matrix(estimator, X, y, sample_weight)
    X, y = split_ratings(estimator, X, y)
    ids, dtypes, X = read_ids(estimator, X, reset=True)
    targets = read_targets(y)
    check_consistent_length(X, targets)
    _warn_of_third_column(ids, targets)
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    keep = weights > 0
    if not keep.all():
        ids, targets, weights = [column[keep] for column in ids], targets[keep], weights[keep]
        X = X[keep]
    return Observed(ids, dtypes, [None] * len(ids), targets, weights, X)


def read_ids(estimator: Any, X: Any, reset: bool) -> tuple[list[NDArray[Any]], list[IdType], Any]:
    """Check a table of ids.

    Parameters
    ----------
    estimator : estimator
        Its feature names and number are set or compared.
    X : array-like or DataFrame of shape (n_samples, n_fields)
        Ids.
    reset : bool
        True in fit: set feature names and number; False: compare with them.

    Returns
    -------
    ids : list of ndarray of shape (n_samples,)
        One column for each field.
    dtypes : list of str or dict
        The type of each column.
    X : ndarray or DataFrame of shape (n_samples, n_fields)
        The table as checked.
    """
    if _is_sparse(X):
        raise TypeError(
            "A sparse matrix is not a table of ids: pass one row for each (user, item) pair, "
            "a column for each field. Only fit takes ratings as a sparse matrix, alone: fit(A)."
        )
    X = _as_table(X)
    if isinstance(X, pd.DataFrame):
        if 0 in X.shape:
            raise ValueError(
                f"Found array with {X.shape[0]} sample(s) and {X.shape[1]} feature(s) (shape={X.shape}) "
                "while a minimum of 1 is required."
            )
        validate_data(estimator, X, skip_check_array=True, reset=reset)
    else:
        X = validate_data(estimator, X, dtype=None, reset=reset)
    columns = [X.iloc[:, f] if isinstance(X, pd.DataFrame) else X[:, f] for f in range(X.shape[1])]
    names = getattr(estimator, "feature_names_in_", range(X.shape[1]))
    pairs = [id_array(column, f"Column {name!r}") for column, name in zip(columns, names, strict=True)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs], X


def read_id_list(ids: Any, label: str) -> NDArray[Any]:
    """Check one id or several.

    Parameters
    ----------
    ids : id, or list, array, Series or Index of ids
        Anything else than those four containers is one id.
    label : str
        What to call them in an error.

    Returns
    -------
    ids : ndarray of shape (n,)
        The ids.
    """
    if isinstance(ids, (pd.Series, pd.Index)):
        return id_array(pd.Series(ids), label)[0]
    if isinstance(ids, np.ndarray) and ids.ndim != 1:
        raise ValueError(f"{label} must be one id or a list of ids, got an array of shape {ids.shape}.")
    return id_array(ids if isinstance(ids, np.ndarray) else _objects(ids if isinstance(ids, list) else [ids]), label)[0]


def read_targets(y: Any) -> NDArray[np.float64]:
    """Check ratings.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Ratings.

    Returns
    -------
    targets : ndarray of shape (n_samples,), float64
        Finite numbers.
    """
    y = column_or_1d(y, warn=True)
    if np.iscomplexobj(y):
        raise ValueError(f"Complex data not supported: ratings must be real numbers, got {y[0]!r}.")
    try:
        targets = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError):
        bad = next(rating for rating in y if not _is_number(rating))
        raise ValueError(f"Ratings must be numbers, got {bad!r}; convert them before fit.") from None
    assert_all_finite(targets, input_name="y")
    return targets


def split_ratings(estimator: Any, X: Any, y: Any) -> tuple[Any, Any]:
    """Split user, item, rating where they come in one table.

    Parameters
    ----------
    estimator : estimator
        Its name stands in the error.
    X : array-like or DataFrame
        Ids, or exactly three columns user, item, rating where `y` is None.
    y : array-like or None
        Ratings.

    Returns
    -------
    X, y : array-like
        Ids and ratings.
    """
    if y is not None or _is_sparse(X):
        return X, y
    X = _as_table(X)
    n_columns = X.shape[1] if getattr(X, "ndim", 0) == 2 else None
    if n_columns != 3:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y is None: "
            "call it with two arguments, ids and ratings, as in fit(X, y), or with one table of exactly three "
            f"columns user, item, rating; got an input of {n_columns or 'unknown number of'} columns."
        )
    if isinstance(X, pd.DataFrame):
        return X.iloc[:, :2], X.iloc[:, 2]
    return X[:, :2], X[:, 2]


def id_array(column: Any, label: str) -> tuple[NDArray[Any], IdType]:
    """Turn a column of ids into a plain array.

    Parameters
    ----------
    column : ndarray or Series of shape (n,)
        Ids of any hashable type.
    label : str
        What to call the column in an error.

    Returns
    -------
    ids : ndarray of shape (n,)
        Numbers, dates, or objects for text and anything else.
    dtype : str or dict
        The column's type; see :class:`~sklearn_mf._vocabulary.Vocabulary`.
    """
    series = column if isinstance(column, pd.Series) else _as_series(column)
    if (missing := series.isna().to_numpy(dtype=bool)).any():
        row = int(np.argmax(missing))
        raise ValueError(
            f"{label} contains a missing id ({series.iloc[row]!r}, NaN, in row {row}): drop such rows or give them an id."
        )
    dtype: IdType = str(series.dtype)
    if isinstance(series.dtype, pd.CategoricalDtype):
        categories = series.cat.categories
        dtype = {"categories": id_array(categories.to_series(), label)[0], "ordered": bool(series.cat.ordered)}
        series = series.astype(categories.dtype)
    ids = _plain(series)
    if ids.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {label} holds complex numbers, {ids[0]!r} first.")
    if ids.dtype.kind == "f" and not np.isfinite(ids).all():
        raise ValueError(f"{label} contains infinity, which is no id: drop such rows.")
    if ids.dtype == object:
        _check_hashable(ids, label)
    return ids, dtype


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
        first = ", ".join(repr(item) for item in pd.unique(unknown)[:5].tolist())
        raise ValueError(f"{label} not known from fit: {first}{', ...' if len(unknown) > 5 else ''}.")


def check_continues(previous: Any, current: Any, observed: Observed) -> None:
    """Refuse a warm start from another model.

    Parameters
    ----------
    previous : estimator
        As the last fit left it.
    current : estimator
        With the parameters and columns of this fit.
    observed : Observed
        Input of this fit.
    """
    advice = "set warm_start=False to start anew."
    if previous.embeddings_[0].shape[1] != current.embedding_dim:
        raise ValueError(
            f"A warm start cannot change embedding_dim from {previous.embeddings_[0].shape[1]} to "
            f"{current.embedding_dim}: {advice}"
        )
    old, new = (list(getattr(fit, "feature_names_in_", range(fit.n_features_in_))) for fit in (previous, current))
    if old != new:
        raise ValueError(f"A warm start cannot change the columns from {old} to {new}: {advice}")
    for name, known, ids in zip(new, previous.categories_, observed.ids, strict=True):
        if known.dtype.kind != ids.dtype.kind:
            raise ValueError(
                f"A warm start cannot change the type of the ids in column {name!r} from {known.dtype} "
                f"to {ids.dtype}: convert them, or {advice}"
            )


def _is_sparse(X: Any) -> bool:
    return sp.issparse(X) or _is_sparse_tensor(X)


def _is_sparse_tensor(X: Any) -> bool:
    """Recognise tf.SparseTensor by its looks, without TensorFlow."""
    return type(X).__module__.startswith("tensorflow") and hasattr(X, "dense_shape") and hasattr(X, "indices")


def _read_matrix(estimator: Any, A: Any, y: Any, sample_weight: Any) -> Observed:
    if y is not None or sample_weight is not None:
        raise ValueError(
            "A sparse matrix holds the ratings itself: call fit(A) with neither y nor sample_weight, "
            "or fit(X, y, sample_weight) with a table of ids."
        )
    A = _tensor_to_coo(A) if _is_sparse_tensor(A) else _matrix_to_coo(A)
    if not A.nnz:
        raise ValueError(f"Found no rating: the sparse matrix of shape {A.shape} stores no cell.")
    X = np.stack([A.row, A.col], axis=1).astype(np.int64)
    ids, dtypes, _ = read_ids(estimator, X, reset=True)
    targets, known = read_targets(A.data), [np.arange(size) for size in A.shape]
    return Observed(ids, dtypes, list(known), targets, np.ones(len(targets)), X)


def _matrix_to_coo(A: Any) -> Any:
    """Stored cells of a scipy matrix; repeated cells are summed on a copy, as scipy defines them."""
    if A.format not in _SPARSE_FORMATS:
        raise ValueError(
            f"A sparse matrix in {A.format!r} format cannot say which cells are ratings "
            "(it drops stored zeros or fills blocks with them): pass A.tocsr()."
        )
    if A.ndim != 2:
        raise ValueError(f"Expected a sparse matrix of users x items, got shape {A.shape}.")
    copy = A.tocoo(copy=True)
    copy.sum_duplicates()
    return copy


def _tensor_to_coo(tensor: Any) -> Any:
    indices, values = np.asarray(tensor.indices), np.asarray(tensor.values)
    shape = tuple(int(size) for size in np.asarray(tensor.dense_shape))
    if len(shape) != 2:
        raise ValueError(f"Expected a sparse tensor of users x items, got shape {shape}.")
    repeated = pd.DataFrame(indices).duplicated().to_numpy()
    if repeated.any():
        cell = tuple(indices[np.argmax(repeated)].tolist())
        raise ValueError(f"The sparse tensor holds cell {cell} more than once: merge repeated cells first.")
    return sp.coo_matrix((values, (indices[:, 0], indices[:, 1])), shape=shape)


def _as_table(X: Any) -> Any:
    """Lists become object arrays (so that 3 beside "u1" stays 3), frames of polars become those of pandas."""
    if isinstance(X, (list, tuple)):
        return _objects(X)
    if isinstance(X, np.ndarray) and X.dtype.kind == "T":
        return X.astype(object)
    if type(X).__module__.split(".")[0] == "polars":
        if not hasattr(X, "get_columns"):
            raise TypeError(f"A polars {type(X).__name__} is not a table of ids: pass a polars or pandas DataFrame.")
        return pd.DataFrame({column.name: _polars_column(column) for column in X.get_columns()})
    return X


def _polars_column(column: Any) -> Any:
    missing = column.is_null()
    if missing.any():
        raise ValueError(f"Column {column.name!r} contains a missing value (null, NaN): drop such rows or fill it.")
    return column.to_numpy()


def _objects(items: Any) -> NDArray[np.object_]:
    """Array of objects: 2-D for rows of equal length, else 1-D with the items as they are."""
    if items and all(isinstance(item, (list, np.ndarray)) for item in items) and len({len(item) for item in items}) == 1:
        return np.array([list(item) for item in items], dtype=object)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def _as_series(column: NDArray[Any]) -> "pd.Series[Any]":
    if column.dtype.kind in "OTUS":
        return pd.Series(column.astype(object), dtype=object).infer_objects()
    return pd.Series(column)


def _plain(series: "pd.Series[Any]") -> NDArray[Any]:
    """NumPy array of numbers, dates, or objects."""
    dtype: Any = getattr(series.dtype, "numpy_dtype", series.dtype)
    if not isinstance(dtype, np.dtype) or dtype.kind not in "biufcmM":
        return series.to_numpy(dtype=object)
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        dtype = np.dtype(np.float64)  # pandas hashes no other floats
    return series.to_numpy(dtype=dtype)


def _check_hashable(ids: NDArray[Any], label: str) -> None:
    if pd.api.types.infer_dtype(ids, skipna=False) == "string":
        return
    for item in ids:
        try:
            hash(item)
        except TypeError:
            raise TypeError(f"{label}: argument must be a string or a number as an id, got {item!r}.") from None


def _is_number(rating: Any) -> bool:
    try:
        float(rating)
    except (TypeError, ValueError):
        return False
    return True


def _warn_of_third_column(ids: list[NDArray[Any]], targets: NDArray[np.float64]) -> None:
    if len(ids) == 3 and ids[2].dtype.kind in "iuf" and len(targets) > 1 and np.array_equal(ids[2], targets):
        warnings.warn(
            "The third column of X equals y and is taken as ids: call fit(ratings) with one argument, or fit(X, y) "
            "with X the two id columns.",
            UserWarning,
            stacklevel=5,
        )
