"""What splitters share: folds as one number for each row, a single split, time as groups."""

from abc import ABCMeta, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.model_selection._split import GroupsConsumerMixin, _BaseKFold
from sklearn.utils import check_random_state

Folds = NDArray[np.signedinteger[Any]]


class RowFolds(_BaseKFold, metaclass=ABCMeta):
    """Base of splitters that test each row at most once.

    A subclass has `_row_folds`.
    """

    @abstractmethod
    def _row_folds(self, X: Any, groups: Any, random: np.random.RandomState) -> Folds:
        """Fold that tests each row, -1 where none does, shape (n_samples,)."""

    def _iter_test_masks(self, X: Any, y: Any, groups: Any) -> Iterator[NDArray[np.bool_]]:
        folds = self._row_folds(X, groups, check_random_state(self.random_state))
        for fold in range(self.n_splits):
            yield folds == fold

    @property
    def _dtype(self) -> np.dtype[Any]:
        """Smallest type that holds the number of a fold and -1."""
        return np.min_scalar_type(-self.n_splits)


class TimeMixin(GroupsConsumerMixin):
    """Mixin of splitters for which `groups` is time."""

    def split(
        self, X: ArrayLike, y: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Generate indices to split data into training and test set.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_columns)
            One row for each rating, users in the first column.
        y : array-like of shape (n_samples,), default=None
            Always ignored, exists for API compatibility.
        groups : array-like of shape (n_samples,), default=None
            Time of each rating: numbers, dates, or text that sorts like them.

        Yields
        ------
        train : ndarray of shape (n_train,), intp
            Rows to train on.
        test : ndarray of shape (n_test,), intp
            Rows to test on.

        Raises
        ------
        ValueError, TypeError
            Where X or `groups` do not make sense, or no rating can be tested.

        Examples
        --------
        >>> from sklearn_mf.model_selection import TemporalSplit
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"]]
        >>> [test.tolist() for train, test in TemporalSplit(0.25).split(X)]
        [[3]]
        """
        yield from super().split(X, y, groups)


class OneSplit(TimeMixin, BaseCrossValidator, metaclass=ABCMeta):
    """Base of splitters with a single split."""

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns), default=None
            Always ignored, exists for API compatibility.
        y : array-like of shape (n_samples,), default=None
            Always ignored, exists for API compatibility.
        groups : array-like of shape (n_samples,), default=None
            Always ignored, exists for API compatibility.

        Returns
        -------
        n_splits : int
            1.

        Examples
        --------
        >>> from sklearn_mf.model_selection import LeaveLastOut
        >>> LeaveLastOut().get_n_splits()
        1
        """
        return 1
