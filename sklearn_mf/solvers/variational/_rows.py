"""Solve for all rows of one of two fields and their variances, as one shape-polymorphic TensorFlow graph.

The rows are normal distributions with independent coordinates (Raiko, Ilin and Karhunen 2007). A rating of
weight w adds w times the variances of its partner's row to the penalty of a row.
"""

import functools
from typing import NamedTuple

import tensorflow as tf

from sklearn_mf.solvers._graph import SingleGraph
from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers.als._grouping import RatingsByField
from sklearn_mf.solvers.als._least_squares import (
    RowProblems,
    cholesky,
    conjugate_gradient,
    times_transposed,
)
from sklearn_mf.solvers.als._sweep import (
    LinkedRows,
    link_rows,
    linked_signature,
    ratings_signature,
    solve_blocks,
)


class Rows(NamedTuple):
    """Distributions of the rows of a field.

    Parameters
    ----------
    means, variances : tensor of shape (n_rows, width), float32
        Embedding and bias.
    """

    means: Tensor
    variances: Tensor


class FieldPrior(NamedTuple):
    """Penalty of the rows t of a field: ridge |t|^2 / 2 + t . precision t / 2 - shift . t.

    Parameters
    ----------
    ridge : tensor of shape (n_rows,), float32
        Ridge penalty.
    precision : tensor of shape (width, width), float32
        Common to all rows.
    shift : tensor of shape (n_rows, width), float32
        Precision times the prior mean.
    uncertainty : tensor of shape (width,), float32
        Further ridge penalty of each coordinate.
    """

    ridge: Tensor
    precision: Tensor
    shift: Tensor
    uncertainty: Tensor


def _link_rows(partners: Rows) -> LinkedRows:
    """Prepare the rows of the other field, once a field; their variances stand beside the design."""
    linked = link_rows(partners.means, 1, tf.constant(1.0))
    return linked._replace(design=tf.concat([linked.design, partners.variances], 1))  # one gather for both


def _solve_part(
    method: str, rows: Rows, linked: LinkedRows, ratings: RatingsByField, prior: FieldPrior, noise: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows of a part solved anew: means and variances; the two parts of their expected squared errors.

    (n_rows, width), same, (n_rows,), (n_rows,); `prior` has the rows of the part.
    """
    width = tf.shape(rows.means)[1]
    diagonal = tf.linalg.diag_part(prior.precision) + prior.uncertainty

    def solve(_: Tensor, block: slice, X: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Means, variances and further expected errors of a block, side by side; residuals."""
        X, variances = X[..., :width], X[..., width:]
        of_partners = times_transposed(variances, w)
        uncertainty = _without_last(of_partners)
        problems = RowProblems(
            X,
            y,
            w,
            rows.means[block],
            ridge=prior.ridge[block],
            prior_precision=prior.precision,
            prior_shift=prior.shift[block],
            uncertainty=uncertainty + prior.uncertainty,
        )
        means, residuals = (
            cholesky(problems) if method == "cholesky" else conjugate_gradient(problems, linked.scales)
        )
        curvature = times_transposed(X * X, w) + uncertainty
        own = noise / (curvature + prior.ridge[block][:, None] + diagonal)
        errors = tf.reduce_sum(means * means * uncertainty + own * curvature, 1) + of_partners[:, -1]
        return tf.concat([means, own, errors[:, None]], 1), residuals

    solved, squares = solve_blocks(linked, ratings, tf.constant(1.0), solve)
    return solved[:, :width], solved[:, width:-1], squares, solved[:, -1]


def _without_last(rows: Tensor) -> Tensor:
    """Rows with 0 in the last column, that of the bias, (n, width) -> (n, width)."""
    return tf.concat([rows[:, :-1], tf.zeros_like(rows[:, -1:])], 1)


_vector, _table = tf.TensorSpec([None]), tf.TensorSpec([None, None])
link_program = SingleGraph(_link_rows, [Rows(_table, _table)])


@functools.cache
def program(method: str) -> SingleGraph[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """`_solve_part` as a graph, for every size."""
    prior = FieldPrior(_vector, _table, _table, _vector)
    signature = [Rows(_table, _table), linked_signature, ratings_signature(2), prior, tf.TensorSpec([])]
    return SingleGraph(functools.partial(_solve_part, method), signature)
