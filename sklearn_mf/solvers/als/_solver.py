"""Alternating minimisation: the embeddings and biases of one field at a time, field after field."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._tensors import tensor
from sklearn_mf.solvers._training import ALSOptions, ObjectiveScale, Solver
from sklearn_mf.solvers.als import _grouping as grouping
from sklearn_mf.solvers.als import _sweep as sweep
from sklearn_mf.solvers.als._field_tables import FieldTables

# An id is held to where it was as if by this many ratings, more from sweep to sweep: the strongest directions
# of taste then grow first, and the rest hardly before training ends.
_DAMPING, _GROWTH, _MOST = 4.0, 1.4, 160.0
# Ridge sweeps that a lasso starts from: the all-zero model is a stationary point of it.
_RIDGE_SWEEPS = 6
# From this embedding_dim on, a few steps of conjugate gradient take the place of an exact solution.
_GRADIENT_FROM = 32


def damping(ages: NDArray[np.int32], l1: float) -> NDArray[np.float32]:
    """How much an id is held to where it was, by its age.

    Parameters
    ----------
    ages : ndarray of shape (n_ids,), int32
        Sweeps that each id has been in training; damping depends on nothing else, so that more sweeps
        continue the same run.
    l1 : float
        Lasso penalty; with one, nothing is held back, for the sake of exact zeros.

    Returns
    -------
    damping : ndarray of shape (n_ids,), float32
        Penalty on half the squared change of embedding and bias, in units of a rating's weight.
    """
    if l1 > 0:
        return np.zeros(ages.shape, dtype=np.float32)
    return np.minimum(_DAMPING * _GROWTH ** np.minimum(ages, 99), _MOST).astype(np.float32)


class ALS(Solver[Model]):
    """One run of alternating minimisation.

    Parameters
    ----------
    ratings : Ratings
        Ratings to learn from.
    held_out : Ratings or None
        Ratings to stop on.
    start : Model
        Where to begin.
    options : ALSOptions
        Penalty.
    """

    unit, start_std = "sweep", 0.001

    def __init__(self, ratings: Ratings, held_out: Ratings | None, start: Model, options: ALSOptions) -> None:
        self.options, self.n_sweeps = options, 0
        self.field_tables = FieldTables(ratings, start, best_method(options, start.embeddings[0].shape[1]))
        self.ages = [epochs[ids] for epochs, ids in zip(start.epochs, self.field_tables.ids, strict=True)]
        self.held_out = None
        if held_out is not None:
            coded = grouping.coded(held_out, self.field_tables.rows, start)
            self.held_out = tf.nest.map_structure(tensor, coded)
        self.remedy = f"alpha={options.l1 + options.l2:g} or the sample weights are out of proportion"
        self.objective_scale = ObjectiveScale.of(ratings, held_out, start.scale)

    def run_epoch(self, number: int) -> tuple[float, float | None]:
        """Sweep over the fields once, the last field first.

        Parameters
        ----------
        number : int
            Counted from 0.

        Returns
        -------
        loss : float
            J at the end of the sweep.
        rmse : float or None
            Root mean squared error of the held-out ratings, in their units; None without any.
        """
        l1, l2 = self.options.l1, self.options.l2
        if l1 > 0 and not any(ages.any() for ages in self.ages) and number == 0:
            for ridge_number in range(_RIDGE_SWEEPS):
                self._sweep(ridge_number, 0.0, l1 + l2)
        loss = self._sweep(number, l1, l2)
        self.n_sweeps += 1
        return loss, self._validation_rmse()

    def _sweep(self, number: int, l1: float, l2: float) -> float:
        dampings = [damping(ages + np.int32(number), l1) for ages in self.ages]
        loss = self.field_tables.minimise(dampings, l1, l2, self.options.fit_bias, self.options.positive)
        return self.objective_scale.loss(loss)

    def _validation_rmse(self) -> float | None:
        if self.held_out is None:
            return None
        tables = self.field_tables.tables
        has_bias = tf.constant(float(self.options.fit_bias))
        return self.objective_scale.rmse(
            float(sweep.score_program(len(tables))(tables, self.held_out, has_bias))
        )

    def snapshot(self) -> Model:
        """Copy the tables out of TensorFlow.

        Returns
        -------
        model : Model
            The present embeddings and biases.
        """
        return self.field_tables.model(self.n_sweeps)


def best_method(options: ALSOptions, embedding_dim: int) -> str:
    """Choose how to solve for the rows.

    Parameters
    ----------
    options : ALSOptions
        Penalty.
    embedding_dim : int
        Length of the embeddings.

    Returns
    -------
    method : {"gradient", "cholesky", "descent"}
        By penalty and length.
    """
    if options.l1 > 0 or options.positive:
        return "descent"
    return "gradient" if embedding_dim >= _GRADIENT_FROM else "cholesky"
