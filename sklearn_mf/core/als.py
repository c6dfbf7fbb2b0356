"""Alternating minimisation: the embeddings and biases of one field at a time, field after field."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf._model import Model
from sklearn_mf._ratings import Ratings
from sklearn_mf.core import grouping, penalties, sweep
from sklearn_mf.core.tensors import tensor
from sklearn_mf.core.training import Options, Yardstick

# An id is held to where it was as if by this many ratings, more from sweep to sweep: the strongest directions
# of taste then grow first, and the rest hardly before training ends.
_DAMPING, _GROWTH, _MOST = 4.0, 1.4, 160.0
# Ridge sweeps that a lasso starts from: the all-zero model is a stationary point of it.
_RIDGE_SWEEPS = 6
# From this embedding_dim on, a few steps of conjugate gradient take the place of an exact solution.
_GRADIENT_FROM = 32
# Floats in the design and the normal equations of a block, and the factor by which the numbers of ratings of
# its ids differ. Coordinate descent takes many small steps a block: fewer blocks outweigh their padding.
_BLOCK_FLOATS = {"gradient": 2**21, "cholesky": 2**21, "descent": 2**23}
_SPREAD = {"gradient": 1.1, "cholesky": 1.2, "descent": 2.0}


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


class ALS:
    """One run of alternating minimisation: the arrays, and the tables of embeddings, in TensorFlow.

    The table of a field has its ids in order of their number of ratings, the bias in the last column.

    Parameters
    ----------
    ratings : Ratings
        Ratings to learn from.
    held_out : Ratings or None
        Ratings to stop on.
    start : Model
        Where to begin.
    options : Options
        Penalty.
    method : {"gradient", "cholesky", "descent"} or None, default=None
        How to solve for the rows; None chooses.
    """

    warmup, unit, start_std = 0, "sweep", 0.001

    def __init__(
        self,
        ratings: Ratings,
        held_out: Ratings | None,
        start: Model,
        options: Options,
        method: str | None = None,
    ) -> None:
        self.start, self.options, self.n_sweeps = start, options, 0
        self.method = method or self._best_method()
        self.ids = grouping.rank_ids(ratings)
        self.ages = [epochs[ids] for epochs, ids in zip(start.epochs, self.ids, strict=True)]
        self.tables = [
            tf.constant(np.column_stack([embeddings, biases])[ids])
            for embeddings, biases, ids in zip(start.embeddings, start.biases, self.ids, strict=True)
        ]
        rows = [grouping.inverse(ids) for ids in self.ids]
        bounds = partial(grouping.block_bounds, **self._block_shape())
        self.fields = [
            grouping.group(ratings, field, rows, start, bounds, tensor) for field in range(ratings.n_fields)
        ]
        self.held_out = None
        if held_out is not None:
            self.held_out = tf.nest.map_structure(tensor, grouping.coded(held_out, rows, start))
        self.remedy = f"alpha={options.l1 + options.l2:g} or the sample weights are out of proportion"
        self.yardstick = Yardstick.of(ratings, held_out, start.scale)

    def _block_shape(self) -> dict[str, Any]:
        width, method = self.tables[0].shape[1], self.method
        shortest = 1 if method == "gradient" else 2 * width  # the normal equations need room too
        return {
            "max_cells": _BLOCK_FLOATS[method] // width,
            "shortest": shortest,
            "spread": _SPREAD[method],
        }

    def _best_method(self) -> str:
        if self.options.l1 > 0 or self.options.positive:
            return "descent"
        return "gradient" if len(self.start.embeddings[0].T) >= _GRADIENT_FROM else "cholesky"

    def run_epoch(self, epoch: int) -> tuple[float, float | None]:
        """Sweep over the fields once, the last field first.

        Parameters
        ----------
        epoch : int
            Counted from 0.

        Returns
        -------
        loss : float
            J at the end of the sweep.
        rmse : float or None
            Root mean squared error of the held-out ratings, in their units; None without any.
        """
        l1, l2 = self.options.l1, self.options.l2
        if l1 > 0 and not any(ages.any() for ages in self.ages) and epoch == 0:
            for number in range(_RIDGE_SWEEPS):
                self._sweep(number, 0.0, l1 + l2)
        loss = self._sweep(epoch, l1, l2)
        self.n_sweeps += 1
        return loss, self._validation_rmse()

    def _sweep(self, number: int, l1: float, l2: float) -> float:
        squares, paid = 0.0, 0.0
        with np.errstate(over="ignore"):  # the objective says so
            constants = np.array([l1, l2, self.options.fit_bias], dtype=np.float32)
        numbers = sweep.Numbers(*map(tf.constant, constants))
        floor = tf.constant(penalties.floors(self.tables[0].shape[1], self.options.positive))
        solve = sweep.program(len(self.tables), self.method)
        for field in reversed(range(len(self.tables))):
            others = self.tables[:field] + self.tables[field + 1 :]
            held = tf.constant(damping(self.ages[field] + np.int32(number), l1))
            self.tables[field], squares, penalty = solve(
                self.tables[field], others, self.fields[field], held, floor, numbers
            )
            paid += float(penalty)
        return self.yardstick.loss(0.5 * float(squares) + paid)

    def _validation_rmse(self) -> float | None:
        if self.held_out is None:
            return None
        squares = sweep.score_program(len(self.tables))(
            self.tables, self.held_out, tf.constant(float(self.options.fit_bias))
        )
        return self.yardstick.rmse(float(squares))

    def model(self) -> Model:
        """Copy the tables out of TensorFlow.

        Returns
        -------
        model : Model
            The present embeddings and biases.
        """
        rows = [grouping.inverse(ids) for ids in self.ids]
        tables = [table.numpy()[row] for table, row in zip(self.tables, rows, strict=True)]
        counts = [np.diff(field.starts)[row] for field, row in zip(self.fields, rows, strict=True)]
        return replace(
            self.start,
            embeddings=[np.ascontiguousarray(table[:, :-1]) for table in tables],
            biases=[table[:, -1].copy() for table in tables],
            epochs=[
                epochs + np.int32(self.n_sweeps) * (count > 0)
                for epochs, count in zip(self.start.epochs, counts, strict=True)
            ],
        )
