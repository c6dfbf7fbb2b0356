"""Ratings and tables of embeddings in TensorFlow, for the solvers that update one field after another."""

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Self, TypeVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._objective import exact_sum, lower_bounds
from sklearn_mf.solvers._rated_ids import put_back
from sklearn_mf.solvers._regression_prior import Priors, RegressionPrior
from sklearn_mf.solvers._tensors import Tensor, tensor
from sklearn_mf.solvers._training import Penalty
from sklearn_mf.solvers.als._grouping import (
    BlockCuts,
    Blocks,
    block_bounds,
    group_by_field,
    rank_ids,
    round_size,
    rows_of,
)
from sklearn_mf.solvers.als._least_squares import BLOCK
from sklearn_mf.solvers.als._parts import CellsOnDisk, FieldParts, Part, PartSolver, part_bounds
from sklearn_mf.solvers.als._segments import cut_into_segments, segment_bounds
from sklearn_mf.solvers.als._sweep import ALSScalars, common_program, program
from sklearn_mf.solvers.als._unobserved import UnobservedCells
from sklearn_mf.utils._threads import SIDE_BY_SIDE_FROM, n_threads

# Type of the numbers of an array.
Scalar = TypeVar("Scalar", bound=np.generic)

# Floats in the design and the normal equations of a block, and the factor by which the numbers of ratings of
# its ids differ. Coordinate descent takes many small steps a block: fewer blocks outweigh their padding.
_BLOCK_FLOATS = {"segments": 2**21, "gradient": 2**21, "blocks": 2**21, "cholesky": 2**21, "descent": 2**23}
_SPREAD = {"segments": 1.1, "gradient": 1.1, "blocks": 1.1, "cholesky": 1.2, "descent": 2.0}


class FieldTables:
    """The ratings, grouped by the ids of each field, and the embeddings and biases.

    The table of a field has the ids with ratings alone, part after part, each part in order of their number
    of ratings, and the bias in the last column. `method` ("segments", "gradient", "blocks", "cholesky" or
    "descent") solves for the rows of a field, and its arrays set the size of the blocks of rows.
    """

    def __init__(self, ratings: Ratings, start: Model, method: str) -> None:
        self.start, self.method = start, method
        counts = [ratings.counts(field) for field in range(ratings.n_fields)]
        bounds = [part_bounds(each, on_disk=bool(ratings.field_cells)) for each in counts]
        #: Id of each row, and row of each id, for each field.
        self.ids = [rank_ids(*pair) for pair in zip(counts, bounds, strict=True)]
        self.rows = [rows_of(ids, n_ids) for ids, n_ids in zip(self.ids, ratings.n_ids, strict=True)]
        self.tables = self._tables_of(start)
        parts, fields = partial(self._parts, ratings), range(ratings.n_fields)
        if len(ratings.targets) < SIDE_BY_SIDE_FROM:
            self.fields = list(map(parts, fields, bounds))
        else:
            with ThreadPoolExecutor(n_threads(ratings.n_fields)) as threads:
                self.fields = list(threads.map(parts, fields, bounds))

    def _block_cuts(self, n_fields: int) -> BlockCuts:
        """Cuts rows into blocks."""
        method, width = self.method, self.tables[0].shape[1]
        solved_together = {"segments": 0, "gradient": 0, "blocks": min(BLOCK, width)}.get(method, width)
        max_cells = _BLOCK_FLOATS[method] // (width * max(n_fields - 1, 1))
        shortest = max(1, 2 * solved_together**2 // width)  # the normal equations need room too

        def cut(starts: NDArray[np.int32], ends: NDArray[np.int32]) -> Blocks:
            """Blocks of segments for one method, then of padded rows."""
            counts = ends - starts
            first = segment_bounds(counts if method == "segments" else counts[:0])
            bounds = block_bounds(counts[first[-1] :], max_cells, shortest, _SPREAD[method])
            return Blocks(cut_into_segments(starts, ends, first), first, first[-1] + bounds)

        return cut

    def _parts(self, ratings: Ratings, field: int, bounds: list[int]) -> FieldParts:
        """The parts of a field: on disk where the ratings are, else one in memory."""
        arguments = ratings, field, self.ids, self.rows, self.start, self._block_cuts(ratings.n_fields)
        with tf.device(self.tables[0].device):  # a device that the user chose is not known to this thread
            if not ratings.field_cells:
                return FieldParts.in_memory(group_by_field(*arguments, tensor))
            cells = CellsOnDisk.of(*arguments)
            return FieldParts(tensor(cells.row_weights), bounds, cells.read, ratings.exchange)

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
        if len(others) == 1:
            return others[0]
        return tf.concat(others, 0) if others else self.tables[0][:0]

    def minimise(
        self,
        name: str,
        dampings: list[NDArray[np.float32]],
        penalty: Penalty,
        cells: UnobservedCells | None = None,
        priors: Priors | None = None,
    ) -> float:
        """Solve for one field after another, the last first; J times the number of ratings.

        `name` is that of the sweep. `dampings`, (n_rows,) for each field, penalise half the squared distance
        of a row from its present value; `cells` are the unobserved ones. The penalty is on the distance from
        the means of `priors`.
        """
        fields = reversed(range(len(self.tables)))
        priors = priors or [None] * len(self.tables)
        sums = [
            self._solve_field(name, field, dampings[field], penalty, cells, priors[field]) for field in fields
        ]
        squares_at_end, _ = sums[-1]
        if cells is not None:
            squares_at_end += cells.squared_error()
        return 0.5 * squares_at_end + sum(field_penalty for _, field_penalty in sums)

    def _solve_field(
        self,
        name: str,
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
        scalars = ALSScalars.of(penalty, row_weight)
        solve_part = self._part_solver(field, damping, penalty, scalars, cells, prior)
        self.tables[field], *sums = self.fields[field].solve(solve_part, f"{name}, field {field}")
        squares, penalty_of_field = (float(exact_sum(values)) for values in sums)
        if prior is not None:
            penalty_of_field += (penalty.l1 + penalty.l2) * prior.penalty()
        if cells is not None:
            cells.update(field, self.tables[field])
        return squares, penalty_of_field

    def _part_solver(
        self,
        field: int,
        damping: NDArray[np.float32],
        penalty: Penalty,
        scalars: ALSScalars,
        cells: UnobservedCells | None,
        prior: RegressionPrior | None,
    ) -> PartSolver:
        """Solver of the rows of a part, their squared errors and penalties, (n_rows,), with common terms."""
        n_fields, table = len(self.tables), self.tables[field]
        of_cells = () if cells is None else (cells.row_prior(field),)
        means = () if prior is None else (prior.means,)
        prepare = common_program(n_fields, self.method, bool(of_cells))
        solve = program(n_fields, self.method, bool(of_cells), bool(means))
        common = prepare(self.others(field), scalars.has_bias, *of_cells)
        if self.method == "segments":  # tables of one size share a compilation
            common = common.with_rows(round_size(max(map(len, self.ids))))
        bounds = lower_bounds(table.shape[1], penalty.positive)

        def solve_part(part: Part) -> tuple[Tensor, ...]:
            """Solve for the rows of a part."""
            rest = [tf.constant(part.take(each), tf.float32) for each in means]
            given = part.take(table), part.ratings, tf.constant(part.take(damping)), bounds, scalars
            return solve(common, *given, *rest)

        return solve_part

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
