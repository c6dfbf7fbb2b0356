"""Alternating least squares: solve for the embeddings and biases of one field, field after field."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._regression_prior import (
    CHARGE_IN_RATINGS,
    Priors,
    coefficients_of,
    regression_priors,
    restore_coefficients,
)
from sklearn_mf.solvers._tensors import tensor
from sklearn_mf.solvers._training import ALSOptions, ObjectiveScale, Penalty, Solver
from sklearn_mf.solvers.als._field_tables import FieldTables
from sklearn_mf.solvers.als._held_out import HeldOutScore
from sklearn_mf.solvers.als._unobserved import UnobservedCells

# Initial damping, its growth factor per sweep, and its maximum, in units of ratings. The strongest directions
# of taste grow first, and the weak ones hardly before training ends: this acts as early stopping.
_DAMPING, _GROWTH, _MOST = 4.0, 1.4, 160.0
# Ridge sweeps that a lasso starts from: the all-zero model is a stationary point of it.
_RIDGE_SWEEPS = 6
# From this embedding_dim on, a few steps of conjugate gradient replace the exact solution.
_GRADIENT_FROM = 32
# From this number of ratings on, the compilation of the conjugate gradient takes less time than it saves.
_SEGMENTS_FROM = 2**20

#: Number of sweeps, rows (n_rows[f], width) and coefficients of the features of each field.
ALSCheckpoint = tuple[int, list[NDArray[np.float32]], tuple[NDArray[np.float64] | None, ...]]


def damping(ages: NDArray[np.int32], undamped: bool) -> NDArray[np.float32]:
    """Damping of ids that have been in training for so many sweeps, in units of ratings, (n,) -> (n,).

    It depends on the age alone, so that more sweeps continue the same run. A lasso is undamped, for the sake
    of exact zeros; so is an objective with unobserved cells, which hold the weak directions of taste back.
    """
    if undamped:
        return np.zeros(ages.shape, dtype=np.float32)
    return np.minimum(_DAMPING * _GROWTH ** np.minimum(ages, 99), _MOST).astype(np.float32)


def best_method(options: ALSOptions, embedding_dim: int, ratings: Ratings) -> str:
    """Solver of the row problems: "segments", "gradient", "cholesky" or "descent".

    With unobserved cells the conjugate gradient is as fast as "cholesky" in 8 dimensions, and faster than it
    and "blocks" in more: docs/benchmarks/implicit.py.
    """
    if options.l1 > 0 or options.positive:
        return "descent"
    if options.unobserved is None and embedding_dim < _GRADIENT_FROM:
        return "cholesky"
    is_large = ratings.n_fields == 2 and len(ratings.targets) >= _SEGMENTS_FROM
    return "segments" if is_large else "gradient"


class ALS(Solver[Model]):
    """One run of alternating least squares."""

    unit, start_std = "sweep", 0.001

    def __init__(self, ratings: Ratings, held_out: Ratings | None, start: Model, options: ALSOptions) -> None:
        self.options, self.n_sweeps = options, 0
        method = best_method(options, start.embeddings[0].shape[1], ratings)
        self.field_tables = FieldTables(ratings, start, method)
        self.cells = None
        if options.unobserved is not None:
            tables, has_bias = self.field_tables.tables, float(options.fit_bias)
            self.cells = UnobservedCells(options.unobserved, tables, has_bias)
        self.priors = self._regression_priors(start)
        self.ages = [epochs[ids] for epochs, ids in zip(start.epochs, self.field_tables.ids, strict=True)]
        # Whether all ids, with or without ratings in this fit, are new.
        self.is_fresh = not any(epochs.any() for epochs in start.epochs)
        self.remedy = f"alpha={options.l1 + options.l2:g} or the sample weights are out of proportion"
        self.objective_scale = ObjectiveScale.of(ratings, held_out, start.scale)
        self.held_out = HeldOutScore(held_out, self.field_tables, self.objective_scale, options.fit_bias)

    def _regression_priors(self, start: Model) -> Priors:
        """Prior means of the rows by their features, or the mean of all, where there are any."""
        weights = []
        for field, ratings in enumerate(self.field_tables.fields):
            of_cells = 0.0 if self.cells is None else self.cells.row_weight(field)
            weights.append(ratings.row_weights.numpy() + (self.options.prior_ratings + of_cells))
        features = self.options.features
        if self.options.around_mean and not features:
            features = tuple(csr_array(np.ones((len(biases), 1))) for biases in start.biases)
        return regression_priors(features, self.field_tables.ids, weights, start, CHARGE_IN_RATINGS)

    def run_epoch(self, number: int) -> tuple[float, float | None]:
        """Sweep over the fields once, the last one first; J, and the RMSE of the held-out ratings if any."""
        if self.options.l1 > 0 and self.is_fresh and number == 0:
            ridge = replace(self.options, l1=0.0, l2=self.options.l1 + self.options.l2)
            for ridge_number in range(_RIDGE_SWEEPS):
                self._sweep("ridge sweep", ridge_number, ridge)
        loss = self._sweep("sweep", number, self.options)
        self.n_sweeps += 1
        return loss, self.held_out.rmse(self.field_tables.tables)

    def _sweep(self, unit: str, number: int, penalty: Penalty) -> float:
        undamped = penalty.l1 > 0 or self.cells is not None
        dampings = [damping(ages + np.int32(number), undamped) for ages in self.ages]
        return self.objective_scale.loss(
            self.field_tables.minimise(f"{unit} {number + 1}", dampings, penalty, self.cells, self.priors)
        )

    def checkpoint(self) -> ALSCheckpoint:
        """Number of sweeps, rows and coefficients."""
        tables = [table.numpy() for table in self.field_tables.tables]
        return self.n_sweeps, tables, coefficients_of(self.priors)

    def resume(self, checkpoint: ALSCheckpoint) -> None:
        """Continue after the sweeps of a checkpoint."""
        self.n_sweeps, tables, coefficients = checkpoint
        for field, table in enumerate(map(tensor, tables)):
            self.field_tables.tables[field] = table
            if self.cells is not None:
                self.cells.update(field, table)
        restore_coefficients(self.priors, coefficients)

    def snapshot(self) -> Model:
        """Copy of the present embeddings and biases, outside TensorFlow."""
        model = self.field_tables.model(self.n_sweeps)
        return replace(model, coefficients=coefficients_of(self.priors)) if self.options.features else model

    def close(self) -> None:
        """Do nothing: there are no threads of its own."""
