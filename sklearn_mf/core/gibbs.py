"""Gibbs sampling of a factorization: embedding and bias of the ids of one field at a time, field after field."""

import functools
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from sklearn_mf._model import Model
from sklearn_mf._posterior import Collector, Draw
from sklearn_mf._ratings import Ratings
from sklearn_mf.core import als, priors, sweep
from sklearn_mf.core.grouping import Grouped
from sklearn_mf.core.row_systems import draw_rows
from sklearn_mf.core.training import Options, Report

Tensor = Any

# A new chain begins where some sweeps of alternating minimisation with a ridge penalty end.
_START = Options(
    l1=0.0,
    l2=0.045,
    positive=False,
    fit_bias=True,
    learning_rate=0.0,
    batch_size="auto",
    max_iter=5,
    tol=0.0,
    n_iter_no_change=5,
    seed=0,
)


class PriorTensors(NamedTuple):
    """What a field is drawn from, apart from its ratings.

    Parameters
    ----------
    mean : tensor of shape (width,), float32
        Prior mean.
    precision : tensor of shape (width, width), float32
        Prior precision.
    noise_precision : scalar tensor, float32
        Of a rating of mean weight, in units of z.
    """

    mean: Tensor
    precision: Tensor
    noise_precision: Tensor


def _draw_field(
    table: Tensor, others: list[Tensor], field: Grouped, prior: PriorTensors, key: Tensor
) -> tuple[Tensor, Tensor]:
    """Draw the rows of one field, given the others.

    Parameters
    ----------
    table : tensor of shape (n_ids, width), float32
        Embeddings and, in the last column, biases of the field.
    others : list of tensors of shape (n_ids[g], width), float32
        Those of the other fields, in order.
    field : Grouped of tensors
        The ratings, by the ids of the field.
    prior : PriorTensors
        Prior and noise.
    key : tensor of shape (2,), int32
        Seed of the draw; each block has a seed of its own, made from it.

    Returns
    -------
    table : tensor of shape (n_ids, width), float32
        Drawn; rows without ratings as they were.
    squares : scalar tensor, float64
        Weighted squared errors that it leaves.
    """
    one = tf.constant(1.0)
    partners = sweep.partners_of(others, tf.shape(table)[1], one)

    def draw(number: Tensor, rows: slice, X: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of a block."""
        seed = tf.random.experimental.stateless_fold_in(key, number)
        noise = tf.random.stateless_normal(tf.shape(table[rows]), seed)
        return draw_rows(X, y, w, *prior, noise)

    return sweep.over_blocks(table, partners, field, one, draw)


@functools.cache
def program(n_fields: int) -> Any:
    """Draw of a field as a graph: one for each number of fields, whatever field and sizes.

    Parameters
    ----------
    n_fields : int
        Number of fields.

    Returns
    -------
    program : tf.function
        `_draw_field`.
    """
    prior = PriorTensors(tf.TensorSpec([None]), tf.TensorSpec([None, None]), tf.TensorSpec([]))
    signature = [*sweep.field_signature(n_fields), prior, tf.TensorSpec([2], tf.int32)]
    return tf.function(_draw_field, input_signature=signature, autograph=False)


class Gibbs:
    """One chain: the arrays, and the tables of embeddings, in TensorFlow.

    Parameters
    ----------
    ratings : Ratings
        Ratings to learn from.
    start : Model
        Where to begin.
    noise_precision : float or None
        Of the chain that goes on; None begins a new one.
    n_sweeps : int
        Sweeps that the chain has made.
    seed : int
        Of every random number; together with the number of the sweep.
    """

    unit = "sweep"

    def __init__(
        self, ratings: Ratings, start: Model, noise_precision: float | None, n_sweeps: int, seed: int
    ) -> None:
        self.seed, self.n_sweeps, self.scale = seed, n_sweeps, start.scale
        self.total_weight = ratings.total_weight
        self.mean_weight = ratings.total_weight / len(ratings.targets)
        self.spread = ratings.spread / start.scale**2
        self.solver = als.ALS(ratings, None, start, _START, method="cholesky")
        rng = np.random.default_rng([seed, n_sweeps])
        self.noise_precision = self._climb(rng) if noise_precision is None else noise_precision
        self.priors = [priors.draw_prior(table.numpy(), rng) for table in self.solver.tables]

    def _climb(self, rng: np.random.Generator) -> float:
        """Run the first sweeps of alternating minimisation; the precision of the noise that they leave."""
        loss = min(self.solver.run_epoch(number)[0] for number in range(_START.max_iter))
        return priors.draw_noise_precision(2 * loss * self.total_weight, self.total_weight, rng)

    def run_sweep(self) -> float:
        """Draw the priors and rows of every field, the last field first, then the noise.

        Returns
        -------
        log_likelihood : float
            Of the ratings, in their units, at the end of the sweep.
        """
        rng = np.random.default_rng([self.seed, self.n_sweeps + 1])
        tables, fields, squares = self.solver.tables, self.solver.fields, 0.0
        drawn = []
        for number in reversed(range(len(tables))):
            rated = tables[number].numpy()[int(fields[number].bounds[0]) :]
            drawn.append(priors.draw_prior(rated, rng))
            others = tables[:number] + tables[number + 1 :]
            key = tf.constant([self.seed, self.n_sweeps * len(tables) + number], tf.int32)
            tables[number], left = program(len(tables))(
                tables[number], others, fields[number], self._tensors(drawn[-1]), key
            )
            squares = self.mean_weight * float(left) + self.spread
        self.priors, self.n_sweeps = drawn[::-1], self.n_sweeps + 1
        self.solver.n_sweeps += 1
        self.noise_precision = priors.draw_noise_precision(squares, self.total_weight, rng)
        return self._log_likelihood(squares)

    def _tensors(self, prior: priors.Prior) -> PriorTensors:
        noise = np.float32(self.noise_precision * self.mean_weight)
        return PriorTensors(*(tf.constant(part, tf.float32) for part in (prior.mean, prior.precision, noise)))

    def _log_likelihood(self, squares: float) -> float:
        normal = np.log(self.noise_precision) - np.log(2 * np.pi) - 2 * np.log(self.scale)
        return float(0.5 * (self.total_weight * normal - self.noise_precision * squares))

    def draw(self) -> Draw:
        """Copy the present draw out of TensorFlow.

        Returns
        -------
        draw : Draw
            Rows in the order of the codes.
        """
        return Draw(
            model=self.solver.model(),
            prior_means=np.array([prior.mean for prior in self.priors]),
            prior_precisions=np.array([prior.precision for prior in self.priors]),
            noise_precision=self.noise_precision,
            n_sweeps=self.n_sweeps,
        )


def sample(
    chain: Gibbs, max_iter: int, kept_after: list[int], collector: Collector, report: Report
) -> list[float]:
    """Run sweeps and keep draws.

    Parameters
    ----------
    chain : Gibbs
        The chain to advance.
    max_iter : int
        Number of sweeps.
    kept_after : list of int
        Sweeps, counted from 0, after which the draw is kept.
    collector : Collector
        Gets the draws; at least one, also where the report ends the chain before.
    report : Report
        Told of the begin and end of each sweep.

    Returns
    -------
    log_likelihood_curve : list of float
        After each sweep.

    Raises
    ------
    ValueError
        Where the chain is no longer finite.
    """
    curve: list[float] = []
    for number in range(max_iter):
        report.begin(number, chain.draw)
        curve.append(chain.run_sweep())
        if not np.isfinite(curve[-1]):
            raise ValueError(
                f"The chain diverged in sweep {number + 1}, the log-likelihood became {curve[-1]}: the ratings "
                "or the sample weights are out of proportion."
            )
        if number in kept_after:
            collector.add(chain.draw())
        if report.end(number, curve[-1], None, chain.draw):
            break
    if not collector.n_kept:
        collector.add(chain.draw())
    return curve
