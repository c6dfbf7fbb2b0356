"""Parameters of MFRecommender as the solver of its observed ratings, and its options."""

from typing import Any, Protocol

import numpy as np

from sklearn_mf.model._initialization import around_constant, fresh_start, warm_start_model
from sklearn_mf.ratings._ratings import Ratings, hold_out
from sklearn_mf.ratings._statistics import weighted_mean
from sklearn_mf.recommenders._fitting import FitTask
from sklearn_mf.solvers._registry import load_solver
from sklearn_mf.solvers._training import ALSOptions, SGDOptions
from sklearn_mf.utils._warnings import warn_user

# The penalty where it is not learnt, with `prior_ratings` and without.
_ALPHA, _ALPHA_WITHOUT_PRIOR = 0.04, 0.045


class Settings(Protocol):
    """The parameters of a recommender that these functions read."""

    embedding_dim: int
    penalty: str | None
    alpha: float | str
    l1_ratio: float
    positive: bool
    prior_ratings: float
    solver: str
    learning_rate: float
    batch_size: int | str
    max_iter: int
    fit_bias: bool
    early_stopping: bool
    validation_fraction: float


def can_learn_alpha(recommender: Settings) -> bool:
    """Whether the second phase learns the penalty, where there are unobserved cells."""
    automatic = recommender.alpha == "auto" and recommender.solver == "auto" and recommender.penalty == "l2"
    return automatic and recommender.fit_bias and not recommender.positive


def chosen_solver(recommender: Settings) -> str:
    """Name of the solver of the observed ratings alone."""
    if recommender.solver != "auto":
        return str(recommender.solver)
    return "sgd" if recommender.fit_bias or recommender.penalty in ("l1", "elasticnet") else "als"


def charged_alpha(recommender: Settings) -> float:
    """Penalty of one rating."""
    if recommender.penalty is None:
        return 0.0
    if recommender.alpha != "auto":
        return float(recommender.alpha)
    return _ALPHA if charged_prior_ratings(recommender) else _ALPHA_WITHOUT_PRIOR


def shrinks_to_mean(recommender: Settings) -> bool:
    """Whether rows are penalised for their distance from the mean row of their field.

    Without biases, embeddings carry the mean of the ratings: a row of zeros predicts 0.
    """
    has_lasso = recommender.penalty in ("l1", "elasticnet")
    is_free = not (recommender.fit_bias or recommender.positive or has_lasso)
    return is_free and recommender.prior_ratings > 0 and chosen_solver(recommender) == "als"


def charged_prior_ratings(recommender: Settings) -> float:
    """Number of prior ratings; none where rows carry the mean of the ratings and are shrunk to 0."""
    charged = recommender.fit_bias or shrinks_to_mean(recommender)
    return float(recommender.prior_ratings) if charged else 0.0


def rating_options(recommender: Settings, task: FitTask) -> ALSOptions | SGDOptions:
    """Options of the chosen solver."""
    alpha, prior_ratings = charged_alpha(recommender), charged_prior_ratings(recommender)
    l1_share = {"l1": 1.0, "elasticnet": float(recommender.l1_ratio)}.get(recommender.penalty or "", 0.0)
    penalty = alpha * l1_share, alpha * (1 - l1_share), recommender.positive, recommender.fit_bias
    if chosen_solver(recommender) == "als":
        around_mean = shrinks_to_mean(recommender)
        return ALSOptions(
            *penalty, prior_ratings=prior_ratings, features=task.features, around_mean=around_mean
        )
    sgd = recommender.learning_rate, recommender.batch_size, task.seed, int(recommender.max_iter)
    return SGDOptions(*penalty, *sgd, prior_ratings=prior_ratings, features=task.features)


def hold_out_for(recommender: Settings, task: FitTask) -> tuple[Ratings, Ratings | None]:
    """Ratings to train on, and those held out for early stopping, if any."""
    ratings, fraction = task.ratings, recommender.validation_fraction
    if not recommender.early_stopping:
        return ratings, None
    train, held_out = hold_out(ratings, fraction, task.seed)
    if held_out is None:
        warn_user(
            f"early_stopping needs at least one held-out rating, but of {len(ratings.targets)} ratings "
            f"validation_fraction={fraction} leaves none that its ids can spare: "
            "training on all of them without it."
        )
    return train, held_out


def rating_solver(
    recommender: Settings,
    task: FitTask,
    training: Ratings,
    held_out: Ratings | None,
    centred: tuple[float, float],
) -> Any:
    """Solver of the observed ratings alone; `centred` are the intercept and scale of the fit."""
    solver: Any = load_solver(chosen_solver(recommender))
    dim, positive = int(recommender.embedding_dim), recommender.positive
    start = fresh_start(training, *centred, dim, task.seed, solver.start_std, positive)
    if shrinks_to_mean(recommender):
        start = around_constant(start, weighted_mean(training, np.positive) / start.scale)
    if task.previous is not None:
        start = warm_start_model(start, task.previous._model, task.known_codes, positive)
    return solver(training, held_out, start, rating_options(recommender, task))
