"""The ratings of two fields and the distributions of their rows."""

from dataclasses import replace

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._objective import exact_sum
from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers.als._field_tables import FieldTables
from sklearn_mf.solvers.als._parts import Part
from sklearn_mf.solvers.variational._rows import FieldPrior, Rows, link_program, program

# From this embedding_dim on, steps of conjugate gradient replace the exact solution.
_GRADIENT_FROM = 48


class UncertainTables:
    """The ratings, grouped by the ids of each field, and the rows of the ids that have ratings."""

    def __init__(self, ratings: Ratings, start: Model) -> None:
        dim = start.embeddings[0].shape[1]
        self.method = "gradient" if dim >= _GRADIENT_FROM else "cholesky"
        self.field_tables = FieldTables(ratings, start, self.method)
        self.rows = [Rows(table, tf.zeros_like(table)) for table in self.field_tables.tables]
        self.n_ratings = len(ratings.targets)

    @property
    def ids(self) -> list[NDArray[np.int32]]:
        """Id of each row of each field, (n_rows[f],)."""
        return self.field_tables.ids

    @property
    def sizes(self) -> list[int]:
        """Number of rows of each field."""
        return list(map(len, self.ids))

    def row_weights(self, field: int) -> Tensor:
        """Summed weights of the ratings of each row, (n_rows,)."""
        return self.field_tables.fields[field].row_weights

    def set_rows(self, means: Model, variances: list[NDArray[np.float32]] | None = None) -> None:
        """Take rows of all ids, of a model and (n_ids[f], width) for each field; without variances 0."""
        for field, ids in enumerate(self.ids):
            rows = np.column_stack([means.embeddings[field][ids], means.biases[field][ids]])
            spread = np.zeros_like(rows) if variances is None else variances[field][ids]
            self.rows[field] = Rows(tf.constant(rows), tf.constant(spread))

    def solve(self, name: str, field: int, prior: FieldPrior, noise: float) -> float:
        """Solve for the rows of a field; the weighted expected squared errors of all ratings.

        `name` is that of the sweep.
        """
        rows, linked = self.rows[field], link_program(self.rows[1 - field])
        solve, noise = program(self.method), tf.constant(noise, tf.float32)

        def solve_part(part: Part) -> tuple[Tensor, ...]:
            """Solve for the rows of a part."""
            own = prior._replace(ridge=part.take(prior.ridge), shift=part.take(prior.shift))
            return solve(Rows(*map(part.take, rows)), linked, part.ratings, own, noise)

        solved = self.field_tables.fields[field].solve(solve_part, f"{name}, field {field}")
        self.rows[field] = Rows(*solved[:2])
        return float(exact_sum(solved[2]) + exact_sum(solved[3]))

    def without_variances(self) -> None:
        """Make all rows certain."""
        self.rows = [Rows(rows.means, tf.zeros_like(rows.means)) for rows in self.rows]

    def model(self, onto: Model, n_sweeps: int) -> Model:
        """Copy of a model over all ids with the present means, and ids older by so many sweeps."""
        means = [rows.means.numpy() for rows in self.rows]
        ages = [epochs[ids] + np.int32(n_sweeps) for epochs, ids in zip(onto.epochs, self.ids, strict=True)]
        put_back = self.field_tables.put_back
        return replace(
            onto,
            embeddings=put_back([rows[:, :-1] for rows in means], onto.embeddings),
            biases=put_back([rows[:, -1] for rows in means], onto.biases),
            epochs=put_back(ages, onto.epochs),
        )

    def variances(self, onto: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Copies of variances over all ids, (n_ids[f], width), with the present ones."""
        return self.field_tables.put_back([rows.variances.numpy() for rows in self.rows], onto)
