"""Ordered ratings as intervals of a latent normal value: probabilities of the levels; NumPy only."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]


class OrdinalDraw(NamedTuple):
    """Distinct ratings, and one draw of the thresholds between them.

    Parameters
    ----------
    levels : ndarray of shape (n_levels,), float64
        The distinct ratings in rising order.
    thresholds : ndarray of shape (n_levels - 1,), float64
        Latent value, in units of the ratings, above which each next level begins.
    """

    levels: Floats
    thresholds: Floats


class Levels(NamedTuple):
    """Distinct ratings, and the draws of the thresholds of the latent value between them.

    Parameters
    ----------
    values : ndarray of shape (n_levels,), float64
        The distinct ratings in rising order.
    thresholds : ndarray of shape (n_samples, n_levels - 1), float64
        Latent value, in units of the ratings, above which each next level begins.
    """

    values: Floats
    thresholds: Floats

    def probabilities(self, centre: Floats, std: Floats) -> Floats:
        """Probabilities of the levels, means over the draws, (n, n_samples), same -> (n, n_levels)."""
        above = np.ones((len(centre), len(self.values) + 1))
        above[:, -1] = 0.0
        for level, thresholds in enumerate(self.thresholds.T, start=1):
            above[:, level] = ndtr((centre - thresholds) / std).mean(axis=1)
        return above[:, :-1] - above[:, 1:]

    def interval(self, probabilities: Floats, coverage: float) -> Floats:
        """Lowest and highest level of the central intervals, (n, n_levels) -> (n, 2)."""
        tail = (1 - coverage) / 2
        below = probabilities.cumsum(axis=1)
        last = len(self.values) - 1
        lower = np.minimum((below <= tail).sum(axis=1), last)
        upper = np.minimum((below < 1 - tail).sum(axis=1), last)
        return np.stack([self.values[lower], self.values[upper]], axis=1)


def levels_of_draws(draws: Sequence[OrdinalDraw | None]) -> Levels | None:
    """Join the thresholds of some draws; None where ratings are not ordered categories."""
    found = [draw for draw in draws if draw is not None]
    return Levels(found[0].levels, np.array([draw.thresholds for draw in found])) if found else None


def log_interval_probabilities(lower: Floats, upper: Floats) -> Floats:
    """Logarithm of the standard normal probability of intervals, (n,), (n,) -> (n,)."""
    _, below_lower, below_upper = mirrored(lower, upper)
    return np.log(np.maximum(below_upper - below_lower, np.finfo(float).tiny))


def mirrored(lower: Floats, upper: Floats) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Standard normal probabilities below the bounds of intervals, (n,), (n,) -> three arrays (n,).

    Intervals above 0 are mirrored, as the first array says, because probabilities near 1 lose digits.
    """
    above = lower > 0
    return above, ndtr(np.where(above, -upper, lower)), ndtr(np.where(above, -lower, upper))
