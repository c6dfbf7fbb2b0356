"""One column of ids, ratings or weights becomes plain arrays, or an error that says why not."""

import contextlib
import math
from dataclasses import dataclass
from numbers import Number
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_array, column_or_1d

IdType = str | dict[str, Any]
# Ratings and weights beyond this have sums of squares that float64 cannot hold.
_LARGEST = 1e100


@dataclass(frozen=True)
class IdColumn:
    """A column of ids, each distinct id once: text is hashed where it lies, and is made objects once an id.

    Parameters
    ----------
    ids : ndarray of shape (n_ids,)
        Numbers, dates, or objects for text and anything else, in the order in which they first appear.
    numbers : ndarray of shape (n_samples,), int32
        Place in `ids` of the id of each row.
    """

    ids: NDArray[Any]
    numbers: NDArray[np.int32]

    @classmethod
    def of(cls, values: NDArray[Any]) -> Self:
        """Number plain ids.

        Parameters
        ----------
        values : ndarray of shape (n_samples,)
            One id for each row.

        Returns
        -------
        column : IdColumn
            The same ids.
        """
        numbers, ids = pd.factorize(values)
        return cls(np.asarray(ids), numbers.astype(np.int32))

    @property
    def rows(self) -> NDArray[Any]:
        """One id for each row: ndarray of shape (n_samples,)."""
        return self.ids.take(self.numbers)

    def take(self, rows: NDArray[np.bool_]) -> "IdColumn":
        """Keep some of the rows.

        Parameters
        ----------
        rows : ndarray of shape (n_samples,), bool
            True for the rows to keep.

        Returns
        -------
        column : IdColumn
            The rows kept, and the ids that stand in them.
        """
        kept = IdColumn.of(self.numbers[rows])
        return IdColumn(self.ids[kept.ids], kept.numbers)


def read_id_column(column: Any, label: str) -> tuple[IdColumn, IdType]:
    """Check a column of ids and number them.

    Parameters
    ----------
    column : ndarray or Series of shape (n_samples,)
        Ids of any hashable type.
    label : str
        What to call the column in an error.

    Returns
    -------
    column : IdColumn
        The ids. Those that Python calls equal (True, 1 and 1.0) are one id, spelled as it was first seen.
    dtype : str or dict
        The column's type; see :class:`~sklearn_mf.ratings._vocabulary.Vocabulary`.
    """
    series = column if isinstance(column, pd.Series) else _as_series(column)
    numbers, found = _factorized(series, label)
    if len(numbers) and numbers.min() < 0:
        row = int(np.argmin(numbers))
        value = column.iloc[row] if isinstance(column, pd.Series) else column[row]
        raise ValueError(
            f"{label} contains a missing id (NaN, None or the like), {short_repr(value)} in row {row}: "
            "drop such rows or give them an id."
        )
    if series is not column:  # objects of NumPy or of a list
        found = found.infer_objects()
    dtype: IdType = _restorable(series.dtype if series.dtype != object else found.dtype)
    if isinstance(series.dtype, pd.CategoricalDtype):
        categories = series.cat.categories
        dtype = {
            "categories": read_id_column(categories.to_series(), label)[0].ids,
            "ordered": bool(series.cat.ordered),
        }
        found = found.astype(categories.dtype)
    ids = _plain(found)
    _check_ids(ids, numbers, label)
    return IdColumn(ids, numbers.astype(np.int32)), dtype


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
    if is_polars(ids):
        ids = pd.Series(polars_column(ids))
    elif isinstance(ids, pd.Index):
        ids = ids.to_series()
    elif isinstance(ids, pd.api.extensions.ExtensionArray):
        ids = pd.Series(ids)
    elif not isinstance(ids, (pd.Series, np.ndarray)):
        ids = object_array(ids if isinstance(ids, list) else [ids])
    if ids.ndim != 1:
        raise ValueError(f"{label} must be one id or a list of ids, got an array of shape {ids.shape}.")
    return read_id_column(ids, label)[0].rows


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
        return np.broadcast_to(1.0, n_samples)  # takes no memory
    if isinstance(sample_weight, Number):
        sample_weight = np.full(n_samples, sample_weight)
    weights = _real_numbers(sample_weight, "Sample weights")
    check_length(weights, n_samples, "sample weights")
    if weights.min() < 0:
        place = int(np.argmin(weights))
        raise ValueError(
            f"Sample weights must not be negative, got {weights[place]} at position {place}: "
            "use 0 to drop a row."
        )
    if not weights.any():
        raise ValueError("Sample weights are all zero: at least one row needs a weight above 0.")
    return weights


def polars_column(column: Any) -> Any:
    """Turn a polars series into what pandas can hold.

    Parameters
    ----------
    column : polars.Series of length n
        Without nulls.

    Returns
    -------
    values : ndarray of shape (n,)
        Its values.
    """
    missing = column.is_null()
    if missing.any():
        raise ValueError(
            f"Column {column.name!r} contains a missing value (null, NaN) in row {missing.arg_max()}: "
            "drop such rows or fill it."
        )
    values = column.to_numpy()
    return values if values.ndim == 1 else object_array(column.to_list())  # structs make a 2-D array


def is_polars(X: Any) -> bool:
    """Recognise what polars makes by its looks, without polars.

    Parameters
    ----------
    X : object
        Anything.

    Returns
    -------
    is_polars : bool
        Whether it is a frame, series or the like of polars.
    """
    return type(X).__module__.split(".")[0] == "polars"


def object_array(items: Any) -> NDArray[np.object_]:
    """Make a 1-D array of the items as they are, be they sequences themselves.

    Parameters
    ----------
    items : sequence of length n
        Anything.

    Returns
    -------
    array : ndarray of shape (n,), object
        The items.
    """
    return np.fromiter(items, dtype=object, count=len(items))


def _as_series(column: NDArray[Any]) -> "pd.Series[Any]":
    if column.dtype.kind in "OTUSV":
        return pd.Series(column.astype(object, copy=False), dtype=object, copy=False)
    return pd.Series(column, copy=False)


def _factorized(series: "pd.Series[Any]", label: str) -> tuple[NDArray[np.intp], "pd.Series[Any]"]:
    """Number of each row, -1 where the id is missing, and the distinct ids, (n,) -> (n,), (n_ids,)."""
    values: Any = _plain(series) if isinstance(series.dtype, np.dtype) else series.array
    try:
        numbers, found = pd.factorize(values)
    except TypeError:
        for row, item in enumerate(series.astype(object)):
            check_id(item, row, label)
        raise
    return numbers, pd.Series(found, dtype=found.dtype)


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


def _check_ids(ids: NDArray[Any], numbers: NDArray[np.intp], label: str) -> None:
    """Refuse what cannot be looked up or put in order, and infinity, (n_ids,), (n,)."""
    if ids.dtype.kind in "fc":
        suspects = np.flatnonzero(~np.isfinite(ids) | np.iscomplexobj(ids))[:1]
    elif ids.dtype == object and pd.api.types.infer_dtype(ids, skipna=False) != "string":
        suspects = np.arange(len(ids))
    else:
        return
    first_rows = np.searchsorted(np.maximum.accumulate(numbers), suspects)
    for number, row in zip(suspects, first_rows, strict=True):
        check_id(ids[number], row, label)


def check_id(item: Any, row: int, label: str) -> None:
    """Refuse an id that cannot be hashed, is complex or infinite.

    Parameters
    ----------
    item : object
        The id.
    row : int
        Where it stands.
    label : str
        What to call its column.
    """
    try:
        hash(item)
    except TypeError:
        raise TypeError(
            f"{label}: argument must be a string or a number as an id, got {short_repr(item)} in row {row}."
        ) from None
    if isinstance(item, (complex, np.complexfloating)):
        raise ValueError(
            f"Complex data not supported: {label} contains {short_repr(item)} in row {row}, "
            "make it a real number or text."
        )
    if isinstance(item, (float, np.floating)) and math.isinf(item):
        raise ValueError(
            f"{label} contains infinity, {short_repr(item)} in row {row}: drop such rows or give them an id."
        )


def _real_numbers(values: Any, what: str) -> NDArray[np.float64]:
    """Finite float64 numbers, or a sentence about the first value that is none, (n,) -> (n,)."""
    is_array = hasattr(values, "dtype")
    if is_array and np.iscomplexobj(values):
        raise ValueError(
            f"Complex data not supported: {what} must be real numbers, got {short_repr(values)}."
        )
    dtype = None if is_array else object
    column = check_array(
        values, dtype=dtype, ensure_2d=False, ensure_all_finite=False, ensure_min_samples=0, input_name=what
    )
    if column.ndim != 1 and column.shape[1:] != (1,):
        raise ValueError(f"{what} must be a 1d array, got an array of shape {column.shape}.")
    column = column_or_1d(column, warn=True)
    numbers = None
    if column.dtype.kind not in "mMUS" and not _has_text(column):
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            numbers = np.asarray(column, dtype=np.float64)
    if numbers is None:
        place = next((place for place, value in enumerate(column) if not _is_number(value)), 0)
        raise ValueError(
            f"{what} must be numbers, got {short_repr(column[place])} at position {place}: "
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


def _has_text(column: NDArray[Any]) -> bool:
    return column.dtype == object and any(isinstance(value, (str, bytes)) for value in column)


def _is_number(value: Any) -> bool:
    if isinstance(value, (np.datetime64, np.timedelta64, str, bytes)):
        return False
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def short_repr(value: Any) -> str:
    """Spell a value in one short line, for an error.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    text : str
        At most 60 characters.
    """
    plain = value.item() if isinstance(value, np.generic) and value.dtype.kind not in "mM" else value
    text = " ".join(repr(plain).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_length(values: NDArray[np.float64], n_rows: int, what: str) -> None:
    """Refuse a column of another length than X.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Ratings or weights.
    n_rows : int
        Number of rows of X.
    what : str
        What to call the values.
    """
    if len(values) != n_rows:
        raise ValueError(f"X has {n_rows} rows but there are {len(values)} {what}: pass one for each row.")
