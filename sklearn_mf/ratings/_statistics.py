"""Sums over ratings that can be added, chunk by chunk."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.ratings._ratings import Ratings


@dataclass(frozen=True)
class RatingStatistics:
    """Additive statistics of ratings, each repetition of a cell counted for itself.

    Parameters
    ----------
    weight : float
        Sum W of the sample weights w.
    mean : float
        Weighted mean of the ratings.
    centred_squares : float
        Weighted sum of squared distances from `mean`.
    squares : float
        Weighted sum of squares.
    id_weights : list of ndarray of shape (n_ids[f],), float64
        Sum of the weights of the ratings of each id of each field.
    """

    weight: float
    mean: float
    centred_squares: float
    squares: float
    id_weights: list[NDArray[np.float64]]

    @classmethod
    def of(cls, ratings: Ratings) -> Self:
        """Statistics of some ratings."""
        targets, weights, within = ratings.targets, ratings.weights, ratings.within_square_sum
        weight = ratings.total_weight
        # Distances from the first rating: the mean of constant ratings is then exactly that rating.
        mean = targets[0] + float(weights @ (targets - targets[0])) / weight
        centred_squares = float(weights @ (targets - mean) ** 2) + within
        squares = float(weights @ targets**2) + within
        id_weights = [ratings.id_weights(field) for field in range(ratings.n_fields)]
        return cls(weight, float(mean), centred_squares, squares, id_weights)

    @property
    def sums(self) -> NDArray[np.float64]:
        """The numbers that describe all ratings, in the order of the fields: (4,)."""
        return np.array([self.weight, self.mean, self.centred_squares, self.squares])

    def __add__(self, other: Self) -> Self:
        """Statistics of both sets of ratings, over the same ids (Chan, Golub and LeVeque 1983)."""
        weight = self.weight + other.weight
        step = other.mean - self.mean
        return type(self)(
            weight,
            self.mean + step * (other.weight / weight),
            self.centred_squares + other.centred_squares + step**2 * (self.weight * other.weight / weight),
            self.squares + other.squares,
            [mine + theirs for mine, theirs in zip(self.id_weights, other.id_weights, strict=True)],
        )

    def intercept_and_scale(self, centre: bool) -> tuple[float, float]:
        """Mean and standard deviation of the ratings, or 0 and their root mean square where not `centre`.

        The scale is 1 where it is 0 up to rounding: where all ratings are equal, or all are 0.
        """
        intercept, squares = (self.mean, self.centred_squares) if centre else (0.0, self.squares)
        scale = float(np.sqrt(squares / self.weight))
        rounding = 8 * np.finfo(np.float64).eps * abs(intercept)
        return intercept, scale if scale > rounding else 1.0
