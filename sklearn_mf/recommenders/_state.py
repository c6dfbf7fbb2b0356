"""What fit stores in a recommender, and how the rest reads it."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import validate_data

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._validation import TrainingInput, read_ratings
from sklearn_mf.ratings._vocabulary import Vocabulary
from sklearn_mf.recommenders._warm_start import check_continues
from sklearn_mf.retrieval._top_n import length_bound

F = TypeVar("F", bound=Callable[..., Any])


def all_or_nothing(method: F) -> F:
    """Make a method that fails or is interrupted leave the estimator as it was before.

    Parameters
    ----------
    method : callable
        A method that sets attributes.

    Returns
    -------
    method : callable
        The same, with the estimator's attributes put back on any exception.
    """

    @functools.wraps(method)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = self.__dict__.copy()
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    return guarded  # type: ignore[return-value]


class FittedState(CallbackSupportMixin, RegressorMixin, BaseEstimator):
    """Fitted attributes of a recommender: ids, embeddings, biases, and which items were rated.

    A subclass calls `_read` and `_store` in its fit.
    """

    categories_: list[NDArray[Any]]
    target_range_: NDArray[np.float64]
    embeddings_: list[NDArray[np.float32]]
    biases_: list[NDArray[np.float32]]
    _length_bounds: Sequence[float | None] = (None, None)  # an object stored by an older version has none

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def _read(
        self, X: ArrayLike, y: ArrayLike | None, sample_weight: ArrayLike | None, previous: Self | None
    ) -> tuple[Ratings, list[NDArray[np.int32]], dict[str, Any]]:
        """Check and merge the ratings; the row of each id of the last fit; what callbacks get."""
        observed = read_ratings(X, y, sample_weight, type(self).__name__)
        validate_data(self, observed.X, skip_check_array=True, reset=True)
        if previous is not None:
            check_continues(previous, self, observed)
        arguments = (
            observed.for_callbacks(sample_weight is not None) if hasattr(self, "_skl_callbacks") else {}
        )
        ratings, known_codes = self._store_ids(observed, previous)
        del observed
        self._store_seen(ratings, previous, known_codes)
        return ratings, known_codes, arguments

    def _store_ids(
        self, observed: TrainingInput, previous: Self | None
    ) -> tuple[Ratings, list[NDArray[np.int32]]]:
        """Number the ids and merge the ratings; also the row of each id of the fit that goes on."""
        n_fields = len(observed.ids)
        before = [None] * n_fields if previous is None else previous.categories_
        learnt = [
            Vocabulary.learn(ids, dtype, _known_ids(old, more))
            for ids, dtype, old, more in zip(
                observed.ids, observed.dtypes, before, observed.known, strict=True
            )
        ]
        self.categories_ = [vocabulary.ids for vocabulary, _, _ in learnt]
        self.id_types_ = [vocabulary.dtype for vocabulary, _, _ in learnt]
        ranges = [observed.targets] if previous is None else [observed.targets, previous.target_range_]
        self.target_range_ = np.array([min(map(np.min, ranges)), max(map(np.max, ranges))])
        n_ids = tuple(map(len, self.categories_))
        ratings = Ratings.merge([codes for _, codes, _ in learnt], observed.targets, observed.weights, n_ids)
        n_old = [0] * n_fields if previous is None else [len(ids) for ids in previous.categories_]
        return ratings, [codes[:n] for (_, _, codes), n in zip(learnt, n_old, strict=True)]

    def _store_seen(
        self, ratings: Ratings, previous: Self | None, known_codes: list[NDArray[np.int32]]
    ) -> None:
        """Index the rated items of each user, of this fit and of the one it continues, as plain arrays."""
        for name in ("_seen_starts", "_seen_items"):  # of an earlier fit
            self.__dict__.pop(name, None)
        if ratings.n_fields != 2:
            return
        if previous is None:  # sorted by user and item already
            starts = np.concatenate(
                [[0], np.cumsum(np.bincount(ratings.codes[:, 0], minlength=ratings.n_ids[0]))]
            )
            self._seen_starts, self._seen_items = starts, ratings.codes[:, 1].copy()
            return
        old = previous._seen.tocoo()
        users = np.concatenate([ratings.codes[:, 0], known_codes[0][old.row]])
        items = np.concatenate([ratings.codes[:, 1], known_codes[1][old.col]])
        seen = sp.csr_array(
            (np.ones(len(users), dtype=bool), (users, items)), shape=(ratings.n_ids[0], ratings.n_ids[1])
        )
        self._seen_starts, self._seen_items = seen.indptr, seen.indices

    def _store(self, attributes: dict[str, Any]) -> None:
        for name, value in attributes.items():
            setattr(self, name, value)

    @property
    def _fitted_dim(self) -> int:
        return self.embeddings_[0].shape[1]

    @staticmethod
    def _model_attributes(model: Model) -> dict[str, Any]:
        return {
            "intercept_": model.intercept,
            "scale_": model.scale,
            "embeddings_": model.embeddings,
            "biases_": model.biases,
            "average_embeddings_": model.average_embeddings,
            "average_biases_": model.average_biases,
            "_epochs": model.epochs,
            "_length_bounds": list(map(length_bound, model.embeddings)),
        }

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

    @property
    def _seen(self) -> sp.csr_array:
        shape = len(self.categories_[0]), len(self.categories_[1])
        stored = np.broadcast_to(np.True_, len(self._seen_items))
        return sp.csr_array((stored, self._seen_items, self._seen_starts), shape=shape)

    def _vocabulary(self, field: int) -> Vocabulary:
        return Vocabulary(self.categories_[field], self.id_types_[field])

    @property
    def _names(self) -> list[str]:
        """Column names of the tables."""
        return list(getattr(self, "feature_names_in_", ["user", "item"]))

    def _of_two_fields(self, parts: list[Any], field: int) -> Any:
        if len(parts) != 2:
            raise AttributeError(
                f"Only a model of two fields has users and items, this one has {len(parts)}: "
                "use categories_, embeddings_ and biases_."
            )
        return parts[field]

    @property
    def user_ids_(self) -> NDArray[Any]:
        """Ids of the users, sorted: ndarray of shape (n_users,)."""
        return self._of_two_fields(self.categories_, 0)

    @property
    def item_ids_(self) -> NDArray[Any]:
        """Ids of the items, sorted: ndarray of shape (n_items,)."""
        return self._of_two_fields(self.categories_, 1)

    @property
    def user_embeddings_(self) -> NDArray[np.float32]:
        """Embeddings of the users: ndarray of shape (n_users, embedding_dim)."""
        return self._of_two_fields(self.embeddings_, 0)

    @property
    def item_embeddings_(self) -> NDArray[np.float32]:
        """Embeddings of the items: ndarray of shape (n_items, embedding_dim)."""
        return self._of_two_fields(self.embeddings_, 1)

    @property
    def user_biases_(self) -> NDArray[np.float32]:
        """Biases of the users: ndarray of shape (n_users,)."""
        return self._of_two_fields(self.biases_, 0)

    @property
    def item_biases_(self) -> NDArray[np.float32]:
        """Biases of the items: ndarray of shape (n_items,)."""
        return self._of_two_fields(self.biases_, 1)


def _known_ids(old: NDArray[Any] | None, more: NDArray[Any] | None) -> NDArray[Any] | None:
    """Ids that a field has whatever the ratings: first those of the last fit, then those of a matrix."""
    if old is None or more is None:
        return more if old is None else old
    return np.asarray(pd.unique(np.concatenate([old, more])))
