"""Ids with ratings: a solver's tables hold no others, so that a fit costs what the ratings cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings

# Type of the numbers of an array.
Scalar = TypeVar("Scalar", bound=np.generic)


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
        codes = []
        for field, n in enumerate(ratings.n_ids):
            occurs = np.zeros(n, dtype=bool)
            for source in (ratings, held_out):
                if source is not None:
                    occurs[source.codes[:, field]] = True
            codes.append(np.flatnonzero(occurs))
        return cls(codes, ratings.n_ids)

    @property
    def are_all(self) -> bool:
        """Whether every id has ratings."""
        return tuple(map(len, self.codes)) == self.n_ids

    def renumber(self, ratings: Ratings) -> Ratings:
        """The same ratings with codes that count the rated ids alone."""
        if self.are_all:
            return ratings
        numbered = np.empty_like(ratings.codes)
        for field, (codes, n) in enumerate(zip(self.codes, self.n_ids, strict=True)):
            number = np.empty(n, dtype=np.int32)
            number[codes] = np.arange(len(codes), dtype=np.int32)
            numbered[:, field] = number[ratings.codes[:, field]]
        return replace(ratings, codes=numbered, n_ids=tuple(map(len, self.codes)))

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


def put_back(
    rows: Sequence[NDArray[Scalar]], codes: Sequence[NDArray[np.integer]], arrays: Sequence[NDArray[Scalar]]
) -> list[NDArray[Scalar]]:
    """Copies of arrays (n_ids[f], ...) over all ids, with rows (n[f], ...) in the places of codes (n[f],)."""
    copies = [array.copy() for array in arrays]
    for copy, places, values in zip(copies, codes, rows, strict=True):
        copy[places] = values
    return copies
