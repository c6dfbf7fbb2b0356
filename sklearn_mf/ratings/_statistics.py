"""Sums over ratings that can be added, chunk by chunk."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_mf.ratings._ratings import Ratings

#: Function of the targets of cells, (n,) -> (n,).
TargetFunction = Callable[[NDArray[np.float64]], NDArray[np.float64]]

# Ratings that are summed at a time: bounds the memory.
_CHUNK = 2**22


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
        first, weight, within = ratings.targets[0], ratings.total_weight, ratings.within_square_sum
        # Distances from the first rating: the mean of constant ratings is then exactly that rating.
        mean = first + _weighted_sum(ratings, lambda targets: targets - first) / weight
        centred_squares = _weighted_sum(ratings, lambda targets: (targets - mean) ** 2) + within
        squares = _weighted_sum(ratings, np.square) + within
        id_weights = [ratings.id_weights(field) for field in range(ratings.n_fields)]
        return cls(weight, float(mean), centred_squares, squares, id_weights)

    @property
    def sums(self) -> NDArray[np.float64]:
        """The numbers that describe all ratings, in the order of the fields: (4,)."""
        return np.array([self.weight, self.mean, self.centred_squares, self.squares])

    @classmethod
    def of_sums(cls, sums: NDArray[np.float64], id_weights: list[NDArray[np.float64]]) -> Self:
        """Statistics from their `sums` and `id_weights`."""
        weight, mean, centred_squares, squares = map(float, sums)
        return cls(weight, mean, centred_squares, squares, id_weights)

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


def weighted_mean(ratings: Ratings, function: TargetFunction) -> float:
    """Weighted mean over the cells of a function of their targets."""
    parts = gen_batches(len(ratings.targets), _CHUNK)
    total = sum((function(ratings.targets[part]) * ratings.weights[part]).sum() for part in parts)
    return float(total) / ratings.total_weight


def _weighted_sum(ratings: Ratings, function: TargetFunction) -> float:
    """Weighted sum over the cells of a function of their targets."""
    parts = gen_batches(len(ratings.targets), _CHUNK)
    return float(sum(ratings.weights[part] @ function(ratings.targets[part]) for part in parts))
