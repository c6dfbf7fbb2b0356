"""The pattern of rated cells, as fitted attributes hold it."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.model._pattern import Pattern


class Patterned(Protocol):
    """The attributes of a fitted recommender that this module sets and reads."""

    embeddings_: list[NDArray[np.float32]]
    _pattern_loadings: list[NDArray[np.float64]]
    _pattern_centres: tuple[NDArray[np.float64], ...]
    _pattern_least: tuple[float, float]


def store_pattern(fitted: Patterned, pattern: Pattern | None) -> None:
    """Set the attributes of a pattern; where there is none, arrays without columns."""
    fitted._pattern_loadings = [np.empty((len(rows), 0)) for rows in fitted.embeddings_]
    fitted._pattern_centres, fitted._pattern_least = (), (1.0, 1.0)
    if pattern is not None:
        fitted._pattern_loadings[:2] = pattern.loadings
        fitted._pattern_centres, fitted._pattern_least = pattern.centres, pattern.least


def pattern_of(fitted: Patterned) -> Pattern | None:
    """Read the attributes that :func:`store_pattern` has set."""
    if not fitted._pattern_centres:
        return None
    return Pattern(tuple(fitted._pattern_loadings[:2]), fitted._pattern_centres, fitted._pattern_least)
