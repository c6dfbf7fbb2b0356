"""Slice sampling of one number (Neal, "Slice sampling", Annals of Statistics 2003)."""

from collections.abc import Callable

import numpy as np

# Largest number of widths by which a slice grows in total.
_MOST_STEPS = 50


def draw_by_slice(
    log_density: Callable[[float], float], present: float, width: float, rng: np.random.Generator
) -> float:
    """Draw the next number of a chain that leaves a density invariant, known up to a factor.

    An interval of `width` around the present number grows in steps until both ends are outside of the slice.
    """
    level = log_density(present) - rng.exponential()
    low = present - width * rng.random()
    high = low + width
    n_left = int(rng.integers(_MOST_STEPS))
    n_right = _MOST_STEPS - 1 - n_left
    while n_left > 0 and log_density(low) > level:
        low, n_left = low - width, n_left - 1
    while n_right > 0 and log_density(high) > level:
        high, n_right = high + width, n_right - 1
    return _shrink(log_density, present, level, (low, high), rng)


def _shrink(
    log_density: Callable[[float], float],
    present: float,
    level: float,
    interval: tuple[float, float],
    rng: np.random.Generator,
) -> float:
    """Draw from the part of an interval inside the slice; rejected numbers become its ends."""
    low, high = interval
    while True:
        drawn = rng.uniform(low, high)
        if log_density(drawn) >= level or drawn == present:
            return float(drawn)
        low, high = (drawn, high) if drawn < present else (low, drawn)
