"""What every solver shares: its options, the loop over epochs, when to stop. No TensorFlow."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings


@dataclass(frozen=True)
class Options:
    """Numbers that a solver needs; the estimator's parameters after validation.

    Parameters
    ----------
    l1, l2 : float
        Weights of the lasso and of the ridge penalty of one rating: alpha * l1_ratio, alpha * (1 - l1_ratio).
    positive : bool
        Whether embeddings must not be negative.
    fit_bias : bool
        Whether ids have biases.
    learning_rate : float
        Step of one rating in the first epoch.
    batch_size : int or "auto"
        Ratings in one step.
    max_iter : int
        Most epochs.
    tol : float
        Relative change under which an epoch counts as no improvement.
    n_iter_no_change : int
        Epochs in a row without improvement that end the training.
    seed : int
        Of every random number.
    """

    l1: float
    l2: float
    positive: bool
    fit_bias: bool
    learning_rate: float
    batch_size: int | str
    max_iter: int
    tol: float
    n_iter_no_change: int
    seed: int


@dataclass(frozen=True)
class ObjectiveScale:
    """Turns the sums that a solver counts into J and an RMSE.

    Parameters
    ----------
    n_ratings : int
        Number of training ratings; their weights have mean 1 in a solver.
    constant_loss : float
        The part of J that merging repeated rows took out.
    held_out_weight : float
        Sum of the weights of the held-out ratings; 0 without any.
    scale : float
        Unit of z.
    """

    n_ratings: int
    constant_loss: float
    held_out_weight: float
    scale: float

    @classmethod
    def of(cls, ratings: Ratings, held_out: Ratings | None, scale: float) -> Self:
        """Take what is needed from the ratings.

        Parameters
        ----------
        ratings : Ratings
            Ratings to learn from.
        held_out : Ratings or None
            Ratings to stop on.
        scale : float
            Unit of z.

        Returns
        -------
        yardstick : Yardstick
            Holds no array.
        """
        constant_loss = 0.5 * ratings.spread / scale**2 / ratings.total_weight
        held_out_weight = 0.0 if held_out is None else held_out.total_weight
        return cls(len(ratings.targets), constant_loss, held_out_weight, scale)

    def loss(self, total: float) -> float:
        """Find J.

        Parameters
        ----------
        total : float
            Half the weighted squared errors plus the penalty, summed over the training ratings.

        Returns
        -------
        loss : float
            The objective J.
        """
        return float(total / self.n_ratings + self.constant_loss)

    def rmse(self, squares: float) -> float | None:
        """Find the error on the held-out ratings.

        Parameters
        ----------
        squares : float
            Their weighted squared errors in units of z, summed.

        Returns
        -------
        rmse : float or None
            In units of the ratings; None without any.
        """
        if not self.held_out_weight:
            return None
        return float(self.scale * np.sqrt(squares / self.held_out_weight))


@dataclass
class History:
    """What happened in training.

    Parameters
    ----------
    loss_curve : list of float
        Objective J after each epoch.
    validation_scores : list of float
        Negated RMSE of the held-out ratings after each epoch, in units of the ratings; empty without any.
    n_iter : int
        Number of epochs done.
    """

    loss_curve: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    n_iter: int = 0

    def append(self, loss: float, rmse: float | None) -> None:
        """Note an epoch.

        Parameters
        ----------
        loss : float
            Objective J.
        rmse : float or None
            Of the held-out ratings, in their units.
        """
        self.loss_curve.append(loss)
        if rmse is not None:
            self.validation_scores.append(-rmse)
        self.n_iter += 1


class Solver(Protocol):
    """One training run that can be advanced by an epoch.

    `warmup` is the number of first epochs that neither count as stalled nor can be the best: they prepare the
    training proper. `unit` is what a pass over the data is called, `remedy` what to do about
    divergence, `start_std` the standard deviation of the embeddings that it starts from.
    """

    warmup: int
    unit: str
    remedy: str
    start_std: float

    def run_epoch(self, epoch: int) -> tuple[float, float | None]:
        """Pass over the data once.

        Parameters
        ----------
        epoch : int
            Counted from 0.

        Returns
        -------
        loss : float
            J at the end of the epoch.
        rmse : float or None
            Of the held-out ratings, in their units; None without any.
        """

    def model(self) -> Model:
        """Copy the present embeddings and biases out."""


class Report(Protocol):
    """Whoever wants to hear of each epoch."""

    def begin(self, epoch: int, model: Callable[[], Any]) -> None:
        """Hear that an epoch begins.

        Parameters
        ----------
        epoch : int
            Counted from 0.
        model : callable
            Copies what is learnt so far out.
        """

    def end(self, epoch: int, loss: float, rmse: float | None, model: Callable[[], Any]) -> bool:
        """Hear that an epoch has ended.

        Parameters
        ----------
        epoch : int
            Counted from 0.
        loss : float
            J at its end.
        rmse : float or None
            Of the held-out ratings.
        model : callable
            Copies what is learnt so far out.

        Returns
        -------
        stop : bool
            True stops the training.
        """


def train(solver: Solver, options: Options, report: Report) -> tuple[Model, History]:
    """Run epochs until nothing improves, the report says stop, or `max_iter`.

    Parameters
    ----------
    solver : Solver
        The run to advance.
    options : Options
        `max_iter`, `tol`, `n_iter_no_change`.
    report : Report
        Told of the begin and end of each epoch.

    Returns
    -------
    model : Model
        After the last epoch; after the best one where ratings are held out.
    history : History
        The course of training.

    Raises
    ------
    ValueError
        Where the objective is no longer finite.
    """
    history, best, stalled = History(), None, 0
    for epoch in range(options.max_iter):
        report.begin(epoch, solver.model)
        loss, rmse = solver.run_epoch(epoch)
        _check_finite(loss, epoch, solver)
        history.append(loss, rmse)
        improved, is_best = _improvement(history, solver.warmup, options.tol)
        if rmse is not None and is_best:
            best = solver.model()
        stalled = 0 if improved else stalled + 1
        stop = report.end(epoch, loss, rmse, solver.model)
        if stop or stalled >= options.n_iter_no_change:
            break
    return best or solver.model(), history


def _improvement(history: History, warmup: int, tol: float) -> tuple[bool, bool]:
    """Whether the last epoch improved by more than tol, and whether it is the best by validation so far.

    J is compared with the epoch before, the validation RMSE with the best epoch.
    """
    if not history.validation_scores:
        before, now = history.loss_curve[warmup:-1][-1:], history.loss_curve[-1]
    else:
        rmse = [-score for score in history.validation_scores]
        before, now = rmse[warmup:-1], rmse[-1]
    if history.n_iter <= warmup or not before:
        return True, True
    return min(before) - now > tol * min(before), now < min(before)


def _check_finite(loss: float, epoch: int, solver: Solver) -> None:
    if not np.isfinite(loss):
        raise ValueError(
            f"Training diverged in {solver.unit} {epoch + 1}, the objective became {loss}: {solver.remedy}."
        )
