"""The part that all solvers share: their options, the loop over epochs, and when it stops. No TensorFlow."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar

import numpy as np

from sklearn_mf.model._factors import Model
from sklearn_mf.model._uncertain import UncertainModel
from sklearn_mf.ratings._features import Features
from sklearn_mf.ratings._ratings import Ratings

# A solver's state outside TensorFlow: a Model, or a Draw of a chain.
State = TypeVar("State", covariant=True)
Saved = TypeVar("Saved")


@dataclass(frozen=True)
class Unobserved:
    """One more rating of every cell of users x items, the observed ones too.

    Parameters
    ----------
    weight : float
        Weight of a cell, where observed cells have mean weight 1.
    value : float
        Target of a cell, in units of z.
    """

    weight: float
    value: float

    @classmethod
    def of(cls, ratings: Ratings, ratio: float, value: float) -> Self:
        """Give the unobserved cells `ratio` times the total weight of the observed ones.

        No cell weighs more than an observed one of mean weight.
        """
        n_users, n_items = (int(np.count_nonzero(ratings.counts(field))) for field in range(2))
        return cls.of_counts(len(ratings.targets), (n_users, n_items), ratio, value)

    @classmethod
    def of_counts(cls, n_ratings: float, n_rated: tuple[int, int], ratio: float, value: float) -> Self:
        """The same for a number of observed cells, and the numbers of users and items that have any."""
        return cls(min(ratio * n_ratings / (n_rated[0] * n_rated[1]), 1.0), value)


@dataclass(frozen=True)
class Penalty:
    """Penalty and form of the model.

    Parameters
    ----------
    l1, l2 : float
        Lasso and ridge penalty of one rating: alpha * l1_ratio, alpha * (1 - l1_ratio).
    positive : bool
        Whether embeddings must not be negative.
    fit_bias : bool
        Whether ids have biases.
    prior_ratings : float
        Number of ratings of mean weight that the penalty of each id counts beyond its own.
    features : tuple of csr_array of shape (n_ids[f], n_features[f]), float64, or None
        Features of the ids of each field; empty where no field has any.
    around_mean : bool
        Whether the penalty is on the distance of a row from the mean row of its field, where there are no
        features. Alternating least squares alone; not with a lasso penalty or non-negative embeddings.
    """

    l1: float
    l2: float
    positive: bool
    fit_bias: bool
    prior_ratings: float = field(default=0.0, kw_only=True)
    features: Features = field(default=(), kw_only=True)
    around_mean: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class ALSOptions(Penalty):
    """Options of alternating least squares.

    Parameters
    ----------
    unobserved : Unobserved or None
        Further ratings of all cells, for two fields.
    """

    unobserved: Unobserved | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class VariationalOptions:
    """Options of the two phases of variational Bayes.

    Parameters
    ----------
    unobserved : Unobserved
        Further ratings of all cells, in the first phase.
    l2, prior_ratings : float
        Ridge penalty of one rating in the first phase, and the number of ratings that the penalty of each id
        counts beyond its own.
    ratings : UncertainModel or None
        Rows and priors of the second phase that a warm start continues, over all ids in units of this fit.
    relevance : Model or None
        Rows of the first phase, where a warm start has the same ratings; None runs the phase.
    relevance_curve : tuple of float
        Objective after each sweep that led to `relevance`.
    n_sweeps : int
        Sweeps of the second phase over the same ratings before this run.
    report : callable or None
        Called with the number, from 1, and the objective of each sweep of the first phase.
    features : tuple of csr_array of shape (n_ids[f], n_features[f]), float64, or None
        Features of the ids of each field; empty where no field has any.
    implicit_features : int
        Number of features from the pattern of rated cells, in the second phase.
    """

    unobserved: Unobserved
    l2: float
    prior_ratings: float
    ratings: UncertainModel | None = None
    relevance: Model | None = None
    relevance_curve: tuple[float, ...] = ()
    n_sweeps: int = 0
    report: Callable[[int, float], None] | None = None
    features: Features = ()
    implicit_features: int = 0


@dataclass(frozen=True)
class SGDOptions(Penalty):
    """Options of stochastic gradient descent.

    Parameters
    ----------
    learning_rate : float
        Step of one rating in the first epoch.
    batch_size : int or "auto"
        Most ratings in one step.
    seed : int
        Seed of the visiting order.
    max_iter : int or None
        Number of epochs, where it is known: the visiting order of the next one is drawn ahead.
    n_parts : int or None
        Parts that the ids of each field are divided into; None chooses.
    """

    learning_rate: float
    batch_size: int | str
    seed: int
    max_iter: int | None = None
    n_parts: int | None = None


@dataclass(frozen=True)
class GibbsOptions:
    """Options of Gibbs sampling.

    Parameters
    ----------
    seed : int
        Seed of the chain.
    heteroscedastic : bool
        Whether the noise differs between ids.
    kept_after : tuple of int
        Sweeps, counted from 0, after which the draw of each chain is kept.
    features : tuple of csr_array of shape (n_ids[f], n_features[f]), float64, or None
        Features of the ids of each field; empty where no field has any.
    n_chains : int
        Number of chains.
    implicit_features : int
        Number of features of users and items from the pattern of rated cells.
    likelihood : str
        "normal" or "ordinal".
    """

    seed: int
    heteroscedastic: bool
    kept_after: tuple[int, ...]
    features: Features = ()
    n_chains: int = 1
    implicit_features: int = 0
    likelihood: str = "normal"


@dataclass(frozen=True)
class Stopping:
    """When training stops before `max_iter`.

    Parameters
    ----------
    tol : float
        Relative change below which an epoch counts as no improvement.
    n_iter_no_change : int
        Epochs in a row without improvement that end the training.
    """

    tol: float
    n_iter_no_change: int


@dataclass(frozen=True)
class ObjectiveScale:
    """Turns the sums over ratings that a solver computes into J and an RMSE.

    Parameters
    ----------
    n_ratings : int
        Number of training ratings; their weights have mean 1 in a solver.
    constant_loss : float
        Part of J that merging repeated rows took out.
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
        """Take the sums from the ratings; none of their arrays is kept."""
        constant_loss = 0.5 * ratings.within_square_sum / scale**2 / ratings.total_weight
        held_out_weight = 0.0 if held_out is None else held_out.total_weight
        return cls(len(ratings.targets), constant_loss, held_out_weight, scale)

    def loss(self, total: float) -> float:
        """J, from half the weighted squared errors plus the penalty, summed over the training ratings."""
        return float(total / self.n_ratings + self.constant_loss)

    def rmse(self, squares: float) -> float | None:
        """RMSE in units of the ratings, from the weighted squared errors; None without held-out ratings."""
        if not self.held_out_weight:
            return None
        return float(self.scale * np.sqrt(squares / self.held_out_weight))


@dataclass
class History:
    """Course of training.

    Parameters
    ----------
    curve : list of float
        The solver's measure after each epoch: objective J or log-likelihood.
    validation_scores : list of float
        Negated RMSE of the held-out ratings after each epoch, in units of the ratings; empty without any.
    """

    curve: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)

    @property
    def n_iter(self) -> int:
        """Number of epochs done."""
        return len(self.curve)

    def append(self, value: float, rmse: float | None) -> None:
        """Add an epoch."""
        self.curve.append(value)
        if rmse is not None:
            self.validation_scores.append(-rmse)


class Solver(Protocol[State]):
    """One training run that can be advanced by an epoch; a context manager that ends its threads."""

    #: Name of a pass over the data: "epoch" or "sweep".
    unit: str
    #: Name of the number that describes a pass: "objective" or "log-likelihood".
    measure: str = "objective"
    #: Subject of the sentence about divergence, and its remedy.
    subject: str = "Training"
    remedy: str
    #: Standard deviation of the embeddings of a fresh start.
    start_std: float
    #: Number of first epochs that neither count as stalled nor can be the best one.
    warmup: int = 0

    def __init__(self, ratings: Ratings, held_out: Ratings | None, start: Model, options: object) -> None:
        """Take training ratings, perhaps ratings to stop on, the start, and the options of the solver."""

    def begin(self) -> None:
        """Do what comes before the first epoch of a new run."""
        return None

    def run_epoch(self, number: int) -> tuple[float, float | None]:
        """Pass over the data, counted from 0; the measure, and the RMSE of the held-out ratings if any."""
        ...

    def checkpoint(self) -> object:
        """Everything that `resume` needs, outside TensorFlow; None where a run cannot be continued."""
        return None

    def resume(self, checkpoint: Any) -> None:
        """Continue where a solver of the same input has been at its `checkpoint`, in place of `begin`."""
        return None

    def snapshot(self) -> State:
        """Copy of the present state, outside TensorFlow."""
        ...

    def close(self) -> None:
        """End the threads; may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Report(Protocol):
    """Observer of training, called before and after each epoch."""

    def begin(self, number: int, snapshot: Callable[[], object]) -> None:
        """Observe the begin of an epoch, counted from 0; `snapshot` copies the state of the solver."""

    def end(self, number: int, value: float, rmse: float | None, snapshot: Callable[[], object]) -> bool:
        """Observe the end of an epoch, its measure and validation RMSE; True stops the training."""
        ...


@dataclass
class Course:
    """Training up to some epoch.

    Parameters
    ----------
    history : History
        Its epochs.
    best : state or None
        State after the best epoch, where ratings are held out.
    stalled : int
        Number of epochs since the last improvement.
    """

    history: History = field(default_factory=History)
    best: Any = None
    stalled: int = 0

    def add(
        self, solver: Solver[object], value: float, rmse: float | None, stopping: Stopping | None
    ) -> None:
        """Add an epoch; without `stopping` nothing is compared."""
        self.history.append(value, rmse)
        if stopping is not None:
            improved, is_best = _improvement(self.history, solver.warmup, stopping.tol)
            self.best = solver.snapshot() if rmse is not None and is_best else self.best
            self.stalled = 0 if improved else self.stalled + 1


class Checkpoints(Protocol):
    """Where a run is saved from time to time, so that another process can continue it."""

    def load(self) -> tuple[Course, object] | None:
        """The last course, and the checkpoint of its solver; None where there is none."""

    def save(self, course: Course, solver: Solver[object]) -> None:
        """Save a course after an epoch, if it is time."""


def train(
    solver: Solver[Saved],
    max_iter: int,
    report: Report,
    stopping: Stopping | None = None,
    checkpoints: Checkpoints | None = None,
) -> tuple[Saved, History]:
    """Run epochs until `max_iter`, until nothing improves (never with None), or until the report says stop.

    Returns the state after the last epoch, or after the best one where ratings are held out, and the history.
    Raises a ValueError where the measure is not finite. A run that was saved in `checkpoints` is continued.
    """
    course = _begin(solver, checkpoints)
    for number in range(course.history.n_iter, max_iter):
        report.begin(number, solver.snapshot)
        value, rmse = solver.run_epoch(number)
        _check_finite(value, number, solver)
        course.add(solver, value, rmse, stopping)
        stop = report.end(number, value, rmse, solver.snapshot)
        if stop or (stopping is not None and course.stalled >= stopping.n_iter_no_change):
            break
        if checkpoints is not None:
            checkpoints.save(course, solver)
    return solver.snapshot() if course.best is None else course.best, course.history


def _begin(solver: Solver[object], checkpoints: Checkpoints | None) -> Course:
    """Begin a run, or continue one that was saved."""
    saved = None if checkpoints is None else checkpoints.load()
    if saved is None:
        solver.begin()
        return Course()
    course, checkpoint = saved
    solver.resume(checkpoint)
    return course


def _improvement(history: History, warmup: int, tol: float) -> tuple[bool, bool]:
    """Whether the last epoch improved by more than tol, and whether it is the best by validation so far.

    J is compared with the epoch before, the validation RMSE with the best epoch.
    """
    if not history.validation_scores:
        before, now = history.curve[warmup:-1][-1:], history.curve[-1]
    else:
        rmse = [-score for score in history.validation_scores]
        before, now = rmse[warmup:-1], rmse[-1]
    if history.n_iter <= warmup or not before:
        return True, True
    return min(before) - now > tol * abs(min(before)), now < min(before)


def _check_finite(value: float, number: int, solver: Solver[object]) -> None:
    if not np.isfinite(value):
        raise ValueError(
            f"{solver.subject} diverged in {solver.unit} {number + 1}, the {solver.measure} became {value}: "
            f"{solver.remedy}."
        )
