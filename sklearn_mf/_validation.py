"""Whatever the user passes becomes id columns, ratings and weights; every error about bad input is here."""

import contextlib
import math
import sys
import warnings
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.validation import validate_data

IdType = str | dict[str, Any]
_SPARSE_FORMATS = ("coo", "csr", "csc", "lil", "dok")
# Ratings and weights beyond this have sums of squares that float64 cannot hold.
_LARGEST = 1e100


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
    _check_length(targets, len(X), "ratings")
    _warn_of_third_column(ids, targets)
    weights = read_weights(sample_weight, len(X))
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
            "A sparse matrix is not a table of ids: pass one row for each (user, item) pair and a column "
            "for each field; only fit takes ratings as a sparse matrix, alone, as in fit(A)."
        )
    X = _as_table(X)
    if isinstance(X, pd.DataFrame):
        if 0 in X.shape:
            raise ValueError(
                f"Found array with {X.shape[0]} sample(s) and {X.shape[1]} feature(s) (shape={X.shape}) "
                "while a minimum of 1 is required: pass at least one row and one column of ids."
            )
        if not X.columns.is_unique:
            raise ValueError(
                f"Column {X.columns[X.columns.duplicated()][0]!r} stands in X more than once: rename it."
            )
        validate_data(estimator, X, skip_check_array=True, reset=reset)
    else:
        X = X if hasattr(X, "shape") else np.asarray(X)
        if len(X.shape) != 2:
            got = f"an array of shape {tuple(X.shape)}" if X.shape else _shown(X[()])
            raise ValueError(
                f"Expected a table of ids, 2D, got {got}: Reshape your data to one row for each rating "
                "and one column for each field."
            )
        if np.iscomplexobj(X) and np.size(X):
            _check_id(np.ravel(X)[0], 0, "Column 0")
        X = validate_data(estimator, X, dtype=None, ensure_all_finite=False, reset=reset)
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
    if _is_polars(ids):
        ids = pd.Series(_polars_column(ids))
    elif isinstance(ids, pd.Index):
        ids = ids.to_series()
    elif isinstance(ids, pd.api.extensions.ExtensionArray):
        ids = pd.Series(ids)
    elif not isinstance(ids, (pd.Series, np.ndarray)):
        ids = _objects(ids if isinstance(ids, list) else [ids])
    if ids.ndim != 1:
        raise ValueError(f"{label} must be one id or a list of ids, got an array of shape {ids.shape}.")
    return id_array(ids, label)[0]


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
    return _real_numbers(y, "Ratings")


def read_weights(sample_weight: Any, n_samples: int) -> NDArray[np.float64]:
    """Check sample weights.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), number or None
        Weights, one for all where it is a number; 1 where None.
    n_samples : int
        Number of rows.

    Returns
    -------
    weights : ndarray of shape (n_samples,), float64
        Finite numbers of at least 0, not all 0.
    """
    if sample_weight is None:
        return np.ones(n_samples)
    if isinstance(sample_weight, Number):
        sample_weight = np.full(n_samples, sample_weight)
    weights = _real_numbers(sample_weight, "Sample weights")
    _check_length(weights, n_samples, "sample weights")
    if weights.min() < 0:
        place = int(np.argmin(weights))
        raise ValueError(
            f"Sample weights must not be negative, got {weights[place]} at position {place}: "
            "use 0 to drop a row."
        )
    if not weights.any():
        raise ValueError("Sample weights are all zero: at least one row needs a weight above 0.")
    return weights


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
    shape = getattr(X, "shape", None)
    if shape is None or len(shape) != 2 or shape[1] != 3:
        got = _shown(X) if shape is None else f"an input of shape {tuple(shape)}"
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y is None: "
            "call it with two arguments, ids and ratings, as in fit(X, y), or with one table of exactly "
            f"three columns user, item, rating; got {got}."
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
        value = column.iloc[row] if isinstance(column, pd.Series) else column[row]
        raise ValueError(
            f"{label} contains a missing id (NaN, None or the like), {_shown(value)} in row {row}: "
            "drop such rows or give them an id."
        )
    dtype: IdType = _restorable(series.dtype)
    if isinstance(series.dtype, pd.CategoricalDtype):
        categories = series.cat.categories
        dtype = {
            "categories": id_array(categories.to_series(), label)[0],
            "ordered": bool(series.cat.ordered),
        }
        series = series.astype(categories.dtype)
    ids = _plain(series)
    _check_ids(ids, label)
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
        first, more = pd.unique(unknown)[:5], len(pd.unique(unknown)) > 5
        listed = ", ".join(repr(item) for item in pd.Series(first).tolist())  # dates as dates
        raise ValueError(
            f"{label} not known from fit: {listed}{', and others' if more else ''}; "
            "pass ids that fit has seen."
        )


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
    old, new = (
        list(getattr(fit, "feature_names_in_", range(fit.n_features_in_))) for fit in (previous, current)
    )
    if old != new:
        raise ValueError(f"A warm start cannot change the columns from {old} to {new}: {advice}")
    for name, known, ids in zip(new, previous.categories_, observed.ids, strict=True):
        if known.dtype.kind != ids.dtype.kind or (known.dtype.kind in "mM" and known.dtype != ids.dtype):
            raise ValueError(
                f"A warm start cannot change the type of the ids in column {name!r} from {known.dtype} "
                f"to {ids.dtype}: convert them, or {advice}"
            )


def warn_user(message: str) -> None:
    """Warn at the first line outside the package and scikit-learn, whose wrappers stand in between.

    Parameters
    ----------
    message : str
        What to say.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in ("sklearn_mf", "sklearn"):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)


def _is_sparse(X: Any) -> bool:
    return sp.issparse(X) or _is_sparse_tensor(X)


def _is_sparse_tensor(X: Any) -> bool:
    """Recognise tf.SparseTensor by its looks, without TensorFlow."""
    return type(X).__module__.startswith("tensorflow") and type(X).__name__ == "SparseTensor"


def _read_matrix(estimator: Any, A: Any, y: Any, sample_weight: Any) -> Observed:
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


def _as_table(X: Any) -> Any:
    """Lists become object arrays (so that 3 beside "u1" stays 3), frames of polars become those of pandas."""
    if isinstance(X, (list, tuple)):
        return _rows_to_table(X)
    if isinstance(X, np.ndarray) and X.dtype.kind == "T":
        return X.astype(object)
    if _is_polars(X):
        if not hasattr(X, "get_columns"):
            raise TypeError(
                f"A polars {type(X).__name__} is not a table of ids: pass a DataFrame, as collect() gives it "
                "from a LazyFrame."
            )
        return pd.DataFrame({column.name: _polars_column(column) for column in X.get_columns()})
    return X


def _rows_to_table(rows: Any) -> NDArray[np.object_]:
    """2-D array of objects from rows of equal length; 1-D with the items as they are if they are no rows."""
    if not rows or not all(isinstance(row, (list, tuple, np.ndarray, pd.Series)) for row in rows):
        return _objects(rows)
    width = len(rows[0])
    for place, row in enumerate(rows):
        if len(row) != width:
            raise ValueError(
                f"The rows of X differ in length, {width} in row 0 and {len(row)} in row {place}: "
                "every row needs one id for each field."
            )
    table = np.empty((len(rows), width), dtype=object)
    for field, column in enumerate(zip(*rows, strict=True)):
        table[:, field] = _objects(column)
    return table


def _is_polars(X: Any) -> bool:
    return type(X).__module__.split(".")[0] == "polars"


def _polars_column(column: Any) -> Any:
    missing = column.is_null()
    if missing.any():
        raise ValueError(
            f"Column {column.name!r} contains a missing value (null, NaN) in row {missing.arg_max()}: "
            "drop such rows or fill it."
        )
    values = column.to_numpy()
    return values if values.ndim == 1 else _objects(column.to_list())  # structs make a 2-D array


def _objects(items: Any) -> NDArray[np.object_]:
    """1-D array of the items as they are, be they sequences themselves."""
    return np.fromiter(items, dtype=object, count=len(items))


def _as_series(column: NDArray[Any]) -> "pd.Series[Any]":
    if column.dtype.kind in "OTUSV":
        return pd.Series(column.astype(object), dtype=object).infer_objects()
    return pd.Series(column)


def _plain(series: "pd.Series[Any]") -> NDArray[Any]:
    """NumPy array of numbers, dates, or objects."""
    dtype: Any = series.dtype
    with contextlib.suppress(TypeError):  # types of Arrow that NumPy has no word for
        dtype = getattr(dtype, "numpy_dtype", dtype)
    if not isinstance(dtype, np.dtype) or dtype.kind not in "biufcmM":
        return series.to_numpy(dtype=object)
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        dtype = np.dtype(np.float64)  # pandas hashes no other floats
    return series.to_numpy(dtype=dtype)


def _restorable(dtype: Any) -> str:
    """Spelling of a column type that pandas can read; "object" where it cannot, as for some time zones."""
    try:
        pd.api.types.pandas_dtype(str(dtype))
    except (TypeError, ValueError, NotImplementedError):
        return "object"
    return str(dtype)


def _check_ids(ids: NDArray[Any], label: str) -> None:
    """Refuse what cannot be looked up or put in order, and infinity."""
    if ids.dtype.kind in "fc":
        rows = np.flatnonzero(~np.isfinite(ids) | np.iscomplexobj(ids))[:1]
    elif ids.dtype == object and pd.api.types.infer_dtype(ids, skipna=False) != "string":
        rows = np.arange(len(ids))
    else:
        return
    for row in rows:
        _check_id(ids[row], row, label)


def _check_id(item: Any, row: int, label: str) -> None:
    try:
        hash(item)
    except TypeError:
        raise TypeError(
            f"{label}: argument must be a string or a number as an id, got {_shown(item)} in row {row}."
        ) from None
    if isinstance(item, (complex, np.complexfloating)):
        raise ValueError(
            f"Complex data not supported: {label} contains {_shown(item)} in row {row}, "
            "make it a real number or text."
        )
    if isinstance(item, (float, np.floating)) and math.isinf(item):
        raise ValueError(
            f"{label} contains infinity, {_shown(item)} in row {row}: drop such rows or give them an id."
        )


def _real_numbers(values: Any, what: str) -> NDArray[np.float64]:
    """Finite float64 numbers, or a sentence about the first value that is none, (n,) -> (n,)."""
    is_array = hasattr(values, "dtype")
    if is_array and np.iscomplexobj(values):
        raise ValueError(f"Complex data not supported: {what} must be real numbers, got {_shown(values)}.")
    dtype = None if is_array else object
    column = check_array(
        values, dtype=dtype, ensure_2d=False, ensure_all_finite=False, ensure_min_samples=0, input_name=what
    )
    if column.ndim != 1 and column.shape[1:] != (1,):
        raise ValueError(f"{what} must be a 1d array, got an array of shape {column.shape}.")
    column = column_or_1d(column, warn=True)
    numbers = None
    if column.dtype.kind not in "mM":
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            numbers = np.asarray(column, dtype=np.float64)
    if numbers is None:
        place = next((place for place, value in enumerate(column) if not _is_number(value)), 0)
        raise ValueError(
            f"{what} must be numbers, got {_shown(column[place])} at position {place}: "
            "convert or drop such rows."
        )
    bad = ~(np.abs(numbers) <= _LARGEST)
    if bad.any():
        place = int(np.argmax(bad))
        raise ValueError(
            f"{what} must be finite numbers of at most {_LARGEST:g} in size, got {numbers[place]} "
            f"at position {place}: correct or drop such rows."
        )
    return numbers


def _is_number(value: Any) -> bool:
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return False
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _check_length(values: NDArray[np.float64], n_rows: int, what: str) -> None:
    if len(values) != n_rows:
        raise ValueError(f"X has {n_rows} rows but there are {len(values)} {what}: pass one for each row.")


def _shown(value: Any) -> str:
    """A value in one short line, for an error."""
    plain = value.item() if isinstance(value, np.generic) and value.dtype.kind not in "mM" else value
    text = " ".join(repr(plain).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _warn_of_third_column(ids: list[NDArray[Any]], targets: NDArray[np.float64]) -> None:
    numbers = len(ids) == 3 and ids[2].dtype.kind in "iufO"
    if numbers and len(targets) > 1 and np.array_equal(ids[2], targets):
        warn_user(
            "The third column of X equals y and is taken as ids: call fit(ratings) with one argument, "
            "or fit(X, y) with X the two id columns."
        )
