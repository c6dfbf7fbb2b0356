"""Updates of the rows of fitted recommenders by further ratings, for `partial_fit`."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.model._chunk import Chunk
from sklearn_mf.model._chunk_update import RowUpdate, update_uncertain
from sklearn_mf.model._factors import Model, with_averages
from sklearn_mf.model._initialization import moved_model
from sklearn_mf.model._pattern import Pattern
from sklearn_mf.model._uncertain import TwoPhaseModel
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._statistics import RatingStatistics
from sklearn_mf.recommenders import _phases as phases
from sklearn_mf.recommenders._catalog import seen_items_of
from sklearn_mf.recommenders._fitting import FitTask
from sklearn_mf.recommenders._point_model import model_of
from sklearn_mf.recommenders._rating_options import charged_alpha, charged_prior_ratings, shrinks_to_mean
from sklearn_mf.recommenders._stored_pattern import pattern_of
from sklearn_mf.recommenders._unobserved_cells import bounded_prior_ratings
from sklearn_mf.solvers._training import Unobserved

# A fitted recommender, whose attributes depend on the phases of its fit.
Updated = Any

# Number of ratings that the average row counts as the row of a new id, where no prior is learnt.
_OF_NEW = 10.0
# The checksum of ratings that no data have: a warm start learns the relevance rows anew.
_UNKNOWN = -1


def update_ratings_model(recommender: Updated, task: FitTask) -> None:
    """Update a recommender of ratings: the relevance rows, if any, and then the rating rows."""
    previous = task.previous
    earlier = RatingStatistics.of_sums(_rating_sums(previous), moved_weights(task))
    total = earlier + RatingStatistics.of(task.ratings)
    n_cells = earlier.weight / previous._mean_weight + len(task.ratings.targets)
    recommender._id_weights, recommender._rating_sums = total.id_weights, total.sums
    recommender._mean_weight = total.weight / n_cells
    centred = total.intercept_and_scale(recommender.fit_bias)
    relevance = None
    if hasattr(previous, "relevance_embeddings_"):
        relevance = _updated_relevance(recommender, task, n_cells, centred)
    if relevance is not None and phases.has_variances(previous):
        recommender._store_state(_updated_phases(recommender, task, relevance, centred))
        return
    if relevance is not None:
        phases.store_relevance(recommender, relevance, previous.relevance_loss_curve_)
    recommender._store_state(_updated_rows(recommender, task, centred))


def _rating_sums(previous: Updated) -> NDArray[np.float64]:
    """Sums over the ratings of the last fit, without which there is no mean of all ratings."""
    if not hasattr(previous, "_rating_sums"):
        raise ValueError(
            f"partial_fit needs the sums of all earlier ratings, and this {type(previous).__name__} was "
            "stored by a version of sklearn_mf that did not keep them: call fit with all ratings."
        )
    sums: NDArray[np.float64] = previous._rating_sums
    return sums


def moved_weights(task: FitTask) -> list[NDArray[np.float64]]:
    """Summed weights of the earlier ratings of all ids, (n_ids[f],), new ids included."""
    weights = [np.zeros(n) for n in task.ratings.n_ids]
    for of_ids, old, codes in zip(weights, task.previous._id_weights, task.known_codes, strict=True):
        of_ids[codes] = old
    return weights


def _chunk(recommender: Updated, task: FitTask, model: Model) -> Chunk:
    """The further ratings in units of a model."""
    return Chunk.of(task.ratings, moved_weights(task), recommender._mean_weight, model)


def _moved(model: Model, task: FitTask, centred: tuple[float, float]) -> Model:
    """Rows of the last fit over all ids, in units of `centred`, the mean and scale of all ratings."""
    return moved_model(model, task.known_codes, task.ratings.n_ids, centred, task.features)


def _updated_rows(recommender: Updated, task: FitTask, centred: tuple[float, float]) -> Model:
    """Rating rows whose penalty is not learnt; the whole of alpha is a ridge penalty."""
    update = RowUpdate(
        charged_alpha(recommender),
        charged_prior_ratings(recommender),
        recommender.fit_bias,
        recommender.positive,
        _OF_NEW,
        shrinks_to_mean(recommender),
        features=task.features,
    )
    model = _moved(model_of(task.previous), task, centred)
    return update.apply(model, _chunk(recommender, task, model))


def _updated_relevance(
    recommender: Updated, task: FitTask, n_cells: float, centred: tuple[float, float]
) -> Model:
    """Relevance rows, with unobserved cells and prior ratings for the number of all observed cells."""
    value = task.previous._unobserved[1]
    if recommender.unobserved_value is not None:
        value = (float(recommender.unobserved_value) - centred[0]) / centred[1]
    ratio = phases.unobserved_ratio(recommender)
    recommender._unobserved = _cell_weight(recommender, n_cells, ratio), value
    recommender._relevance_prior_ratings = bounded_prior_ratings(phases.PRIOR_RATINGS, n_cells)
    recommender._fingerprint = _UNKNOWN
    update = RowUpdate(
        phases.ALPHA,
        recommender._relevance_prior_ratings,
        recommender.fit_bias,
        recommender.positive,
        unobserved=recommender._unobserved,
        features=task.features,
    )
    model = _moved(phases.relevance_model(task.previous), task, centred)
    return update.apply(model, _chunk(recommender, task, model))


def _cell_weight(recommender: Updated, n_cells: float, ratio: float) -> float:
    """Weight of an unobserved cell, where `n_cells` are observed."""
    n_users, n_items = map(np.count_nonzero, recommender._id_weights)
    return Unobserved.of_counts(n_cells, (int(n_users), int(n_items)), ratio, 0.0).weight


def _updated_phases(
    recommender: Updated, task: FitTask, relevance: Model, centred: tuple[float, float]
) -> TwoPhaseModel:
    """Both kinds of rows, given the relevance rows, where the penalty is learnt."""
    previous = task.previous
    before = phases.uncertain_model(previous)
    model = _moved(before.model, task, centred)
    ratio = before.model.scale / model.scale
    unit = np.append(np.full(model.average_embeddings.shape[1], np.sqrt(ratio)), ratio)
    model = replace(model, apart=_apart(previous, before.model) * unit)
    pattern = _moved_pattern(pattern_of(previous), task, unit)
    before = replace(phases.over_ids(before, model, task.known_codes), pattern=pattern)
    chunk = _chunk(recommender, task, model)
    ratings = update_uncertain(before, chunk, relevance.embeddings[1], task.features)
    return TwoPhaseModel(ratings, relevance, previous.relevance_loss_curve_, previous._n_sweeps)


def _apart(previous: Updated, model: Model) -> NDArray[np.float64]:
    """Part of the average rows that the fallback leaves out, (n_fields, width)."""
    averages = with_averages(model, previous._id_weights)
    return np.column_stack(
        [
            averages.average_embeddings - model.average_embeddings,
            averages.average_biases - model.average_biases,
        ]
    )


def _moved_pattern(pattern: Pattern | None, task: FitTask, unit: NDArray[np.float64]) -> Pattern | None:
    """The pattern's effects on users, times `unit` (width,), with loadings of 0 for new items."""
    if pattern is None:
        return None
    scaled = pattern.effects_on_users(np.diag(unit))
    (n_users, n_items), old = task.ratings.n_ids, scaled.loadings[1]
    items = np.zeros((n_items, old.shape[1]))
    items[task.known_codes[1]] = old
    return replace(scaled, loadings=(np.zeros((n_users, 0)), items))


def update_interactions_model(recommender: Updated, task: FitTask) -> None:
    """Update a recommender of interactions; the strength of a cell is added to that of earlier rows."""
    cells, n_cells = _weighed(recommender, task)
    task = task._replace(ratings=cells)
    added = map(cells.id_weights, range(cells.n_fields))
    recommender._id_weights = list(map(np.add, moved_weights(task), added))
    recommender._n_prior = bounded_prior_ratings(recommender.prior_ratings, n_cells)
    has_unobserved = cells.n_fields == 2 and recommender.unobserved_weight > 0
    recommender._cell_weight = 0.0
    if has_unobserved:
        recommender._cell_weight = _cell_weight(recommender, n_cells, recommender.unobserved_weight)
    update = RowUpdate(
        float(recommender.alpha),
        recommender._n_prior,
        recommender.fit_bias,
        recommender.positive,
        _OF_NEW,
        unobserved=(recommender._cell_weight, 0.0) if has_unobserved else None,
        features=task.features,
    )
    model = _moved(model_of(task.previous), task, (0.0, 1.0))
    chunk = Chunk.of(cells, moved_weights(task), recommender._mean_confidence, model)
    recommender._store_state(update.apply(model, chunk))


def _weighed(recommender: Updated, task: FitTask) -> tuple[Ratings, float]:
    """The cells with target 1 and the weights that they add, and the number of all cells so far."""
    previous, strengths, is_seen = task.previous, task.ratings.targets, _seen_cells(task)
    weight = previous._id_weights[0].sum()
    n_earlier = weight / previous._mean_confidence
    n_cells = n_earlier + np.count_nonzero(~is_seen)
    mean = float(n_earlier * previous._mean_strength + strengths.sum()) / n_cells
    recommender._mean_strength = mean
    # An earlier cell counts as one of mean strength: strengths of single cells are not stored.
    before = np.where(is_seen, mean, 0.0)
    of_earlier = np.where(is_seen, recommender._confidence(before), 0.0)
    weights = recommender._confidence(strengths + before) - of_earlier
    recommender._mean_confidence = float(weight + weights.sum()) / n_cells
    ones = np.broadcast_to(1.0, len(weights))
    return replace(task.ratings, targets=ones, weights=weights), n_cells


def _seen_cells(task: FitTask) -> NDArray[np.bool_]:
    """Whether the cell of each rating had ratings before, (n_ratings,)."""
    previous, codes = task.previous, task.ratings.codes
    if codes.shape[1] != 2:
        return np.zeros(len(codes), dtype=bool)
    old = [np.full(n, -1) for n in task.ratings.n_ids]
    for of_ids, known in zip(old, task.known_codes, strict=True):
        of_ids[known] = np.arange(len(known))
    return seen_items_of(previous).contains(old[0][codes[:, 0]], old[1][codes[:, 1]])
