"""First phase: rows that explain the observed ratings and the unobserved cells."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from sklearn_mf.model._factors import Model
from sklearn_mf.solvers._regression_prior import CHARGE_IN_RATINGS, regression_priors
from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers._training import VariationalOptions
from sklearn_mf.solvers.als._unobserved import UnobservedCells
from sklearn_mf.solvers.variational._rows import FieldPrior
from sklearn_mf.solvers.variational._tables import UncertainTables

# Variance of a rating around its expectation, in units of z.
_NOISE = 0.6


@dataclass
class RelevancePhase:
    """Sweeps over both fields with a further rating of every cell.

    Parameters
    ----------
    tables : UncertainTables
        Ratings and rows.
    options : VariationalOptions
        Penalty, unobserved cells and features.
    start : Model
        First coefficients of the features, if any.
    """

    tables: UncertainTables
    options: VariationalOptions
    start: Model

    def __post_init__(self) -> None:
        self.n_sweeps = 0
        means = [rows.means for rows in self.tables.rows]
        self.cells = UnobservedCells(self.options.unobserved, means, 1.0)
        weight, sizes = self.options.unobserved.weight, self.tables.sizes
        self.ridges = [
            self.options.l2
            * (self.tables.row_weights(field) + weight * sizes[1 - field] + self.options.prior_ratings)
            for field in (0, 1)
        ]
        weights = [ridge.numpy() / self.options.l2 for ridge in self.ridges]
        self.priors = regression_priors(
            self.options.features, self.tables.ids, weights, self.start, CHARGE_IN_RATINGS
        )

    def sweep(self, noise: float = _NOISE) -> float:
        """Solve for users, then items; the variational objective a rating. With noise 0 it is J."""
        if noise == 0:
            self.tables.without_variances()
        self.n_sweeps += 1
        squares = [self._solve_field(field, noise) for field in (0, 1)][-1]
        squares += self.cells.squared_error() + self._uncertain_cells()
        penalty = sum(self._penalty(field, noise) for field in (0, 1))
        return (0.5 * squares + penalty) / self.tables.n_ratings

    def _solve_field(self, field: int, noise: float) -> float:
        cells = self.cells.row_prior(field)
        variances = self.options.unobserved.weight * tf.reduce_sum(self.tables.rows[1 - field].variances, 0)
        rows, shift = self.tables.rows[field].means, cells.shift
        if (of_features := self.priors[field]) is not None:
            of_features.learn(rows.numpy())
            shift += self.ridges[field][:, None] * tf.constant(of_features.means, tf.float32)
        uncertainty = tf.concat([variances[:-1], [0.0]], 0)
        prior = FieldPrior(self.ridges[field], cells.precision, tf.zeros_like(rows) + shift, uncertainty)
        squares = self.tables.solve(f"first phase, sweep {self.n_sweeps}", field, prior, noise)
        self.cells.update(field, self.tables.rows[field].means)
        return squares

    def _uncertain_cells(self) -> float:
        """Part of the expected squared errors of all cells that comes from the variances of the rows."""
        (u, s), (v, t) = (
            (_column_sums(rows.means**2), _column_sums(rows.variances)) for rows in self.tables.rows
        )
        n_users, n_items = self.tables.sizes
        pairs = (u * t + v * s + s * t)[:-1].sum() + n_items * s[-1] + n_users * t[-1]
        return self.options.unobserved.weight * float(pairs)

    def _penalty(self, field: int, noise: float) -> float:
        """Ridge penalty of the rows and coefficients of a field, less the entropy in units of the noise."""
        (means, variances), prior = self.tables.rows[field], self.priors[field]
        of_coefficients = 0.0
        if prior is not None:
            means -= tf.constant(prior.means, tf.float32)
            of_coefficients = self.options.l2 * prior.penalty()
        total = tf.reduce_sum(self.ridges[field][:, None] * (means**2 + variances))
        entropy = noise * tf.reduce_sum(tf.math.log(variances)) if noise else 0.0
        return 0.5 * float(total - entropy) + of_coefficients


def _column_sums(table: Tensor) -> Tensor:
    """Sums of the columns of a table, float64, (n, width) -> (width,)."""
    return np.asarray(table, dtype=np.float64).sum(axis=0)
