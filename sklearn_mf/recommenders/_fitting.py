"""The one fit of all recommenders: read, number, solve, report and store; all or nothing.

A fit works on a shallow copy of the estimator, and the attributes of the copy replace those of the estimator
at the end, all at once. So a fit that fails or is interrupted leaves the estimator as it was, and another
thread that predicts meanwhile sees the last fit until the new one is complete.
"""

import copy
import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from sklearn_mf.ratings._columns import IdType
from sklearn_mf.ratings._feature_encoders import Encoder
from sklearn_mf.ratings._feature_state import PlainRows
from sklearn_mf.ratings._features import Features
from sklearn_mf.ratings._field_cells import Exchange
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._row_formats import RowFormat
from sklearn_mf.ratings._seen_items import SeenItems
from sklearn_mf.ratings._statistics import RatingStatistics
from sklearn_mf.ratings._store_input import keeps_seen_items, read_input, stored
from sklearn_mf.ratings._validation import TrainingInput
from sklearn_mf.ratings._vocabulary import Vocabulary
from sklearn_mf.recommenders._callbacks import Progress
from sklearn_mf.recommenders._catalog import column_names, copy_seen_items, seen_items_of
from sklearn_mf.recommenders._features import FieldFeatures, read_features, store_features
from sklearn_mf.solvers._training import Checkpoints, History, Solver, Stopping, train

Arguments = dict[str, object]  # of scikit-learn's callbacks: X, y, metadata
S = TypeVar("S")
R = TypeVar("R")
P = ParamSpec("P")


class FitTask(NamedTuple):
    """Input of a run.

    Parameters
    ----------
    ratings : Ratings
        Merged training ratings.
    seed : int
        Seed of every random number.
    previous : estimator or None
        The last fit, where this one is a warm start.
    known_codes : list of ndarray of shape (n_previous_ids[f],), int32
        Code of each id of the last fit; empty arrays where there is none.
    features : tuple of csr_array of shape (n_ids[f], n_features[f]), float64, or None
        Features of the ids of each field; empty where no field has any.
    known_statistics : RatingStatistics or None
        Statistics of `ratings`, where they are known already.
    """

    ratings: Ratings
    seed: int
    previous: Any
    known_codes: list[NDArray[np.int32]]
    features: Features = ()
    known_statistics: RatingStatistics | None = None

    def statistics_of(self, training: Ratings) -> RatingStatistics:
        """Statistics of all ratings or, after some were held out, of those to train on."""
        known = self.known_statistics if training is self.ratings else None
        return RatingStatistics.of(training) if known is None else known


class Recommender(Protocol):
    """The members of a recommender that its fit uses."""

    embedding_dim: int
    max_iter: int
    verbose: int
    warm_start: bool
    random_state: int | np.random.RandomState | None
    n_features_in_: int
    intercept_: float
    embeddings_: list[NDArray[np.float32]]
    biases_: list[NDArray[np.float32]]
    categories_: list[NDArray[np.generic]]
    id_types_: list[IdType]
    target_range_: NDArray[np.float64]
    _seen_starts: NDArray[np.integer]
    _seen_items: NDArray[np.integer] | str
    feature_separator: str | None
    _features: list[PlainRows | None]
    _encoders: list[list[Encoder] | None]

    @property
    def _row_format(self) -> RowFormat: ...
    def _init_callback_context(self, *, max_subtasks: int) -> Any: ...
    def _make_solver(self, task: FitTask) -> tuple[Any, Stopping | None]: ...
    def _store_state(self, state: Any) -> None: ...
    def _store_run(self, state: Any, solver: Any, history: History) -> None: ...


def reads_one_fit(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Make a method read the attributes of one fit, also where another thread fits meanwhile."""

    @functools.wraps(method)
    def on_copy(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the method on a shallow copy."""
        return method(copy.copy(self), *args, **kwargs)

    return on_copy


def fit_recommender(
    estimator: Recommender,
    X: object,
    y: ArrayLike | None,
    sample_weight: ArrayLike | None,
    exchange: Exchange | None = None,
    checkpoints: Checkpoints | None = None,
) -> None:
    """Fit an estimator: all of its attributes change at the end, or none.

    With an `exchange` the work is divided among workers; a run saved in `checkpoints` is continued.
    """
    with stored(X, y, sample_weight, estimator._row_format, estimator.verbose > 0) as source:
        fitted = _trained(estimator, source, y, sample_weight, exchange, checkpoints)
        if keeps_seen_items(source):
            copy_seen_items(fitted)  # after training, where memory peaks
    replace_attributes(estimator, fitted)


def _trained(
    estimator: Recommender,
    X: object,
    y: ArrayLike | None,
    sample_weight: ArrayLike | None,
    exchange: Exchange | None,
    checkpoints: Checkpoints | None,
) -> Recommender:
    """Fitted copy of an estimator; its rated items may still be in the store."""
    fitted = copy.copy(estimator)
    # Free the input before training: memory peaks there.
    solver, stopping, arguments = _prepare(fitted, estimator, X, y, sample_weight, exchange)
    with solver:
        context = estimator._init_callback_context(max_subtasks=estimator.max_iter)
        context.call_on_fit_task_begin(estimator=estimator, **arguments)
        attributes = functools.partial(_attributes_of_state, fitted)
        progress = Progress(estimator, context, arguments, attributes, solver.unit, solver.measure)
        state, history = train(solver, int(estimator.max_iter), progress, stopping, checkpoints)
        fitted._store_run(state, solver, history)
        context.call_on_fit_task_end(
            estimator=estimator, **arguments, reconstruction_attributes=lambda: vars(fitted)
        )
    return fitted


def _prepare(
    fitted: Recommender,
    estimator: Recommender,
    X: object,
    y: ArrayLike | None,
    sample_weight: ArrayLike | None,
    exchange: Exchange | None,
) -> tuple[Solver, Stopping | None, Arguments]:
    """Read the input, store its ids, and make the solver; also the arguments of the callbacks."""
    previous = estimator if estimator.warm_start and hasattr(estimator, "embeddings_") else None
    name, rows = type(estimator).__name__, estimator._row_format
    observed = read_input(X, y, sample_weight, name, rows)
    validate_data(fitted, observed.X, skip_check_array=True, reset=True)
    if previous is not None:
        check_same_model(previous, fitted, observed)
    has_callbacks = hasattr(estimator, "_skl_callbacks")
    arguments = observed.for_callbacks(sample_weight is not None) if has_callbacks else {}
    tables = read_features(getattr(estimator, "features", None), observed, column_names(fitted))
    ratings, statistics, known_codes = store_ids(fitted, observed, previous, tables)
    folder = observed.folder_of_items(ratings)
    del observed
    store_seen(fitted, ratings, previous, known_codes, folder)
    features = store_features(fitted, tables, previous, known_codes)
    seed = int(check_random_state(estimator.random_state).randint(np.iinfo(np.int32).max))
    task = FitTask(replace(ratings, exchange=exchange), seed, previous, known_codes, features, statistics)
    solver, stopping = fitted._make_solver(task)
    return solver, stopping, arguments


def store_ids(
    fitted: Recommender,
    observed: TrainingInput,
    previous: Recommender | None,
    tables: list[FieldFeatures | None],
) -> tuple[Ratings, RatingStatistics | None, list[NDArray[np.int32]]]:
    """Number the ids and merge the ratings; also their statistics if known, and codes of its last ids."""
    n_fields = len(observed.ids)
    before = [None] * n_fields if previous is None else previous.categories_
    of_tables = [None if one is None or one.rated.all() else one.unrated_ids for one in tables]
    known = map(_known_ids, before, observed.known, of_tables)
    columns = zip(observed.ids, observed.dtypes, known, strict=True)
    learnt = [Vocabulary.learn(ids, dtype, more) for ids, dtype, more in columns]
    fitted.categories_ = [vocabulary.ids for vocabulary, _, _ in learnt]
    fitted.id_types_ = [vocabulary.dtype for vocabulary, _, _ in learnt]
    ranges = [observed.targets] if previous is None else [observed.targets, previous.target_range_]
    fitted.target_range_ = np.array([min(map(np.min, ranges)), max(map(np.max, ranges))])
    n_ids = tuple(map(len, fitted.categories_))
    codes = [codes for _, codes, _ in learnt]
    ratings = observed.merged(codes, n_ids, fitted._row_format)
    statistics = observed.statistics(codes, n_ids, fitted._row_format)
    n_old = [0] * n_fields if previous is None else [len(ids) for ids in previous.categories_]
    return ratings, statistics, [codes[:n] for (_, _, codes), n in zip(learnt, n_old, strict=True)]


def store_seen(
    fitted: Recommender,
    ratings: Ratings,
    previous: Recommender | None,
    known_codes: list[NDArray[np.int32]],
    folder: str | None = None,
) -> None:
    """Store the rated items of each user, of this fit and of the one that a warm start continues.

    Without a warm start they can stay in the folder of a store.
    """
    for name in ("_seen_starts", "_seen_items"):  # of an earlier fit
        vars(fitted).pop(name, None)
    if ratings.n_fields != 2:
        return
    if folder is not None and previous is None:
        fitted._seen_starts, fitted._seen_items = np.array(ratings.field_cells[0].starts), folder
        return
    seen = SeenItems.of(ratings)
    if previous is not None:
        seen = seen.joined(seen_items_of(previous), known_codes)
    fitted._seen_starts, fitted._seen_items = seen.starts, seen.items


def _known_ids(*parts: NDArray[np.generic] | None) -> NDArray[np.generic] | None:
    """Ids that a field has whatever the ratings: of the last fit, then of a matrix, then of its features."""
    known = [part for part in parts if part is not None]
    if len(known) < 2:
        return known[0] if known else None
    return np.asarray(pd.unique(np.concatenate(known)))


def check_same_model(
    previous: Recommender,
    fitted: Recommender,
    observed: TrainingInput,
    action: str = "A warm start",
    remedy: str = "set warm_start=False to start anew",
) -> None:
    """Refuse to continue another model; `action` and `remedy` are parts of the errors."""
    old_dim = previous.embeddings_[0].shape[1]
    if old_dim != fitted.embedding_dim:
        raise ValueError(
            f"{action} cannot change embedding_dim from {old_dim} to {fitted.embedding_dim}: {remedy}."
        )
    has_bias = previous.intercept_ != 0 or any(bias.any() for bias in previous.biases_)
    if has_bias and not getattr(fitted, "fit_bias", True):
        raise ValueError(f"{action} cannot leave out the biases that the last fit learnt: {remedy}.")
    old, new = (
        list(getattr(fit, "feature_names_in_", range(fit.n_features_in_))) for fit in (previous, fitted)
    )
    if old != new:
        raise ValueError(f"{action} cannot change the columns from {old} to {new}: {remedy}.")
    for name, known, column in zip(new, previous.categories_, observed.ids, strict=True):
        ids = column.ids
        numbers = {known.dtype.kind, ids.dtype.kind} <= set("biuf")
        if known.dtype != ids.dtype and (known.dtype.kind in "mM" or not numbers):
            raise ValueError(
                f"{action} cannot change the type of the ids in column {name!r} from {known.dtype} "
                f"to {ids.dtype}: convert them, or {remedy}."
            )


def _attributes_of_state(fitted: Recommender, state: object) -> dict[str, object]:
    """Fitted attributes as if the fit had stopped at a state of the solver."""
    stopped = copy.copy(fitted)
    stopped._store_state(state)
    return vars(stopped)


def replace_attributes(estimator: object, fitted: object) -> None:
    """Give an estimator the attributes of its fitted copy, in one step; those of its callbacks stay."""
    of_callbacks = {name: value for name, value in vars(estimator).items() if "callback" in name}
    estimator.__dict__ = {**vars(fitted), **of_callbacks}
