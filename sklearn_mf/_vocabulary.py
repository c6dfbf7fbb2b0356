"""The ids of one field and their codes: sorted ids, row numbers, -1 for an unknown id."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
        cls, values: NDArray[Any], dtype: str | dict[str, Any], known: NDArray[Any] | None = None
    ) -> tuple["Vocabulary", NDArray[np.int32], NDArray[np.int32]]:
        """Number the ids of a column in sorted order, beside ids known before.

        Ids that Python calls equal (True, 1 and 1.0) are one id, spelled as it was first seen.

        Parameters
        ----------
        values : ndarray of shape (n_samples,)
            One id for each rating.
        dtype : str or dict
            The column type to give ids back in.
        known : ndarray of shape (n_known,), default=None
            Further distinct ids that the vocabulary holds whether or not they occur in `values`.

        Returns
        -------
        vocabulary : Vocabulary
            The sorted ids.
        codes : ndarray of shape (n_samples,), int32
            The row number of each value.
        known_codes : ndarray of shape (n_known,), int32
            The row number of each known id.
        """
        n_known = 0 if known is None else len(known)
        column = values if known is None else np.concatenate([known, values])
        codes, ids = pd.factorize(column)
        ids = np.asarray(ids)
        order = sorted_order(ids)
        rank = np.empty(len(ids), dtype=np.int32)
        rank[order] = np.arange(len(ids), dtype=np.int32)
        codes = rank[codes]
        return cls(ids[order], dtype), codes[n_known:], codes[:n_known]

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
        if len(values) <= _FEW and values.dtype == self.ids.dtype:
            try:
                return self._search(values)
            except TypeError:  # mixed ids that Python cannot order
                pass
        index, query = pd.Index(self.ids, dtype=self.ids.dtype), pd.Index(values, dtype=values.dtype)
        if self.ids.dtype.kind != values.dtype.kind:  # compare as Python does: 3 == 3.0, and "3" != 3
            index, query = index.astype(object), query.astype(object)
        return index.get_indexer(query)

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
        return pd.Series(ids, dtype=dtype)  # type: ignore[arg-type]


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
        Where ids of one type do not compare with each other.
    """
    try:
        return np.argsort(ids, kind="stable")
    except TypeError:
        pass
    try:
        return np.array(sorted(range(len(ids)), key=lambda place: _type_and_id(ids[place])), dtype=np.intp)
    except TypeError as error:
        raise TypeError(f"Ids must be numbers, text or dates that can be put in order: {error}.") from error


def _type_and_id(item: Any) -> tuple[str, Any]:
    return "" if isinstance(item, (int, float, np.number, np.bool_)) else type(item).__name__, item
