"""Base classes of splitters: K-folds over rows, a single split, and time as groups."""

from abc import ABCMeta, abstractmethod
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state

from sklearn_mf.utils._sklearn_compat import GroupsConsumerMixin, _BaseKFold

Folds = NDArray[np.signedinteger]


class RowFolds(_BaseKFold, metaclass=ABCMeta):
    """Base of splitters that test each row at most once; a subclass defines `_row_folds`."""

    @abstractmethod
    def _row_folds(self, X: ArrayLike, groups: ArrayLike | None, random: np.random.RandomState) -> Folds:
        """Fold that tests each row, -1 if none does, (n_samples,)."""

    def _iter_test_masks(
        self, X: ArrayLike, y: object, groups: ArrayLike | None
    ) -> Iterator[NDArray[np.bool_]]:
        folds = self._row_folds(X, groups, check_random_state(self.random_state))
        for fold in range(self.n_splits):
            yield folds == fold

    @property
    def _dtype(self) -> np.dtype:
        """Smallest integer type for fold numbers and -1."""
        return np.min_scalar_type(-self.n_splits)


class TimeMixin(GroupsConsumerMixin):
    """Mixin of splitters whose `groups` are times."""

    def split(
        self, X: ArrayLike, y: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Generate indices to split data into training and test set.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_columns)
            One row for each rating, with a column for each kind of id.
        y : array-like of shape (n_samples,), default=None
            Always ignored, exists for API compatibility.
        groups : array-like of shape (n_samples,), default=None
            Time of each rating: numbers, dates, or text whose order is that of time. None takes the order of
            the rows.

        Yields
        ------
        train : ndarray of shape (n_train,), intp
            Row numbers of the training part.
        test : ndarray of shape (n_test,), intp
            Row numbers of the test part.

        Raises
        ------
        ValueError, TypeError
            If X or `groups` are invalid, or no rating can be tested.

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

    def get_n_splits(
        self, X: ArrayLike | None = None, y: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> int:
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
            Always 1.

        Examples
        --------
        >>> from sklearn_mf.model_selection import LeaveLastOut
        >>> LeaveLastOut().get_n_splits()
        1
        """
        return 1
