"""Ratings and tables of embeddings as the solvers that go field by field hold them, in TensorFlow."""

from dataclasses import replace
from functools import partial

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._objective import lower_bounds
from sklearn_mf.solvers._tensors import tensor
from sklearn_mf.solvers.als import _grouping as grouping
from sklearn_mf.solvers.als import _sweep as sweep

# Floats in the design and the normal equations of a block, and the factor by which the numbers of ratings of
# its ids differ. Coordinate descent takes many small steps a block: fewer blocks outweigh their padding.
_BLOCK_FLOATS = {"gradient": 2**21, "cholesky": 2**21, "descent": 2**23}
_SPREAD = {"gradient": 1.1, "cholesky": 1.2, "descent": 2.0}


class FieldTables:
    """The ratings, grouped by the ids of each field, and the embeddings and biases.

    The table of a field has its ids in order of their number of ratings, the bias in the last column.

    Parameters
    ----------
    ratings : Ratings
        Ratings to learn from.
    start : Model
        Where to begin.
    method : {"gradient", "cholesky", "descent"}
        How to solve for the rows of a field; decides on the size of the blocks.
    """

    def __init__(self, ratings: Ratings, start: Model, method: str) -> None:
        self.start, self.method = start, method
        self.ids = grouping.rank_ids(ratings)
        self.rows = [grouping.inverse(ids) for ids in self.ids]
        self.tables = [
            tf.constant(np.column_stack([embeddings, biases])[ids])
            for embeddings, biases, ids in zip(start.embeddings, start.biases, self.ids, strict=True)
        ]
        width = self.tables[0].shape[1]
        shortest = 1 if method == "gradient" else 2 * width  # the normal equations need room too
        bounds = partial(
            grouping.block_bounds,
            max_cells=_BLOCK_FLOATS[method] // (width * max(ratings.n_fields - 1, 1)),
            shortest=shortest,
            spread=_SPREAD[method],
        )
        self.fields = [
            grouping.group(ratings, field, self.rows, start, bounds, tensor)
            for field in range(ratings.n_fields)
        ]

    def others(self, field: int) -> tf.Tensor:
        """Tables of all fields but one.

        Parameters
        ----------
        field : int
            The one.

        Returns
        -------
        others : tensor of shape (n_others, width), float32
            One below the other.
        """
        others = self.tables[:field] + self.tables[field + 1 :]
        return tf.concat(others, 0) if others else self.tables[0][:0]

    def minimise(
        self, dampings: list[NDArray[np.float32]], l1: float, l2: float, fit_bias: bool, positive: bool
    ) -> float:
        """Solve for one field after another, the last first.

        Parameters
        ----------
        dampings : list of ndarray of shape (n_ids[f],), float32
            How much each row is held to where it is.
        l1, l2 : float
            Penalties of one rating.
        fit_bias : bool
            Whether ids have biases.
        positive : bool
            Whether embeddings must not be negative.

        Returns
        -------
        loss : float
            J times the number of ratings.
        """
        squares, paid = 0.0, 0.0
        with np.errstate(over="ignore"):  # the objective says so
            constants = np.array([l1, l2, fit_bias], dtype=np.float32)
        numbers = sweep.ALSScalars(*map(tf.constant, constants))
        floor = lower_bounds(self.tables[0].shape[1], positive)
        solve = sweep.program(len(self.tables), self.method)
        for field in reversed(range(len(self.tables))):
            self.tables[field], squares, penalty = solve(
                self.tables[field],
                self.others(field),
                self.fields[field],
                tf.constant(dampings[field]),
                floor,
                numbers,
            )
            paid += float(penalty)
        return 0.5 * float(squares) + paid

    def model(self, n_sweeps: int) -> Model:
        """Copy the tables out of TensorFlow.

        Parameters
        ----------
        n_sweeps : int
            What ids with ratings have aged since the start.

        Returns
        -------
        model : Model
            The present embeddings and biases, in the order of the codes.
        """
        tables = [table.numpy()[row] for table, row in zip(self.tables, self.rows, strict=True)]
        counts = [np.diff(field.starts)[row] for field, row in zip(self.fields, self.rows, strict=True)]
        return replace(
            self.start,
            embeddings=[np.ascontiguousarray(table[:, :-1]) for table in tables],
            biases=[table[:, -1].copy() for table in tables],
            epochs=[
                epochs + np.int32(n_sweeps) * (count > 0)
                for epochs, count in zip(self.start.epochs, counts, strict=True)
            ],
        )
