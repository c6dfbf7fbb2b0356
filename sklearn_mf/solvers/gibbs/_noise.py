"""Noise of the ratings during a chain; NumPy only, no TensorFlow."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_mf.model._factors import Model
from sklearn_mf.model._posterior import Noise
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers.gibbs._priors import draw_degrees, draw_factors, draw_rescaling

# Numbers searched at a time: bounds the memory.
_SEARCHED = 2**18


class ChainState(NamedTuple):
    """State from which a chain starts or a warm start continues, over all ids of the fit.

    Parameters
    ----------
    model : Model
        Embeddings and biases.
    noise : Noise
        Noise of the ratings.
    n_sweeps : int
        Sweeps that the chain has made.
    precisions : sequence of ndarray of shape (n_blocks[f],), float64
        Precisions of the coefficients of each block of features; empty where the chain has not drawn them.
    thresholds : ndarray of shape (n_levels - 1,), float64, or None
        Thresholds of ordered ratings, in units of z; None where the chain has not drawn them.
    """

    model: Model
    noise: Noise
    n_sweeps: int
    precisions: Sequence[NDArray[np.float64]] = ()
    thresholds: NDArray[np.float64] | None = None


class WithinCellVariation(NamedTuple):
    """Squared errors inside cells with different ratings, which merging took out of the sums.

    Parameters
    ----------
    rows : list of ndarray of shape (n_cells,), int32
        Row of the id of each field, of the cells with different ratings.
    squares : ndarray of shape (n_cells,), float64
        Weighted squared distances from the mean of the cell, in units of z.
    n_rows : tuple of int
        Number of rows of each field.
    """

    rows: list[NDArray[np.int32]]
    squares: NDArray[np.float64]
    n_rows: tuple[int, ...]

    @classmethod
    def of(
        cls, ratings: Ratings, rows: list[NDArray[np.int32]], n_rows: tuple[int, ...], scale: float
    ) -> Self:
        """Find the cells of merged ratings, given the row of each id and the unit of z."""
        cells = _places_of_nonzero(ratings.within_squares)
        codes = ratings.codes[cells].T
        cell_rows = [row[column] for row, column in zip(rows, codes, strict=True)]
        return cls(cell_rows, ratings.within_squares[cells] / scale**2, n_rows)

    @property
    def total(self) -> float:
        """Sum over all cells."""
        return float(self.squares.sum())

    def by_row(self, field: int, factors: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Sums by the rows of a field, times the noise factors of the other ids of each cell, (n_rows,)."""
        squares = self.squares.copy()
        for other, rows in enumerate(self.rows):
            squares *= factors[other][rows] if other != field else 1.0
        return np.bincount(self.rows[field], squares, self.n_rows[field]).astype(np.float64, copy=False)


def _places_of_nonzero(numbers: NDArray[np.float64]) -> NDArray[np.intp]:
    """Places of the numbers other than 0, (n,) -> (n_places,); `flatnonzero` copies views of one number."""
    parts = gen_batches(len(numbers), _SEARCHED)
    found = [np.flatnonzero(numbers[part]) + part.start for part in parts]
    return np.concatenate([*found, np.empty(0, dtype=np.intp)])


def draw_field_noise(
    noise: Noise,
    field: int,
    squares: NDArray[np.float64],
    weights: NDArray[np.float64],
    rng: np.random.Generator,
) -> Noise:
    """The noise with factors and degrees of freedom of one field drawn anew.

    `squares`, (n_rows,), are the weighted squared errors of each id times the factors of its other ids;
    `weights`, (n_rows,), the summed weights of its ratings.
    """
    drawn = draw_factors(squares, weights, noise.precision, noise.degrees[field], rng)
    factors, degrees = list(noise.factors), noise.degrees.copy()
    factors[field], degrees[field] = drawn, draw_degrees(drawn, rng)
    return noise._replace(factors=factors, degrees=degrees)


def rescale_noise(noise: Noise, rng: np.random.Generator) -> Noise:
    """Rescale factors and precision along the direction that the likelihood does not identify."""
    precision, rescaled = noise.precision, []
    for factors, degrees in zip(noise.factors, noise.degrees, strict=True):
        multiplier = draw_rescaling(factors, degrees, precision, rng)
        rescaled.append(factors * multiplier)
        precision /= multiplier
    return noise._replace(precision=precision, factors=rescaled)


def log_likelihood(
    noise: Noise, squares: float, weights: list[NDArray[np.float64]], total_weight: float, scale: float
) -> float:
    """Log-likelihood of the ratings, in their units, from the squared errors times the factors of all ids.

    `weights`, (n_rows,) for each field, are the summed weights of the ratings of the ids; `scale` is the unit
    of z.
    """
    log_factors = sum(weight @ np.log(factor) for weight, factor in zip(weights, noise.factors, strict=True))
    normal = np.log(noise.precision) - np.log(2 * np.pi) - 2 * np.log(scale)
    return float(0.5 * (total_weight * normal + log_factors - noise.precision * squares))
