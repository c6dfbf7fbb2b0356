"""The ids of one field and their codes: sorted ids, row numbers, -1 for an unknown id."""

import contextlib
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.ratings._columns import IdColumn

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
        The column type that the user gave, as pandas spells it, or the `categories` and `ordered` of a
        categorical column; see :meth:`column`.
    """

    ids: NDArray[Any]
    dtype: str | dict[str, Any]

    @classmethod
    def learn(
        cls, column: IdColumn, dtype: str | dict[str, Any], known: NDArray[Any] | None = None
    ) -> tuple["Vocabulary", NDArray[np.int32], NDArray[np.int32]]:
        """Number the ids of a column in sorted order, beside ids known before.

        Ids that Python calls equal (True, 1 and 1.0) are one id, spelled as it was first seen.

        Parameters
        ----------
        column : IdColumn
            One id for each rating.
        dtype : str or dict
            The column type to give ids back in.
        known : ndarray of shape (n_known,), default=None
            Further distinct ids that the vocabulary holds whether or not they occur in the column.

        Returns
        -------
        vocabulary : Vocabulary
            The sorted ids.
        codes : ndarray of shape (n_samples,), int32
            The row number of each rating's id.
        known_codes : ndarray of shape (n_known,), int32
            The row number of each known id.
        """
        n_known = 0 if known is None else len(known)
        distinct = IdColumn.of(column.ids if known is None else _joined(known, column.ids))
        order = sorted_order(distinct.ids)
        rank = np.empty(len(order), dtype=np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        codes, ids = rank[distinct.numbers], distinct.ids[order]
        vocabulary = cls(ids, dtype if known is None else compatible_dtype(dtype, ids))
        return vocabulary, codes[n_known:].take(column.numbers), codes[:n_known]

    def codes(self, values: NDArray[Any]) -> NDArray[np.intp]:
        """Look ids up.

        Parameters
        ----------
        values : ndarray of shape (n_samples,)
            Ids, in any type that compares equal to that of the vocabulary.

        Returns
        -------
        codes : ndarray of shape (n_samples,), intp
            The row number of each id, -1 where it is unknown.
        """
        if len(values) <= _FEW and values.dtype == self.ids.dtype and self._sorted_by_value:
            with contextlib.suppress(TypeError):  # an id of a type that does not compare with text
                return self._search(values)
        index, query = pd.Index(self.ids, dtype=self.ids.dtype), pd.Index(values, dtype=values.dtype)
        if self.ids.dtype.kind == values.dtype.kind:
            with contextlib.suppress(pd.errors.OutOfBoundsDatetime, pd.errors.OutOfBoundsTimedelta):
                return index.get_indexer(query)
        # Compare as Python does: 3 == 3.0, and "3" != 3; also dates too far away for the other's unit.
        return index.astype(object).get_indexer(query.astype(object))

    @property
    def _sorted_by_value(self) -> bool:
        """Whether all ids are numbers, dates or text; ids of mixed types are sorted by type first."""
        return self.ids.dtype != object or all(isinstance(self.ids[end], str) for end in (0, -1))

    def _search(self, values: NDArray[Any]) -> NDArray[np.intp]:
        places = np.searchsorted(self.ids, values)
        places[places == len(self.ids)] = 0
        return np.where(self.ids[places] == values, places, -1)

    def column(self, ids: NDArray[Any]) -> "pd.Series[Any]":
        """Ids as a column of the type that the user gave.

        Parameters
        ----------
        ids : ndarray of shape (n_samples,)
            Ids of this field.

        Returns
        -------
        column : Series of shape (n_samples,)
            The same ids.
        """
        dtype = pd.CategoricalDtype(**self.dtype) if isinstance(self.dtype, dict) else self.dtype
        return pd.Series(ids, dtype=dtype)

    def column_of(self, codes: NDArray[np.integer]) -> "pd.Series[Any]":
        """Ids of row numbers as a column of the type that the user gave.

        Parameters
        ----------
        codes : ndarray of shape (n_samples,), integer
            Row numbers, none of them -1.

        Returns
        -------
        column : Series of shape (n_samples,)
            The ids.
        """
        if len(codes) <= len(self.ids):
            return self.column(self.ids[codes])
        column = self.column(self.ids)  # turns each id into text, or finds its category, once
        return pd.Series(column.array.take(codes), dtype=column.dtype)


def compatible_dtype(dtype: str | dict[str, Any], ids: NDArray[Any]) -> str | dict[str, Any]:
    """Find the column type for ids of which some came in another type.

    Parameters
    ----------
    dtype : str or dict
        The type of most.
    ids : ndarray of shape (n,)
        All of them.

    Returns
    -------
    dtype : str or dict
        The same if it can hold these ids, else the nearest that can.
    """
    if isinstance(dtype, dict):
        categories = dtype["categories"]
        return {**dtype, "categories": np.concatenate([categories, ids[~pd.Series(ids).isin(categories)]])}
    if dtype == str(ids.dtype):
        return dtype
    plain = pd.Series(ids, dtype=ids.dtype)
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        if (pd.Series(ids, dtype=dtype).astype(object) == plain.astype(object)).all():
            return dtype
    return str(ids.dtype)


def _joined(known: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    """One array of both; numbers of different types as objects, since a float cannot hold every integer."""
    if known.dtype.kind == values.dtype.kind:
        return np.concatenate([known, values])
    return np.concatenate([known.astype(object), values.astype(object)])


def sorted_order(ids: NDArray[Any]) -> NDArray[np.intp]:
    """Positions that put distinct ids in order.

    Parameters
    ----------
    ids : ndarray of shape (n_ids,)
        Distinct ids; ids of types that do not compare are grouped, numbers first, then by name of type.

    Returns
    -------
    order : ndarray of shape (n_ids,), intp
        `ids[order]` is sorted.

    Raises
    ------
    TypeError
        Where ids of one type do not compare, each with each other.
    """
    if ids.dtype != object:
        return np.argsort(ids, kind="stable")
    with contextlib.suppress(TypeError):
        return _strict_order(list(ids))
    try:
        return _strict_order([_type_and_id(item) for item in ids])
    except TypeError as error:
        raise TypeError(f"Ids must be numbers, text or dates that can be put in order: {error}.") from error


def _strict_order(keys: list[Any]) -> NDArray[np.intp]:
    order = sorted(range(len(keys)), key=keys.__getitem__)
    if not all(keys[place] < keys[following] for place, following in itertools.pairwise(order)):
        raise TypeError("they compare only in part, as sets do")
    return np.array(order, dtype=np.intp)


def _type_and_id(item: Any) -> tuple[str, Any]:
    return "" if isinstance(item, (int, float, np.number, np.bool_)) else type(item).__name__, item
