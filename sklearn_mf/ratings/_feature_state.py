"""Tables of features as plain values, for pickle and skops, and back."""

from collections.abc import Hashable
from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sklearn_mf.ratings._feature_tables import is_matrix_pair, is_missing
from sklearn_mf.ratings._frames import as_pandas

Values = NDArray[np.generic] | list[object]


class PlainFrame(TypedDict):
    """A DataFrame: name of the index, and dtype and values of the index and of each column."""

    index_name: Hashable
    index: tuple[str, Values]
    columns: dict[Hashable, tuple[str, Values]]


class PlainRows(TypedDict):
    """A sparse matrix in CSR form, by its arrays."""

    data: NDArray[np.float64]
    indices: NDArray[np.integer]
    indptr: NDArray[np.integer]
    shape: tuple[int, int]


def to_plain_rows(rows: csr_array) -> PlainRows:
    """Arrays of a sparse matrix."""
    return PlainRows(data=rows.data, indices=rows.indices, indptr=rows.indptr, shape=rows.shape)


def from_plain_rows(plain: PlainRows) -> csr_array:
    """Sparse matrix of its arrays, which are not copied."""
    return csr_array((plain["data"], plain["indices"], plain["indptr"]), shape=plain["shape"])


def to_plain(features: object) -> object:
    """The parameter `features` with plain values in place of frames; other values as they are."""
    return {key: _plain(table) for key, table in features.items()} if isinstance(features, dict) else features


def from_plain(features: object) -> object:
    """The parameter `features` from its plain values."""
    return {key: _frame(table) for key, table in features.items()} if isinstance(features, dict) else features


def _plain(table: object) -> object:
    if isinstance(table, tuple) and is_matrix_pair(table):
        rows = csr_array(table[1])  # type: ignore[call-overload]
        return {"ids": np.asarray(table[0]), "rows": to_plain_rows(rows)}
    frame = as_pandas(table)
    frame = frame.to_frame() if isinstance(frame, pd.Series) else frame
    if not isinstance(frame, pd.DataFrame):
        return table
    columns = {name: _plain_column(column) for name, column in frame.items()}
    return PlainFrame(
        index_name=frame.index.name, index=_plain_column(frame.index.to_series()), columns=columns
    )


def _plain_column(column: pd.Series) -> tuple[str, Values]:
    """Name of the dtype, and values: an array of numbers or times, else a list, None where one is missing."""
    if pd.api.types.infer_dtype(column, skipna=True) in ("date", "datetime"):
        column = pd.to_datetime(column)  # objects of Python
    dtype = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype):
        return str(dtype), column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    if isinstance(dtype, np.dtype) and dtype.kind in "biufmM":
        return str(dtype), column.to_numpy()
    values = [None if is_missing(value) else value for value in column]
    is_arrow_list = isinstance(dtype, pd.ArrowDtype) and column.dtype.kind == "O"
    return "object" if is_arrow_list else _name_of(dtype), values


def _name_of(dtype: object) -> str:
    return "category" if isinstance(dtype, pd.CategoricalDtype) else str(dtype)


def _frame(table: object) -> object:
    if isinstance(table, dict) and "ids" in table:
        return table["ids"], from_plain_rows(table["rows"])
    if not (isinstance(table, dict) and table.keys() == PlainFrame.__annotations__.keys()):
        return table
    index = pd.Index(_column(*table["index"]), name=table["index_name"])
    columns = {name: _column(*column).set_axis(index) for name, column in table["columns"].items()}
    return pd.DataFrame(columns, index=index)


def _column(dtype: str, values: Values) -> pd.Series:
    if dtype.startswith("datetime64") and "," in dtype:  # with a time zone
        return pd.Series(values).dt.tz_localize("UTC").astype(dtype)
    return pd.Series(values, dtype=dtype)
