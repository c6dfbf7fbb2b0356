"""A column of ids, ratings or weights becomes plain arrays; an error says why it cannot."""

import contextlib
import math
import reprlib
from collections import deque
from collections.abc import Callable, Iterator, Set, ValuesView
from dataclasses import dataclass
from numbers import Number
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_array, column_or_1d

from sklearn_mf.ratings._frames import as_pandas, object_array

# Type of a column: its name in pandas, the arguments of a CategoricalDtype, or a serialised Arrow schema.
IdType = str | dict[str, Any]
Column = NDArray[np.generic] | pd.Series
# Says where a row is, for errors.
Place = Callable[[int], str]
IN_ROW: Place = "in row {}".format
AT_POSITION: Place = "at position {}".format

# Ratings and weights beyond this have sums of squares that float64 cannot hold.
_LARGEST = 1e100
# Types of objects that NumPy would read as numbers.
_NO_NUMBERS = (str, bytes, np.datetime64, np.timedelta64)
# Whole numbers up to this are int64, as pandas reads them.
_LARGEST_INT = 2**63
# Containers whose items are ids. A tuple is one id.
_LISTS = (list, range, deque, Set, ValuesView, Iterator)
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxlong = _REPR.maxother = 60


@dataclass(frozen=True)
class IdColumn:
    """A factorized column of ids.

    Text is hashed in its Arrow buffer, and one Python object is made per distinct id.

    Parameters
    ----------
    ids : ndarray of shape (n_ids,)
        Distinct ids in the order in which they first appear: numbers, dates, or objects for anything else.
    numbers : ndarray of shape (n_samples,), int32
        Position in `ids` of the id of each row.
    """

    ids: NDArray[np.generic]
    numbers: NDArray[np.int32]

    @classmethod
    def of(cls, values: NDArray[np.generic]) -> Self:
        """Factorize plain ids, (n_samples,)."""
        numbers, ids = pd.factorize(values)
        return cls(np.asarray(ids), numbers.astype(np.int32))

    @property
    def rows(self) -> NDArray[np.generic]:
        """The id of each row, (n_samples,)."""
        return self.ids.take(self.numbers)

    def take(self, rows: NDArray[np.bool_]) -> "IdColumn":
        """The rows where the mask (n_samples,) is True, and the ids that occur in them."""
        kept = IdColumn.of(self.numbers[rows])
        return IdColumn(self.ids[kept.ids], kept.numbers)


def named_columns(X: NDArray[np.generic] | pd.DataFrame) -> list[tuple[object, Column]]:
    """Name, or number, and values of each column."""
    if isinstance(X, pd.DataFrame):
        return list(X.items())
    return [(place, X[:, place]) for place in range(X.shape[1])]


def read_id_column(column: Column, label: str, place: Place = IN_ROW) -> tuple[IdColumn, IdType]:
    """Check and factorize a column of hashable ids, (n_samples,); also its type, for :class:`Vocabulary`.

    Ids that Python calls equal (True, 1 and 1.0) are one id, spelled as it was first seen.
    """
    series = _as_series(column)
    numbers, found = _factorized(series, label, place)
    if len(numbers) and numbers.min() < 0:
        row = int(np.argmin(numbers))
        value = column.iloc[row] if isinstance(column, pd.Series) else column[row]
        raise ValueError(
            f"{label} contains a missing id (NaN, None or the like), {short_repr(value)} {place(row)}: "
            "drop such rows or give them an id."
        )
    if not isinstance(column, pd.Series):  # objects of NumPy or of a list
        found = found.infer_objects()
    dtype = _storable(series.dtype if series.dtype != object else found.dtype)
    if isinstance(series.dtype, pd.CategoricalDtype):
        categories = series.cat.categories
        dtype = {
            "categories": read_id_column(categories.to_series(), label)[0].ids,
            "ordered": bool(series.cat.ordered),
        }
        found = found.astype(categories.dtype)
    ids = _plain(found)
    _check_ids(ids, numbers, label, place)
    return IdColumn(ids, numbers.astype(np.int32)), dtype


def read_id_list(
    ids: object, label: str, known_ids: NDArray[np.generic] | None = None
) -> NDArray[np.generic]:
    """Check one id or several, -> (n,).

    A list, array, Series, Index, set, range, view of a dict or iterator holds several ids. Anything else is
    one id, also a tuple. A list of booleans is refused as a mask, unless the ids of fit, `known_ids`, are
    booleans too.
    """
    if type(ids) is str:
        return object_array([ids])
    if type(ids) is int and abs(ids) < _LARGEST_INT:
        return np.array([ids], dtype=np.int64)
    column = _id_list_as_column(ids)
    if column.ndim != 1:
        raise ValueError(f"{label} must be one id or a list of ids, got an array of shape {column.shape}.")
    is_list = not pd.api.types.is_scalar(ids)
    if is_list and _are_booleans(column) and (known_ids is None or not _are_booleans(known_ids)):
        raise ValueError(
            f"{label} is a list of {len(column)} booleans, which looks like a mask: pass the ids that it "
            "selects, as in ids[mask]."
        )
    return read_id_column(column, label)[0].rows


def _id_list_as_column(ids: object) -> Column:
    if not pd.api.types.is_scalar(ids):
        ids = as_pandas(ids)
    if isinstance(ids, (pd.Series, np.ndarray)):
        return ids
    if isinstance(ids, pd.Index):
        return ids.to_series()
    if isinstance(ids, pd.api.extensions.ExtensionArray):
        return pd.Series(ids)
    return object_array(list(ids) if isinstance(ids, _LISTS) else [ids])


def _are_booleans(ids: Column) -> bool:
    return len(ids) > 0 and pd.api.types.infer_dtype(ids, skipna=False) == "boolean"


def read_targets(y: object, place: Place = AT_POSITION) -> NDArray[np.float64]:
    """Check ratings, (n_samples,): finite numbers; a column (n_samples, 1) is flattened with a warning."""
    column = _as_array(y, "Ratings")
    if column.ndim == 2 and column.shape[1] == 1:
        column = column_or_1d(column, warn=True)
    return _finite_numbers(column, "Ratings", place)


def read_weights(sample_weight: object, n_samples: int) -> NDArray[np.float64]:
    """Check sample weights, (n_samples,), a number for all rows, or None for 1: at least 0, not all 0."""
    if sample_weight is None:
        return np.broadcast_to(1.0, n_samples)  # takes no memory
    if isinstance(sample_weight, Number):
        sample_weight = np.full(n_samples, sample_weight)
    weights = read_weight_column(sample_weight)
    check_length(weights, n_samples, "sample weights")
    if not weights.any():
        raise ValueError("Sample weights are all zero: at least one row needs a weight above 0.")
    return weights


def read_weight_column(sample_weight: object, place: Place = AT_POSITION) -> NDArray[np.float64]:
    """Check sample weights, (n_samples,): finite numbers of at least 0."""
    weights = _finite_numbers(_as_array(sample_weight, "Sample weights"), "Sample weights", place)
    if weights.min(initial=0) < 0:
        row = int(np.argmin(weights))
        raise ValueError(
            f"Sample weights must not be negative, got {weights[row]} {place(row)}: use 0 to drop a row."
        )
    return weights


def check_length(values: NDArray[np.float64], n_rows: int, what: str) -> None:
    """Refuse ratings or weights, (n,), of another length than X."""
    if len(values) != n_rows:
        raise ValueError(f"X has {n_rows} rows but there are {len(values)} {what}: pass one for each row.")


def check_id(item: object, row: int, label: str, place: Place = IN_ROW) -> None:
    """Refuse an id that cannot be hashed, is complex or infinite; `row` and `label` tell where it stands."""
    try:
        hash(item)
    except TypeError:
        raise TypeError(
            f"{label}: argument must be a string or a number as an id, got {short_repr(item)} {place(row)}."
        ) from None
    if isinstance(item, (complex, np.complexfloating)):
        raise ValueError(
            f"Complex data not supported: {label} contains {short_repr(item)} {place(row)}, "
            "make it a real number or text."
        )
    if isinstance(item, (float, np.floating)) and math.isinf(item):
        raise ValueError(
            f"{label} contains infinity, {short_repr(item)} {place(row)}: drop such rows or give them an id."
        )


def short_repr(value: object) -> str:
    """Spell a value in one line of at most 60 characters, for an error."""
    plain = value.item() if isinstance(value, np.generic) and value.dtype.kind not in "mM" else value
    text = " ".join(_REPR.repr(plain).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _as_series(column: Column) -> pd.Series:
    """Series of a type that pandas can factorize; objects where it cannot, as of Arrow's string_view."""
    if isinstance(column, pd.Series):
        try:
            _ = column.dtype.type
        except NotImplementedError:
            return pd.Series(column.array.to_numpy(dtype=object), dtype=object)
        return column
    if column.dtype.kind in "OTUSV":
        return pd.Series(column.astype(object, copy=False), dtype=object, copy=False)
    return pd.Series(column, copy=False)


def _factorized(series: pd.Series, label: str, place: Place) -> tuple[NDArray[np.intp], pd.Series]:
    """Number of each row, -1 where the id is missing, and the distinct ids, (n,) -> (n,), (n_ids,)."""
    values = _plain(series) if isinstance(series.dtype, np.dtype) else series.array
    try:
        numbers, found = pd.factorize(values)
    except (TypeError, NotImplementedError):  # Arrow cannot hash lists, nor all that Python can
        items = series.to_numpy(dtype=object)
        for row, item in enumerate(items):
            check_id(item, row, label, place)
        numbers, found = pd.factorize(items)
    return numbers, pd.Series(found, dtype=found.dtype)


def _plain(series: pd.Series) -> NDArray[np.generic]:
    """NumPy array of numbers, dates, or objects."""
    return series.to_numpy(dtype=_numpy_dtype(series.dtype))


def _numpy_dtype(dtype: object) -> np.dtype:
    """NumPy type that holds the ids; objects for text, dates of Arrow, times with a zone and all else."""
    if isinstance(dtype, pd.ArrowDtype):
        arrow = dtype.pyarrow_dtype
        if str(arrow).startswith("date") or getattr(arrow, "tz", None):
            return np.dtype(object)
    with contextlib.suppress(TypeError, NotImplementedError):  # Arrow types without a NumPy type
        dtype = getattr(dtype, "numpy_dtype", dtype)
    if not isinstance(dtype, np.dtype) or dtype.kind not in "biufcmM":
        return np.dtype(object)
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        return np.dtype(np.float64)  # pandas hashes no other floats
    return dtype


def _storable(dtype: object) -> IdType:
    """The column type as plain data; "object" where neither pandas nor Arrow can read it back."""
    if isinstance(dtype, np.dtype) and dtype.kind in "biufO":
        return str(dtype)
    with contextlib.suppress(TypeError, ValueError, NotImplementedError):
        if pd.api.types.pandas_dtype(str(dtype)) == dtype or not isinstance(dtype, pd.ArrowDtype):
            return str(dtype)
    if isinstance(dtype, pd.ArrowDtype):
        import pyarrow as pa

        return {"arrow_schema": pa.schema({"ids": dtype.pyarrow_dtype}).serialize().to_pybytes()}
    return "object"


def _check_ids(ids: NDArray[np.generic], numbers: NDArray[np.intp], label: str, place: Place) -> None:
    """Refuse ids that cannot be looked up or put in order, and infinity, (n_ids,), (n,)."""
    if ids.dtype.kind in "fc":
        suspects = np.flatnonzero(~np.isfinite(ids) | np.iscomplexobj(ids))[:1]
    elif ids.dtype == object and pd.api.types.infer_dtype(ids, skipna=False) != "string":
        suspects = np.arange(len(ids))
    else:
        return
    first_rows = np.searchsorted(np.maximum.accumulate(numbers), suspects)
    for number, row in zip(suspects, first_rows, strict=True):
        check_id(ids[number], row, label, place)


def _as_array(values: Any, what: str) -> NDArray[np.generic]:
    """Ratings or weights as an array of any shape and of any type but complex numbers."""
    values = as_pandas(values)
    if isinstance(values, pd.Series) and isinstance(values.dtype, np.dtype):
        values = values.to_numpy()  # scikit-learn checks an array faster
    is_array = hasattr(values, "dtype")
    if is_array and np.iscomplexobj(values):
        raise ValueError(
            f"Complex data not supported: {what} must be real numbers, got {short_repr(values)}."
        )
    dtype = None if is_array else object
    return check_array(
        values, dtype=dtype, ensure_2d=False, ensure_all_finite=False, ensure_min_samples=0, input_name=what
    )


def _finite_numbers(column: NDArray[np.generic], what: str, place: Place) -> NDArray[np.float64]:
    """Finite float64 numbers, or an error about the first value that is none, (n,) -> (n,)."""
    if column.ndim != 1:
        raise ValueError(
            f"{what} must be a 1d array, got an array of shape {column.shape}: pass one number for each row."
        )
    numbers = _as_floats(column)
    if numbers is None:
        row = next((row for row, value in enumerate(column) if not _is_number(value)), 0)
        raise ValueError(
            f"{what} must be numbers, got {short_repr(column[row])} {place(row)}: convert or drop such rows."
        )
    bad = ~(np.abs(numbers) <= _LARGEST)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{what} must be finite numbers of at most {_LARGEST:g} in size, got {numbers[row]} "
            f"{place(row)}: correct or drop such rows."
        )
    return numbers


def _as_floats(column: NDArray[np.generic]) -> NDArray[np.float64] | None:
    """The numbers as float64, None where there is text, a date or anything else, (n,) -> (n,)."""
    has_others = column.dtype == object and any(isinstance(value, _NO_NUMBERS) for value in column)
    if has_others or column.dtype.kind in "mMUS":
        return None
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        return np.asarray(column, dtype=np.float64)
    return None


def _is_number(value: Any) -> bool:
    if isinstance(value, _NO_NUMBERS):
        return False
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
