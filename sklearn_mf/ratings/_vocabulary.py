"""The ids of one field and their codes: sorted ids, row numbers, -1 for an unknown id."""

import contextlib
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.ratings._columns import IdColumn, IdType

# Ids in the type that the user gave.
Values = NDArray[np.generic] | pd.api.extensions.ExtensionArray | pd.Series

# Up to this many ids a binary search beats building a hash of the whole vocabulary.
_FEW = 16


@dataclass(frozen=True)
class Vocabulary:
    """Sorted distinct ids of one field.

    Parameters
    ----------
    ids : ndarray of shape (n_ids,)
        Distinct ids in sorted order; numbers before other types where types are mixed.
    dtype : str or dict
        The column type that the user gave: its name in pandas, the arguments of a `CategoricalDtype`, or a
        serialised Arrow schema.
    """

    ids: NDArray[np.generic]
    dtype: IdType

    @classmethod
    def learn(
        cls, column: IdColumn, dtype: IdType, known: NDArray[np.generic] | None = None
    ) -> tuple["Vocabulary", NDArray[np.int32], NDArray[np.int32]]:
        """Number the ids of a column in sorted order, together with `known` ids (n_known,).

        Returns the vocabulary, the code of each row, (n_samples,), and that of each known id, (n_known,). Ids
        that Python calls equal (True, 1 and 1.0) are one id, spelled as it was first seen.
        """
        n_known = 0 if known is None else len(known)
        distinct = IdColumn.of(column.ids if known is None else _joined(known, column.ids))
        order = sorted_order(distinct.ids)
        rank = np.empty(len(order), dtype=np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        codes, ids = rank[distinct.numbers], distinct.ids[order]
        vocabulary = cls(ids, dtype if known is None else compatible_dtype(dtype, ids))
        return vocabulary, codes[n_known:].take(column.numbers), codes[:n_known]

    def codes(self, values: NDArray[np.generic]) -> NDArray[np.intp]:
        """Code of each id, -1 where it is unknown, (n,) -> (n,); types that compare equal may differ."""
        few = len(values) <= _FEW and len(self.ids) > 0
        if few and values.dtype == self.ids.dtype and self._sorted_by_value:
            with contextlib.suppress(TypeError):  # an id of a type that does not compare with text
                return self._search(values)
        index, query = pd.Index(self.ids, dtype=self.ids.dtype), pd.Index(values, dtype=values.dtype)
        if self.ids.dtype.kind == values.dtype.kind:
            with contextlib.suppress(pd.errors.OutOfBoundsDatetime, pd.errors.OutOfBoundsTimedelta):
                return index.get_indexer(query)
        # Compare as Python does: 3 == 3.0, and "3" != 3; also dates out of the range of the other's unit.
        return index.astype(object).get_indexer(query.astype(object))

    @property
    def _sorted_by_value(self) -> bool:
        """Whether all ids are numbers, dates or text; ids of mixed types are sorted by type first."""
        return self.ids.dtype != object or all(isinstance(self.ids[end], str) for end in (0, -1))

    def _search(self, values: NDArray[np.generic]) -> NDArray[np.intp]:
        places = np.searchsorted(self.ids, values)
        places[places == len(self.ids)] = 0
        return np.where(self.ids[places] == values, places, -1)

    def column(self, ids: NDArray[np.generic]) -> pd.Series:
        """Ids of this field as a column of the type that the user gave, (n,) -> (n,)."""
        same = self.dtype == str(ids.dtype)  # looking up the name of a type takes longer than the column
        return pd.Series(ids, dtype=ids.dtype if same else _pandas_dtype(self.dtype))

    def column_of(self, codes: NDArray[np.integer]) -> pd.Series:
        """Ids of codes, none of them -1, as a column of the type that the user gave, (n,) -> (n,)."""
        return pd.Series(self.values_of(codes))

    def values_of(self, codes: NDArray[np.integer]) -> Values:
        """Values of `column_of` from which a frame is made faster than from a Series, (n,) -> (n,).

        An array, except for objects, since pandas would read an array of them as text.
        """
        if self.ids.dtype != object and self.dtype == str(self.ids.dtype):
            return self.ids[codes]
        few = len(codes) <= len(self.ids)
        column = self.column(self.ids[codes] if few else self.ids)  # converts each id once
        values = column.array if few else column.array.take(codes)
        return pd.Series(values, dtype=column.dtype) if column.dtype == object else values


def compatible_dtype(dtype: IdType, ids: NDArray[np.generic]) -> IdType:
    """The column type `dtype` if it can hold these ids (n,), else the nearest that can."""
    if isinstance(dtype, dict) and "categories" in dtype:
        categories = dtype["categories"]
        added = ids[~pd.Series(ids).isin(categories)]
        return {"categories": np.concatenate([categories, added]), "ordered": dtype["ordered"]}
    if dtype == str(ids.dtype):
        return dtype
    plain = pd.Series(ids, dtype=ids.dtype)
    with contextlib.suppress(TypeError, ValueError, OverflowError, NotImplementedError):
        if (pd.Series(ids, dtype=_pandas_dtype(dtype)).astype(object) == plain.astype(object)).all():
            return dtype
    return str(ids.dtype)


def sorted_order(ids: NDArray[np.generic]) -> NDArray[np.intp]:
    """Positions that sort distinct ids, (n_ids,) -> (n_ids,); TypeError where ids of one type do not compare.

    Ids of several types are grouped by type, numbers first, then by name of type.
    """
    if ids.dtype != object:
        return np.argsort(ids, kind="stable")
    with contextlib.suppress(TypeError):
        return _strict_order(list(ids))
    try:
        return _strict_order([_type_and_id(item) for item in ids])
    except TypeError as error:
        raise TypeError(f"Ids must be numbers, text or dates that can be put in order: {error}.") from error


def _pandas_dtype(dtype: IdType) -> "str | pd.CategoricalDtype | pd.ArrowDtype":
    if isinstance(dtype, str):
        return dtype
    if "categories" in dtype:
        return pd.CategoricalDtype(**dtype)
    import pyarrow as pa

    return pd.ArrowDtype(pa.ipc.read_schema(pa.py_buffer(dtype["arrow_schema"])).field(0).type)


def _joined(known: NDArray[np.generic], values: NDArray[np.generic]) -> NDArray[np.generic]:
    """One array of both; numbers of different types as objects, since a float cannot hold every integer."""
    if known.dtype.kind == values.dtype.kind:
        return np.concatenate([known, values])
    return np.concatenate([known.astype(object), values.astype(object)])


def _strict_order(keys: list[Any]) -> NDArray[np.intp]:
    order = sorted(range(len(keys)), key=keys.__getitem__)
    if not all(keys[place] < keys[following] for place, following in itertools.pairwise(order)):
        raise TypeError("they compare only in part, as sets do")
    return np.array(order, dtype=np.intp)


def _type_and_id(item: object) -> tuple[str, object]:
    return "" if isinstance(item, (int, float, np.number, np.bool_)) else type(item).__name__, item
