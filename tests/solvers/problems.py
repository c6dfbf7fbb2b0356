"""Small problems, options and a silent report for the tests of the solvers."""

import itertools
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from sklearn_mf.model._initialization import fresh_start
from sklearn_mf.ratings._field_cells import FieldCells
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._statistics import RatingStatistics
from sklearn_mf.solvers._rated_ids import NumberedRatings, RatedIds
from sklearn_mf.solvers._training import SGDOptions
from sklearn_mf.solvers.sgd import _packing, _partition
from tests.conftest import low_rank_ratings
from tests.solvers.reference import Reference

OPTIONS = {
    "fit_bias": True,
    "positive": False,
    "learning_rate": 0.06,
    "batch_size": 64,
    "seed": 3,
    "max_iter": 20,
}
PENALTIES = {"l2": (0.0, 0.05), "l1": (0.02, 0.0), "elasticnet": (0.01, 0.03), "none": (0.0, 0.0)}


class Silent:
    def begin(self, epoch, model):
        pass

    def end(self, epoch, loss, rmse, model):
        return False


def problem(n_fields=2, n_ratings=600, dim=4, weighted=True):
    X, y = low_rank_ratings(n_ratings=n_ratings, n_fields=n_fields)
    weights = np.random.default_rng(1).integers(1, 5, len(y)).astype(float) if weighted else np.ones(len(y))
    n_ids = tuple(int(column.max()) + 1 for column in X.T)
    ratings = Ratings.merge(list(X.astype(np.int32).T), y, weights, n_ids)
    return ratings, fresh_start(
        ratings, *RatingStatistics.of(ratings).intercept_and_scale(True), dim, seed=0, std=0.01
    )


def as_on_disk(ratings):
    """The same ratings of two fields with those of each field in the order of its codes, as a store has."""
    orders = np.arange(len(ratings.codes)), np.lexsort(ratings.codes.T)
    cells = []
    for field, order in enumerate(orders):
        starts = np.append(0, np.cumsum(np.bincount(ratings.codes[:, field], minlength=ratings.n_ids[field])))
        columns = ratings.codes[order, 1 - field], ratings.targets[order], ratings.weights[order]
        cells.append(FieldCells(*columns, starts))
    return replace(ratings, field_cells=tuple(cells))


def features_of(n_ids, n_features=3, seed=0):
    """Features of the ids of a field, of which every fifth is not in the table."""
    rng = np.random.default_rng(seed)
    table = np.column_stack([np.ones(n_ids), rng.normal(size=(n_ids, n_features - 1))])
    table[::5] = 0
    return csr_array(table)


def reference_of(ratings, start, l1, l2, has_bias=True, prior_ratings=0.0):
    z = (ratings.targets - start.intercept) / start.scale
    tables = [np.column_stack([v, b]) for v, b in zip(start.embeddings, start.biases, strict=True)]
    return Reference(ratings.codes, z, ratings.weights, tables, l1, l2, has_bias, prior_ratings)


def tables_of(model):
    return [np.column_stack([v, b]) for v, b in zip(model.embeddings, model.biases, strict=True)]


def options(l1, l2, **changes):
    return SGDOptions(l1=l1, l2=l2, **{**OPTIONS, **changes})


def spread_over_more_ids(ratings, start, factor):
    """The same ratings and start, with ids without ratings between those that have some."""
    dim, rng = start.embeddings[0].shape[1], np.random.default_rng(0)
    n_ids = tuple(factor * n for n in ratings.n_ids)
    places = [np.sort(rng.choice(n, n // factor, replace=False)).astype(np.int32) for n in n_ids]
    codes = np.stack([place[column] for place, column in zip(places, ratings.codes.T, strict=True)], axis=1)
    wide = fresh_start(replace(ratings, n_ids=n_ids), start.intercept, start.scale, dim, seed=1, std=0.01)
    for ours, theirs in ((wide.embeddings, start.embeddings), (wide.biases, start.biases)):
        for array, place, rows in zip(ours, places, theirs, strict=True):
            array[place] = rows
    return replace(ratings, codes=codes, n_ids=n_ids), wide, places


def in_runs_of_eight(monkeypatch):
    """Let SGD visit few ratings in runs too, however many places remain empty."""
    monkeypatch.setattr(_partition, "_RUNS_FROM", 0)
    monkeypatch.setattr(_partition, "_ROOM", 9)


def visited(ratings, choice, epoch):
    """Rows of the ratings in the batches of an epoch of gradient descent, batch by batch."""
    source = NumberedRatings(ratings, RatedIds.of(ratings))
    layout, tiled = _partition.plan_layout([source], choice.batch_size, 5, choice.n_parts)
    row_of = np.full((layout.n_padded, layout.run), -1)
    for rows, runs, places in _packing.places_of(layout, 0, tiled[0]):
        row_of[places] = np.append(np.arange(rows.start, rows.stop), -1)[runs]
    for number in layout.visits(choice.seed, epoch):
        window = layout.windows[number]
        order = row_of[window.first + layout.order(choice.seed, epoch, number)]
        for block in itertools.chain(*window.rounds):
            for batch in range(*block.batches(layout.batch_size)):
                rows = order[batch * layout.batch_size : (batch + 1) * layout.batch_size].ravel()
                yield rows[rows >= 0]
