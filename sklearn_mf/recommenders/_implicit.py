"""ImplicitMFRecommender: clicks, plays and purchases, learnt from all cells of users x items."""

from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.callback import with_callbacks
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from sklearn_mf.model._factors import Model, fill_unrated
from sklearn_mf.model._fold_in import FoldInRatings, ridge_contributions, ridge_rows
from sklearn_mf.model._initialization import fresh_start, warm_start_model
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._row_formats import InteractionRows, RowFormat
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._catalog import read_ids_of
from sklearn_mf.recommenders._fitting import FitTask, fit_recommender, reads_one_fit
from sklearn_mf.recommenders._held_out import ranking_accuracy, read_held_out, unseen_pairs
from sklearn_mf.recommenders._query import RecommendQuery
from sklearn_mf.retrieval._top_n import norm_bound
from sklearn_mf.solvers._registry import load_solver
from sklearn_mf.solvers._training import ALSOptions, History, Stopping, Unobserved
from sklearn_mf.utils._sklearn_compat import Interval, StrOptions, _fit_context
from sklearn_mf.utils._warnings import warn_user

# Length of the lists that `score` evaluates.
_SCORED = 10


class ImplicitMFRecommender(BaseRecommender):
    """Doc."""

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "prior_ratings": [Interval(Real, 0, None, closed="left")],
        "unobserved_weight": [Interval(Real, 0, None, closed="left")],
        "confidence": [StrOptions({"linear", "log"}), None],
        "fit_bias": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "positive": ["boolean"],
        "handle_unknown": [StrOptions({"ignore", "error"})],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        embedding_dim: int = 64,
        *,
        alpha: float = 0.005,
        prior_ratings: float = 0.0,
        unobserved_weight: float = 10.0,
        confidence: str | None = "log",
        fit_bias: bool = False,
        max_iter: int = 10,
        tol: float = 1e-4,
        positive: bool = False,
        handle_unknown: str = "ignore",
        warm_start: bool = False,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.embedding_dim = embedding_dim
        self.alpha = alpha
        self.prior_ratings = prior_ratings
        self.unobserved_weight = unobserved_weight
        self.confidence = confidence
        self.fit_bias = fit_bias
        self.max_iter = max_iter
        self.tol = tol
        self.positive = positive
        self.handle_unknown = handle_unknown
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit."""
        fit_recommender(self, X, y, sample_weight)
        return self

    @reads_one_fit
    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict."""
        codes = self._read_codes(X)
        return self._model.predict(codes)

    @reads_one_fit
    def score(
        self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """NDCG@10 of interactions that fit has not seen."""
        check_is_fitted(self)
        if self.n_features_in_ != 2:
            read_ids_of(self, X)
            warn_user(
                f"score ranks items for users, but fit saw {self.n_features_in_} column(s), so the score is "
                "nan: pass two columns.",
                UndefinedMetricWarning,
            )
            return float("nan")
        held_out = read_held_out(self, X, y)
        relevant = unseen_pairs(self, held_out.users, held_out.items)
        table = self.recommend(relevant.users.ids, _SCORED)
        return ranking_accuracy(["ndcg"], relevant, table, _SCORED)["ndcg"]

    @property
    def _row_format(self) -> RowFormat:
        return InteractionRows(has_strengths=self.confidence is not None)

    def _make_solver(self, task: FitTask) -> tuple[Any, Stopping | None]:
        training = self._weigh(task.ratings)
        self._id_weights = [training.id_weights(field) for field in range(training.n_fields)]
        solver: Any = load_solver("als")
        dim, std = int(self.embedding_dim), solver.start_std
        start = fresh_start(training, 0.0, 1.0, dim, task.seed, std, self.positive)
        if task.previous is not None:
            start = warm_start_model(start, task.previous._model, task.known_codes, self.positive)
        return solver(training, None, start, self._options(training)), Stopping(self.tol, 1)

    def _options(self, training: Ratings) -> ALSOptions:
        """Options of the solver; sets the weight of an unobserved cell, 0 without two fields."""
        unobserved = None
        if training.n_fields == 2 and self.unobserved_weight > 0:
            unobserved = Unobserved.of(training, self.unobserved_weight, 0.0)
        self._cell_weight = 0.0 if unobserved is None else unobserved.weight
        return ALSOptions(
            0.0,
            float(self.alpha),
            self.positive,
            self.fit_bias,
            prior_ratings=float(self.prior_ratings),
            unobserved=unobserved,
        )

    def _weigh(self, interactions: Ratings) -> Ratings:
        """Cells of target 1 whose weights come from their strengths."""
        strengths = interactions.targets
        self._mean_strength = float(strengths.mean())
        weights = self._confidence(strengths)
        self._mean_confidence = float(weights.mean())
        return replace(interactions, targets=np.broadcast_to(1.0, len(weights)), weights=weights)

    def _confidence(self, strengths: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights of cells by their strengths, (n,) -> (n,)."""
        if self.confidence != "log":
            return strengths
        return 1 + np.log1p(strengths / self._mean_strength)

    def _store_state(self, state: Model) -> None:
        model = fill_unrated(state, self._id_weights)
        self.intercept_, self.scale_ = model.intercept, model.scale
        self.embeddings_, self.biases_ = model.embeddings, model.biases
        self.average_embeddings_, self.average_biases_ = model.average_embeddings, model.average_biases
        self._epochs = model.epochs
        self._norm_bounds = list(map(norm_bound, model.embeddings))

    def _store_run(self, state: Model, solver: Any, history: History) -> None:
        self._store_state(state)
        self.loss_curve_ = history.curve
        self.n_iter_ = history.n_iter

    @property
    def _model(self) -> Model:
        return Model(
            self.intercept_,
            self.scale_,
            self.embeddings_,
            self.biases_,
            self.average_embeddings_,
            self.average_biases_,
            self._epochs,
        )

    def _ranking_vectors(self, field: int) -> NDArray[np.float32]:
        return self.embeddings_[field]

    def _query_rows(self, query: RecommendQuery) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if query.fold_in is None:
            return self._model.rows(0, query.codes)
        return self._fold_in_rows(query.fold_in)

    def _folded(self, fold_in: FoldInRatings) -> dict[str, NDArray[np.float64]]:
        embeddings, biases = self._fold_in_rows(fold_in)
        return {"embeddings": embeddings, "biases": biases}

    def _fold_in_rows(self, fold_in: FoldInRatings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return ridge_rows(
            self._weighed(fold_in), self._model, float(self.alpha), self.fit_bias, self.positive
        )

    def _contributions(self, fold_in: FoldInRatings, item: int) -> tuple[float, NDArray[np.float64]]:
        return ridge_contributions(
            self._weighed(fold_in), self._model, float(self.alpha), self.fit_bias, item
        )

    def _weighed(self, fold_in: FoldInRatings) -> FoldInRatings:
        """Interactions of users from outside as `_weigh` weighs those of fit, in units of their mean."""
        weights = self._confidence(fold_in.targets) / self._mean_confidence
        return fold_in._replace(targets=np.ones(len(weights)), weights=weights)
