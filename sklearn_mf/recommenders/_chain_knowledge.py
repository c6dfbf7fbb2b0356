"""Coefficients of features, pattern of rated cells and thresholds, as fitted attributes hold them."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.model._ordinal import Levels
from sklearn_mf.model._pattern import Pattern
from sklearn_mf.model._posterior import Draw, Posterior
from sklearn_mf.recommenders._stored_pattern import Patterned, pattern_of, store_pattern

Floats = NDArray[np.float64]


class Knowing(Patterned, Protocol):
    """The attributes of a fitted recommender that this module sets and reads."""

    categories_: list[NDArray[np.generic]]
    rating_levels_: Floats
    threshold_samples_: Floats
    _unrated_precisions: Floats
    _coefficient_draws: tuple[Floats, ...]
    _coefficients: tuple[Floats | None, ...]
    _end_precisions: tuple[Floats, ...]
    _end_thresholds: Floats | None


class StoredKnowledge(NamedTuple):
    """Fields of a posterior beside rows, priors and noise; :class:`Posterior` describes them."""

    unrated_precisions: Floats
    coefficients: tuple[Floats, ...]
    pattern: Pattern | None
    levels: Levels | None


def store_knowledge(fitted: Knowing, posterior: Posterior) -> None:
    """Set the attributes that the draws of coefficients and thresholds give."""
    for name in ("rating_levels_", "threshold_samples_"):  # of an earlier fit
        vars(fitted).pop(name, None)
    fitted._unrated_precisions = posterior.unrated_precisions
    fields = range(len(posterior.biases))
    fitted._coefficient_draws = tuple(posterior.coefficients)
    fitted._coefficients = tuple(_mean_coefficients(posterior, field) for field in fields)
    store_pattern(fitted, posterior.pattern)
    if posterior.levels is not None:
        fitted.rating_levels_, fitted.threshold_samples_ = posterior.levels


def _mean_coefficients(posterior: Posterior, field: int) -> Floats | None:
    """Mean coefficients of the table of a field, (n_features, width), None without one.

    The first feature is 1 for each id of the table: its coefficients include the prior mean.
    """
    coefficients: Floats = posterior.table_coefficients(field).mean(axis=0)
    if not len(coefficients):
        return None
    coefficients[0] += posterior.prior_means[:, field].mean(axis=0)
    return coefficients


def knowledge_of(fitted: Knowing) -> StoredKnowledge:
    """Read the attributes that :func:`store_knowledge` has set."""
    levels = None
    if hasattr(fitted, "rating_levels_"):
        levels = Levels(fitted.rating_levels_, fitted.threshold_samples_)
    pattern = pattern_of(fitted)
    return StoredKnowledge(fitted._unrated_precisions, fitted._coefficient_draws, pattern, levels)


def store_ends(fitted: Knowing, draws: tuple[Draw, ...]) -> None:
    """Keep the last precisions of coefficients, (n_chains, n_blocks) for each field, and thresholds."""
    of_chains = ([_precisions(draw, field) for draw in draws] for field in range(len(draws[0].prior_means)))
    fitted._end_precisions = tuple(map(np.array, of_chains))
    thresholds = [draw.ordinal.thresholds for draw in draws if draw.ordinal is not None]
    fitted._end_thresholds = np.array(thresholds) if thresholds else None


def _precisions(draw: Draw, field: int) -> Floats:
    regression = draw.regression(field)
    return np.empty(0) if regression is None else regression.precisions


def end_of_precisions(fitted: Knowing, chain: int) -> list[Floats]:
    """Precisions of coefficients at the end of a chain, (n_blocks,) for each field."""
    return [precisions[chain] for precisions in fitted._end_precisions]


def end_of_thresholds(fitted: Knowing, chain: int, start: Model) -> Floats | None:
    """Thresholds at the end of a chain in units of z of another fit, (n_levels - 1,)."""
    if fitted._end_thresholds is None:
        return None
    thresholds: Floats = (fitted._end_thresholds[chain] - start.intercept) / start.scale
    return thresholds


def check_same_knowledge(previous: Knowing, likelihood: str, implicit_features: int, targets: Floats) -> None:
    """Refuse a warm start with another likelihood, other levels or another pattern; `targets`, (n,)."""
    before = "normal" if previous._end_thresholds is None else "ordinal"
    advice = "set warm_start=False to start anew."
    if before != likelihood:
        raise ValueError(f"A warm start cannot change likelihood from {before!r} to {likelihood!r}: {advice}")
    if bool(previous._pattern_centres) != bool(implicit_features) and len(previous.categories_) > 1:
        raise ValueError(f"A warm start cannot change implicit_features to {implicit_features}: {advice}")
    if likelihood == "ordinal" and not np.array_equal(np.unique(targets), previous.rating_levels_):
        raise ValueError(
            f"A warm start cannot change the distinct ratings from {previous.rating_levels_.tolist()} to "
            f"{np.unique(targets).tolist()}: {advice}"
        )
