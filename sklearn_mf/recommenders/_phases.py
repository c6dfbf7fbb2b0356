"""The two phases of MFRecommender: relevance rows from all cells, then rating rows from observed ratings."""

import copy
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_mf.model._factors import Model, fill_unrated
from sklearn_mf.model._fold_in import RowPrior
from sklearn_mf.model._initialization import fresh_start, warm_start_model
from sklearn_mf.model._uncertain import TwoPhaseModel, UncertainModel
from sklearn_mf.ratings._features import Features
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._statistics import weighted_mean
from sklearn_mf.recommenders._features import features_of
from sklearn_mf.recommenders._fitting import FitTask
from sklearn_mf.recommenders._point_model import model_of
from sklearn_mf.recommenders._stored_pattern import pattern_of, store_pattern
from sklearn_mf.recommenders._unobserved_cells import bounded_prior_ratings, with_unobserved_cells
from sklearn_mf.retrieval._top_n import norm_bound
from sklearn_mf.solvers._registry import load_solver
from sklearn_mf.solvers._training import ALSOptions, Unobserved, VariationalOptions, train

# Penalty of a rating, and number of ratings that the penalty of each id counts beyond its own.
ALPHA, PRIOR_RATINGS = 0.006, 1000.0
# Total weight of the unobserved cells over that of the ratings, and their value in standard deviations.
_RATIO, _VALUE = 10.0, -2.0
# Sweeps where nothing else learns from the relevance rows, and expected norm of an embedding at the start.
_SWEEPS, _START_NORM = 10, 0.3
# Fitted attributes of both phases: one array for each field, and others.
_RELEVANCE = ["relevance_embeddings_", "relevance_biases_"]
_VARIANCES = ["embedding_variances_", "bias_variances_", "_prior_means", "_pattern_loadings"]
_OTHERS = [
    "relevance_loss_curve_",
    "noise_std_",
    "_relevance_averages",
    "_relevance_coefficients",
    "_relevance_norm_bounds",
    "_relevance_prior_ratings",
    "_unobserved",
    "_fingerprint",
    "_noise",
    "_pattern_centres",
    "_pattern_least",
    "_precisions",
    "_prior_coefficients",
    "_user_mean",
    "_n_sweeps",
]

# Ratings of which a checksum is taken at a time: bounds the memory.
_CHUNK = 2**20
# Least number of ratings for each feature of the pattern of rated cells.
_RATINGS_PER_FEATURE = 500

Report = Callable[[int, float], None]


def clear(recommender: Any) -> None:
    """Delete the attributes of both phases of an earlier fit."""
    for name in (*_RELEVANCE, *_VARIANCES, *_OTHERS):
        vars(recommender).pop(name, None)


def id_arrays(recommender: Any) -> list[str]:
    """Names of the fitted attributes of both phases that have an array for each field."""
    return [name for name in (*_RELEVANCE, *_VARIANCES) if hasattr(recommender, name)]


def unobserved_cells(recommender: Any, ratings: Ratings, centred: tuple[float, float]) -> Unobserved | None:
    """The unobserved cells of a fit; None where it has none. `centred` are its intercept and scale."""
    ratio, value = unobserved_ratio(recommender), recommender.unobserved_value
    if ratings.n_fields != 2 or ratio == 0 or recommender.embedding_dim == 0:
        return None
    if value is None:
        mean = weighted_mean(ratings, np.positive)
        variance = weighted_mean(ratings, lambda targets: (targets - mean) ** 2)
        value = float(mean + _VALUE * (np.sqrt(variance) or 1.0))
    intercept, scale = centred
    return Unobserved.of(ratings, ratio, (float(value) - intercept) / scale)


def unobserved_ratio(recommender: Any) -> float:
    """Total weight of the unobserved cells over that of the ratings."""
    weight = recommender.unobserved_weight
    return _RATIO if weight == "auto" else float(weight)


def learn_relevance(
    recommender: Any, task: FitTask, ratings: Ratings, centred: tuple[float, float], unobserved: Unobserved
) -> None:
    """Learn and store relevance rows by alternating least squares, where the rating rows are independent."""
    prior = _store_settings(recommender, ratings, unobserved)
    start, old = _start(recommender, task, ratings, centred)
    if old is not None:
        return store_relevance(recommender, *old)
    penalty = 0.0, ALPHA, recommender.positive, recommender.fit_bias
    options = ALSOptions(*penalty, prior_ratings=prior, unobserved=unobserved, features=task.features)
    with load_solver("als")(ratings, None, start, options) as solver:
        model, history = train(solver, _SWEEPS, _SweepReport(_report_of(recommender)), None)
    return store_relevance(recommender, model, history.curve)


def two_phase_solver(
    recommender: Any,
    task: FitTask,
    ratings: Ratings,
    held_out: Ratings | None,
    centred: tuple[float, float],
    unobserved: Unobserved,
) -> Any:
    """Solver that has learnt relevance rows, and learns rating rows with them as prior means."""
    prior = _store_settings(recommender, ratings, unobserved)
    start, old = _start(recommender, task, ratings, centred)
    relevance, curve = (None, []) if old is None else old
    before, n_sweeps = None, 0
    if task.previous is not None and has_variances(task.previous):
        before = _continued(uncertain_model(task.previous), start, task.known_codes)
        n_sweeps = 0 if relevance is None else task.previous._n_sweeps  # new ratings have other priors
    elif relevance is not None:
        relevance, curve = None, []  # the second phase starts from the rows of the first
    options = VariationalOptions(
        unobserved,
        ALPHA,
        prior,
        before,
        relevance,
        tuple(curve),
        n_sweeps,
        _report_of(recommender),
        task.features,
        min(int(recommender.implicit_features), len(ratings.targets) // _RATINGS_PER_FEATURE),
    )
    return load_solver("variational")(ratings, held_out, start, options)


def _store_settings(recommender: Any, ratings: Ratings, unobserved: Unobserved) -> float:
    """Set what a fold-in and a warm start need; the number of prior ratings."""
    recommender._unobserved = unobserved.weight, unobserved.value
    recommender._relevance_prior_ratings = bounded_prior_ratings(PRIOR_RATINGS, len(ratings.targets))
    recommender._fingerprint = _fingerprint(ratings, features_of(recommender))
    prior: float = recommender._relevance_prior_ratings
    return prior


def _fingerprint(ratings: Ratings, features: Features) -> int:
    """Checksum of ratings and features: a warm start on the same ones keeps the relevance rows."""
    checksum, tables = 0, [table for table in features if table is not None]
    of_features = [part for table in tables for part in (table.indptr, table.indices, table.data)]
    for array in (ratings.codes, ratings.targets, ratings.weights, *of_features):
        for part in gen_batches(len(array), _CHUNK):
            checksum = zlib.crc32(np.ascontiguousarray(array[part]), checksum)
    return checksum


def _start(
    recommender: Any, task: FitTask, ratings: Ratings, centred: tuple[float, float]
) -> tuple[Model, tuple[Model, list[float]] | None]:
    """Start of the relevance rows; also the finished rows and their curve, where the ratings are the same."""
    dim, previous = int(recommender.embedding_dim), task.previous
    std, positive = _START_NORM / np.sqrt(dim), recommender.positive
    start = fresh_start(ratings, *centred, dim, task.seed, std, positive)
    if previous is None or not hasattr(previous, "relevance_embeddings_"):
        return start, None
    start = warm_start_model(start, relevance_model(previous), task.known_codes, positive)
    settings = recommender._fingerprint, recommender._unobserved
    has_new_ids = any(len(known) < n for known, n in zip(task.known_codes, ratings.n_ids, strict=True))
    if has_new_ids or settings != (previous._fingerprint, previous._unobserved):
        return start, None
    return start, (start, previous.relevance_loss_curve_)


def _report_of(recommender: Any) -> Report | None:
    """Function that prints a sweep of the first phase, if verbose."""
    if not recommender.verbose:
        return None
    return lambda number, value: print(f"Relevance sweep {number}: objective {value:.6g}")


class _SweepReport:
    """Report of a training without callbacks."""

    def __init__(self, report: Report | None) -> None:
        self.report = report

    def begin(self, number: int, snapshot: object) -> None:
        """Do nothing."""

    def end(self, number: int, value: float, rmse: float | None, snapshot: object) -> bool:
        """Report a sweep; never stop."""
        if self.report is not None:
            self.report(number + 1, value)
        return False


def store_relevance(recommender: Any, state: Model, curve: list[float]) -> None:
    """Set the fitted attributes of the relevance rows."""
    model = fill_unrated(state, recommender._id_weights, features_of(recommender))
    recommender.relevance_embeddings_, recommender.relevance_biases_ = model.embeddings, model.biases
    recommender._relevance_averages = model.average_embeddings, model.average_biases
    recommender._relevance_norm_bounds = list(map(norm_bound, model.embeddings))
    recommender.relevance_loss_curve_ = curve
    recommender._epochs, recommender._relevance_coefficients = model.epochs, model.coefficients


def store_state(recommender: Any, state: TwoPhaseModel) -> None:
    """Set the fitted attributes of both phases, but for the means of the rating rows."""
    epochs, ratings = recommender._epochs, state.ratings
    store_relevance(recommender, state.relevance, state.relevance_curve)
    recommender._epochs = epochs
    filled = replace(ratings, model=model_of(recommender))
    variances = filled.filled_variances(recommender._id_weights, features_of(recommender))
    recommender.embedding_variances_ = [np.ascontiguousarray(rows[:, :-1]) for rows in variances]
    recommender.bias_variances_ = [rows[:, -1].copy() for rows in variances]
    recommender._noise, recommender._n_sweeps = ratings.noise, state.n_sweeps
    recommender.noise_std_ = recommender.scale_ * float(np.sqrt(ratings.noise))
    recommender._precisions, recommender._user_mean = ratings.precisions, ratings.user_mean
    users = np.empty((len(ratings.variances[0]), 0), dtype=np.float32)
    recommender._prior_means = [users, ratings.item_means]
    recommender._prior_coefficients = ratings.coefficients
    store_pattern(recommender, ratings.pattern)


def has_variances(recommender: Any) -> bool:
    """Whether a fit learnt the penalty, and so variances."""
    return hasattr(recommender, "embedding_variances_")


def uncertain_model(recommender: Any) -> UncertainModel:
    """The rating rows of a fitted recommender, with their variances and priors."""
    pairs = zip(recommender.embedding_variances_, recommender.bias_variances_, strict=True)
    return UncertainModel(
        model_of(recommender),
        [np.column_stack(pair) for pair in pairs],
        recommender._noise,
        recommender._precisions,
        recommender._user_mean,
        recommender._prior_means[1],
        getattr(recommender, "_prior_coefficients", ()),
    )


def relevance_model(recommender: Any) -> Model:
    """The relevance rows of a fitted recommender."""
    return Model(
        recommender.intercept_,
        recommender.scale_,
        recommender.relevance_embeddings_,
        recommender.relevance_biases_,
        recommender._relevance_averages[0],
        recommender._relevance_averages[1],
        recommender._epochs,
        getattr(recommender, "_relevance_coefficients", ()),
    )


def as_relevance(recommender: Any) -> Any:
    """Copy of a fitted recommender that ranks and folds in by its relevance rows."""
    view, model = copy.copy(recommender), relevance_model(recommender)
    view.embeddings_, view.biases_ = model.embeddings, model.biases
    view.average_embeddings_, view.average_biases_ = model.average_embeddings, model.average_biases
    view._norm_bounds = recommender._relevance_norm_bounds
    view._coefficients = model.coefficients
    view._is_relevance = True
    return view


def ranked_by(recommender: Any, rank_by: str) -> Any:
    """A fitted recommender, or a copy that ranks by its relevance rows."""
    if rank_by not in ("auto", "relevance", "rating"):
        raise ValueError(f"rank_by must be 'auto', 'relevance' or 'rating', got {rank_by!r}.")
    has_relevance = hasattr(recommender, "relevance_embeddings_")
    if rank_by == "relevance" and not has_relevance:
        raise ValueError(
            "rank_by='relevance' needs rows learnt from unobserved cells, which this fit has none of: "
            "fit two fields with unobserved_weight='auto', or use rank_by='rating'."
        )
    return as_relevance(recommender) if has_relevance and rank_by != "rating" else recommender


def rating_variances(recommender: Any, codes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Variances of the ratings of cells, (n, 2) -> (n,)."""
    if not has_variances(recommender):
        raise ValueError(
            "return_std=True needs a model that learnt its penalty from two fields, with alpha='auto' "
            f"and unobserved cells, but alpha={recommender.alpha!r} was used or fit had none: "
            "fit MFRecommender(), or use BayesianMFRecommender."
        )
    return uncertain_model(recommender).variance(codes, recommender._id_weights)


def has_prior(recommender: Any) -> bool:
    """Whether the prior of a user's row is that of one of the phases."""
    return hasattr(recommender, "_is_relevance") or has_variances(recommender)


def prior_of(recommender: Any) -> RowPrior:
    """Prior of a user's row, as in fit: of the relevance rows in a copy made for them, else as learnt."""
    mean_weight = recommender._mean_weight
    if hasattr(recommender, "_is_relevance"):
        prior = RowPrior(ALPHA, recommender._relevance_prior_ratings, mean_weight)
        return with_unobserved_cells(recommender, prior, *recommender._unobserved)
    return RowPrior(
        0.0,
        mean_weight=mean_weight,
        ridge=recommender._noise * recommender._precisions[0],
        mean=recommender._user_mean,
        pattern=pattern_of(recommender),
        item_variances=recommender.embedding_variances_[1],
    )


def _continued(
    previous: UncertainModel, start: Model, known_codes: list[NDArray[np.int32]]
) -> UncertainModel:
    """The rating rows of the last fit, over the ids and in the units of this one."""
    untrained = replace(start, epochs=[np.zeros_like(epochs) for epochs in start.epochs])
    return over_ids(previous, warm_start_model(untrained, previous.model, known_codes), known_codes)


def over_ids(previous: UncertainModel, model: Model, known_codes: list[NDArray[np.int32]]) -> UncertainModel:
    """Rating rows over the ids and in the units of a model that has their means; new ids have no variance."""
    old = previous.rescaled(previous.model.scale / model.scale)
    width = old.precisions.shape[1]
    variances = [np.zeros((len(rows), width), dtype=np.float32) for rows in model.embeddings]
    item_means = np.zeros_like(model.embeddings[1])
    for field, codes in enumerate(known_codes):
        variances[field][codes] = old.variances[field]
    item_means[known_codes[1]] = old.item_means
    return replace(old, model=model, variances=variances, item_means=item_means)
