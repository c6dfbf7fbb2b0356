"""Conjugate gradient for ridge regressions with many features; no TensorFlow."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def approach(
    times: Callable[[Floats], Floats],
    diagonal: Floats,
    start: Floats,
    residuals: Floats,
    most_steps: int,
    tolerance: float = 0.0,
) -> Floats:
    """Steps towards the solution X of A X = right, (n, width), each column by itself.

    `times` multiplies by A, (n, width) -> (n, width); its `diagonal`, (n,), is the preconditioner.
    `residuals`, (n, width), are right - A start. The steps end where the residuals of every column are at
    most `tolerance` times the first ones.
    """
    solution, first = start, np.linalg.norm(residuals, axis=0)
    direction, size = np.zeros_like(start), np.ones(start.shape[1])
    for _ in range(most_steps):
        step = residuals / diagonal[:, None]
        size, previous = (residuals * step).sum(axis=0), size
        direction = step + _ratio(size, previous) * direction
        product = times(direction)
        length = _ratio(size, (direction * product).sum(axis=0))
        solution, residuals = solution + length * direction, residuals - length * product
        if (np.linalg.norm(residuals, axis=0) <= tolerance * first).all():
            break
    return solution


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Quotients, 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
