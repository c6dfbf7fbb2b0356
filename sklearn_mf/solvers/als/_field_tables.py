"""Ratings and tables of embeddings in TensorFlow, for the solvers that update one field after another."""

import copy
from dataclasses import replace
from functools import partial
from typing import Self, TypeVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._objective import lower_bounds
from sklearn_mf.solvers._rated_ids import put_back
from sklearn_mf.solvers._regression_prior import Priors, RegressionPrior
from sklearn_mf.solvers._tensors import Tensor, tensor
from sklearn_mf.solvers._training import Penalty
from sklearn_mf.solvers.als._grouping import block_bounds, group_by_field, rank_ids, rows_of
from sklearn_mf.solvers.als._least_squares import BLOCK
from sklearn_mf.solvers.als._sweep import ALSScalars, program
from sklearn_mf.solvers.als._unobserved import UnobservedCells

# Type of the numbers of an array.
Scalar = TypeVar("Scalar", bound=np.generic)

# Floats in the design and the normal equations of a block, and the factor by which the numbers of ratings of
# its ids differ. Coordinate descent takes many small steps a block: fewer blocks outweigh their padding.
_BLOCK_FLOATS = {"gradient": 2**21, "blocks": 2**21, "cholesky": 2**21, "descent": 2**23}
_SPREAD = {"gradient": 1.1, "blocks": 1.1, "cholesky": 1.2, "descent": 2.0}


class FieldTables:
    """The ratings, grouped by the ids of each field, and the embeddings and biases.

    The table of a field has the ids with ratings alone, in order of their number of ratings, and the bias in
    the last column. `method` ("gradient", "blocks", "cholesky" or "descent") solves for the rows of a field,
    and its arrays set the size of the blocks of rows.
    """

    def __init__(self, ratings: Ratings, start: Model, method: str) -> None:
        self.start, self.method = start, method
        #: Id of each row, and row of each id, for each field.
        self.ids = rank_ids(ratings)
        self.rows = [rows_of(ids, n_ids) for ids, n_ids in zip(self.ids, ratings.n_ids, strict=True)]
        self.tables = self._tables_of(start)
        width = self.tables[0].shape[1]
        solved_together = {"gradient": 0, "blocks": min(BLOCK, width)}.get(method, width)
        bounds = partial(
            block_bounds,
            max_cells=_BLOCK_FLOATS[method] // (width * max(ratings.n_fields - 1, 1)),
            shortest=max(1, 2 * solved_together**2 // width),  # the normal equations need room too
            spread=_SPREAD[method],
        )
        self.fields = [
            group_by_field(ratings, field, self.ids, self.rows, start, bounds, tensor)
            for field in range(ratings.n_fields)
        ]

    def with_rows(self, start: Model) -> Self:
        """The same grouped ratings with the rows of another model."""
        twin = copy.copy(self)
        twin.start, twin.tables = start, self._tables_of(start)
        return twin

    def _tables_of(self, model: Model) -> list[Tensor]:
        """Rows of the ids with ratings, (n_rows[f], width) for each field."""
        rows = zip(model.embeddings, model.biases, self.ids, strict=True)
        return [tensor(np.column_stack([embeddings[ids], biases[ids]])) for embeddings, biases, ids in rows]

    def others(self, field: int) -> Tensor:
        """Stacked tables of all fields but one, (n_others, width)."""
        others = self.tables[:field] + self.tables[field + 1 :]
        return tf.concat(others, 0) if others else self.tables[0][:0]

    def minimise(
        self,
        dampings: list[NDArray[np.float32]],
        penalty: Penalty,
        cells: UnobservedCells | None = None,
        priors: Priors | None = None,
    ) -> float:
        """Solve for one field after another, the last first; J times the number of ratings.

        `dampings`, (n_rows,) for each field, penalise half the squared distance of a row from its present
        value; `cells` are the unobserved ones. The penalty is on the distance from the means of `priors`.
        """
        fields = reversed(range(len(self.tables)))
        priors = priors or [None] * len(self.tables)
        sums = [self._solve_field(field, dampings[field], penalty, cells, priors[field]) for field in fields]
        squares_at_end, _ = sums[-1]
        if cells is not None:
            squares_at_end += cells.squared_error()
        return 0.5 * squares_at_end + sum(field_penalty for _, field_penalty in sums)

    def _solve_field(
        self,
        field: int,
        damping: NDArray[np.float32],
        penalty: Penalty,
        cells: UnobservedCells | None,
        prior: RegressionPrior | None,
    ) -> tuple[float, float]:
        """Replace the table of a field; weighted squared errors and penalty of the field afterwards.

        The coefficients of the prior are learnt first, by a ridge regression: not under a lasso penalty.
        """
        if prior is not None and penalty.l1 == 0:
            prior.learn(self.tables[field].numpy())
        row_weight = penalty.prior_ratings + (0.0 if cells is None else cells.row_weight(field))
        solve = program(len(self.tables), self.method, cells is not None, prior is not None)
        self.tables[field], squares, penalty_of_field = solve(
            self.tables[field],
            self.others(field),
            self.fields[field],
            tf.constant(damping),
            lower_bounds(self.tables[field].shape[1], penalty.positive),
            ALSScalars.of(penalty, row_weight),
            *([] if cells is None else [cells.row_prior(field)]),
            *([] if prior is None else [tf.constant(prior.means, tf.float32)]),
        )
        if prior is not None:
            penalty_of_field += (penalty.l1 + penalty.l2) * prior.penalty()
        if cells is not None:
            cells.update(field, self.tables[field])
        return float(squares), float(penalty_of_field)

    def model(self, n_sweeps: int) -> Model:
        """Copy of the start with the present rows, and ids with ratings older by so many sweeps."""
        tables = [table.numpy() for table in self.tables]
        ages = [
            epochs[ids] + np.int32(n_sweeps) for epochs, ids in zip(self.start.epochs, self.ids, strict=True)
        ]
        return replace(
            self.start,
            embeddings=self.put_back([table[:, :-1] for table in tables], self.start.embeddings),
            biases=self.put_back([table[:, -1] for table in tables], self.start.biases),
            epochs=self.put_back(ages, self.start.epochs),
        )

    def put_back(self, rows: list[NDArray[Scalar]], arrays: list[NDArray[Scalar]]) -> list[NDArray[Scalar]]:
        """Copies of arrays over all ids, (n_ids[f], ...), with the rows of the tables, (n_rows[f], ...)."""
        return put_back(rows, self.ids, arrays)
