"""Ids with ratings: a solver's tables hold no others, so that a fit costs what the ratings cost."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings

# Type of the numbers of an array.
Scalar = TypeVar("Scalar", bound=np.generic)
# Ratings that are read at a time: bounds the memory.
_CHUNK = 2**18


@dataclass(frozen=True)
class RatedIds:
    """The ids of each field that occur among some ratings.

    Parameters
    ----------
    codes : list of ndarray of shape (n_rated[f],), intp
        Their codes, sorted.
    n_ids : tuple of int, of length n_fields
        Number of all ids.
    """

    codes: list[NDArray[np.intp]]
    n_ids: tuple[int, ...]

    @classmethod
    def of(cls, ratings: Ratings, held_out: Ratings | None = None) -> Self:
        """Find the ids of the ratings of training and, where there are any, of those held out."""
        occurs = [np.zeros(n, dtype=bool) for n in ratings.n_ids]
        for source in [ratings] if held_out is None else [ratings, held_out]:
            for rows in chunks(source):  # assignment by codes copies them as int64
                for mask, codes in zip(occurs, source.codes[rows].T, strict=True):
                    mask[codes] = True
        return cls(list(map(np.flatnonzero, occurs)), ratings.n_ids)

    @property
    def are_all(self) -> bool:
        """Whether every id has ratings."""
        return tuple(map(len, self.codes)) == self.n_ids

    def numbers(self) -> list[NDArray[np.int32]]:
        """Number of each code among the rated ids of its field, (n_ids[f],); of no meaning for the others."""
        numbers = [np.empty(n, dtype=np.int32) for n in self.n_ids]
        for number, codes in zip(numbers, self.codes, strict=True):
            number[codes] = np.arange(len(codes), dtype=np.int32)
        return numbers

    def take(self, model: Model) -> Model:
        """The rows of the rated ids of a model."""
        if self.are_all:
            return model
        return replace(
            model,
            embeddings=[rows[codes] for rows, codes in zip(model.embeddings, self.codes, strict=True)],
            biases=[rows[codes] for rows, codes in zip(model.biases, self.codes, strict=True)],
            epochs=[rows[codes] for rows, codes in zip(model.epochs, self.codes, strict=True)],
        )

    def put_back(self, rated: Model, model: Model) -> Model:
        """The model with the rows of its rated ids replaced; the arrays of `model` are copied."""
        if self.are_all:
            return rated
        return replace(
            rated,
            embeddings=put_back(rated.embeddings, self.codes, model.embeddings),
            biases=put_back(rated.biases, self.codes, model.biases),
            epochs=put_back(rated.epochs, self.codes, model.epochs),
        )


class NumberedRatings:
    """Ratings with codes that count the rated ids alone, read some rows at a time: nothing is copied."""

    def __init__(self, ratings: Ratings, ids: RatedIds) -> None:
        self.ratings = ratings
        self.n_ids = tuple(map(len, ids.codes))
        self._ids = ids
        self._numbers = None if ids.are_all else ids.numbers()

    def __len__(self) -> int:
        return len(self.ratings.targets)

    def codes(self, rows: slice) -> NDArray[np.int32]:
        """Codes of some rows, (n_rows, n_fields); a view where all ids are rated."""
        codes = self.ratings.codes[rows]
        if self._numbers is None:
            return codes
        pairs = zip(self._numbers, codes.T, strict=True)
        return np.column_stack([numbers.take(column) for numbers, column in pairs])

    def id_weights(self) -> list[NDArray[np.float64]]:
        """Summed weights of the ratings of each rated id of each field, (n_ids[f],)."""
        return [self.ratings.id_weights(field)[codes] for field, codes in enumerate(self._ids.codes)]


def chunks(ratings: Ratings) -> Iterator[slice]:
    """Slices of rows, of a size that bounds the memory of work on one of them."""
    return gen_batches(len(ratings.targets), _CHUNK)


def chunks_of_ids(ratings: Ratings) -> Iterator[slice]:
    """Slices of rows as `chunks`, each of all ratings of some ids of the first field, or of one id."""
    ids = ratings.codes[:, 0]
    starts = np.unique(np.searchsorted(ids, ids[::_CHUNK]))
    return itertools.starmap(slice, itertools.pairwise([*starts.tolist(), len(ids)]))


def put_back(
    rows: Sequence[NDArray[Scalar]], codes: Sequence[NDArray[np.integer]], arrays: Sequence[NDArray[Scalar]]
) -> list[NDArray[Scalar]]:
    """Copies of arrays (n_ids[f], ...) over all ids, with rows (n[f], ...) in the places of codes (n[f],)."""
    copies = [array.copy() for array in arrays]
    for copy, places, values in zip(copies, codes, rows, strict=True):
        copy[places] = values
    return copies
