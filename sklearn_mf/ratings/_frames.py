"""Tables and columns of other libraries as those of pandas; lists of rows as arrays of objects."""

from collections.abc import Collection, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

_READ_AS_THEY_ARE = (np.ndarray, pd.DataFrame, pd.Series, pd.Index, str, bytes, type)


def as_table(X: object) -> Any:
    """X as ndarray or DataFrame where it is a list of rows or a frame; anything else as it is.

    Lists become arrays of objects, so that 3 beside "u1" stays 3.
    """
    if isinstance(X, (list, tuple)):
        return _rows_to_table(X)
    if isinstance(X, np.ndarray) and X.dtype.kind == "T":
        return X.astype(object)
    return as_pandas(X)


def as_pandas(values: object) -> object:
    """A frame or column of another library as that of pandas, ids exact; anything else as it is.

    narwhals reads polars, pyarrow, modin and cudf; other objects that export Arrow data are read by pyarrow.
    Lazy frames and masked values are refused.
    """
    if isinstance(values, np.ma.MaskedArray):
        return _unmasked(values)
    if isinstance(values, _READ_AS_THEY_ARE):
        return values
    _refuse_dask(values)
    try:
        found = nw.from_native(_arrow_table(values), pass_through=True, allow_series=True)
    except nw.exceptions.DuplicateError as error:
        name = str(error).split("'")[1]
        raise ValueError(f"Column {name!r} stands in X more than once: rename it.") from error
    if isinstance(found, nw.LazyFrame):
        raise _not_computed(values, "toPandas()" if found.implementation.is_spark_like() else "collect()")
    if isinstance(found, nw.DataFrame):
        return _frame_to_pandas(found)
    return _column_to_pandas(found) if isinstance(found, nw.Series) else values


def object_array(items: Collection[object]) -> NDArray[np.object_]:
    """1-D array of the items as they are, even where they are sequences themselves, (n,)."""
    return np.fromiter(items, dtype=object, count=len(items))


def _unmasked(values: np.ma.MaskedArray) -> NDArray[np.generic]:
    mask = np.ma.getmaskarray(values)
    if mask.any():
        place = np.unravel_index(int(mask.argmax()), mask.shape)[0] if mask.ndim else 0
        raise ValueError(
            f"Masked arrays are taken only where nothing is masked, got {int(mask.sum())} masked values, the "
            f"first in row {place}: drop such rows, as in array[~mask]."
        )
    return np.asarray(values)


def _refuse_dask(values: object) -> None:
    """Refuse arrays, frames and columns of dask, which follow its protocol for collections."""
    graph = getattr(values, "__dask_graph__", None)
    if callable(graph) and graph() is not None:
        raise _not_computed(values, "compute()")


def _not_computed(values: object, call: str) -> TypeError:
    library = type(values).__module__.partition(".")[0]
    return TypeError(
        f"A {library} {type(values).__name__} holds no values before it is computed: pass what its {call} "
        "returns."
    )


def _arrow_table(values: object) -> object:
    """Arrow table or column of an object that exports Arrow data but that narwhals does not read."""
    if nw.dependencies.is_into_dataframe(values) or nw.dependencies.is_into_series(values):
        return values
    is_array, is_stream = (hasattr(values, f"__arrow_c_{kind}__") for kind in ("array", "stream"))
    if not (is_array or is_stream) or isinstance(values, nw.LazyFrame):
        return values
    import pyarrow as pa

    chunks = pa.chunked_array(values if is_stream else [pa.array(values)])
    return pa.Table.from_struct_array(chunks) if pa.types.is_struct(chunks.type) else chunks


def _frame_to_pandas(frame: nw.DataFrame) -> pd.DataFrame:
    if frame.implementation.is_pandas_like():
        return frame.to_pandas()
    columns = {name: _column_to_pandas(frame[name]) for name in frame.columns}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(frame)))


def _column_to_pandas(column: nw.Series) -> pd.Series:
    """Column with the same ids, a missing one as None: neither integers nor times pass through floats."""
    if column.implementation.is_pandas_like():
        return column.to_pandas()
    dtype = column.dtype
    if column.is_null().any():
        return pd.Series(object_array(column.to_list()), dtype=object)
    if isinstance(dtype, nw.Datetime) and dtype.time_zone:
        instants = pd.DatetimeIndex(column.to_numpy()).tz_localize("UTC")
        return instants.tz_convert(dtype.time_zone).to_series(index=pd.RangeIndex(len(column)))
    if isinstance(dtype, (nw.Datetime, nw.Duration, nw.Boolean)) or _is_number(dtype):
        return pd.Series(column.to_numpy(), copy=False)
    if isinstance(dtype, nw.Date):
        return pd.Series(column.to_numpy().astype(object), dtype=object)
    items = object_array(column.to_list())
    return pd.Series(items, dtype="str" if isinstance(dtype, nw.String) else object).infer_objects()


def _is_number(dtype: nw.dtypes.DType) -> bool:
    """Whether NumPy holds all numbers of this type: it has no decimals and no integers of 128 bits."""
    exact = not isinstance(dtype, (nw.Decimal, nw.Int128, nw.UInt128))
    return dtype.is_numeric() and exact


def _rows_to_table(rows: Sequence[Sequence[object]]) -> NDArray[np.object_]:
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
