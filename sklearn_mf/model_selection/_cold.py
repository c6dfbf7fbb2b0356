"""K-folds over whole users and over whole items."""

from abc import ABCMeta
from numbers import Integral
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mf.model_selection._base import Folds, RowFolds, TimeMixin
from sklearn_mf.model_selection._rows import by_id, id_codes, in_time, shuffled
from sklearn_mf.utils._sklearn_compat import Interval, validate_parameter_constraints


class _ColdSplit(TimeMixin, RowFolds, metaclass=ABCMeta):
    """Base of K-folds over all ratings of the ids of a column."""

    _field: ClassVar[int]
    _kind: ClassVar[str]

    def __init__(
        self,
        n_splits: int = 5,
        *,
        given: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        constraints = {"given": [Interval(Integral, 0, None, closed="left")]}
        # Not by a decorator, which would name this class in its errors.
        validate_parameter_constraints(constraints, {"given": given}, f"{type(self).__name__}.__init__")
        super().__init__(n_splits, shuffle=True, random_state=random_state)
        self.given = given

    def _row_folds(self, X: ArrayLike, groups: ArrayLike | None, random: np.random.RandomState) -> Folds:
        ids = id_codes(X, self._field + 1)[self._field]
        counts = np.bincount(ids)
        cold = np.flatnonzero(counts > self.given)
        if len(cold) < self.n_splits:
            raise ValueError(
                f"Cannot make n_splits={self.n_splits} folds of {len(cold)} {self._kind} with more than "
                f"given={self.given} ratings: lower n_splits or given."
            )
        id_folds = np.full(len(counts), -1, dtype=self._dtype)
        id_folds[cold] = _stratified_folds(counts[cold], self.n_splits, random)
        folds: Folds = id_folds[ids]
        if self.given:
            order = shuffled(len(ids), random) if groups is None else in_time(groups, len(ids))
            rows, starts = by_id(ids, order)
            folds[rows[starts[cold, None] + np.arange(self.given)]] = -1
        return folds


class ColdUserSplit(_ColdSplit):
    """K-fold over whole users, which simulates new users.

    The ratings of a test user are tested in the same fold, except for `given` of them, which stay in
    training as the first ratings of a new user. With `given=0` each rating is tested exactly once, as by
    :class:`~sklearn.model_selection.GroupKFold` with the users as groups. Users with at most `given` ratings
    are never tested: all of their ratings are in every training part. The numbers of test users in the folds
    differ by at most one. The numbers of ratings are similar, since the folds are stratified by the activity
    of users.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    given : int, default=0
        Number of ratings of each test user that stay in training. They are the earliest ones if times are
        passed as `groups` (ties are broken by the order of the rows), else they are drawn at random.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds and of the ratings that stay in training. An int gives the same folds in each call.

    See Also
    --------
    ColdItemSplit : The same for items.
    PerUserKFold : K-fold that spreads the ratings of each user over the folds.
    sklearn.model_selection.GroupKFold : K-fold over groups of any kind.

    Notes
    -----
    The first column of X holds the users; other columns are ignored.

    With `given=0` all users of a test part are unknown, so a recommender warns.

    Examples
    --------
    >>> from sklearn_mf.model_selection import ColdUserSplit
    >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"], ["eve", "up"]]
    >>> for train, test in ColdUserSplit(2, random_state=0).split(X):
    ...     print(train, test)
    [2 3 4] [0 1]
    [0 1] [2 3 4]
    >>> years = [1999, 1998, 2001, 2002, 2000]
    >>> for train, test in ColdUserSplit(2, given=1, random_state=0).split(X, groups=years):
    ...     print(train, test)
    [1 2 3 4] [0]
    [0 1 2 4] [3]
    """

    _field, _kind = 0, "users"


class ColdItemSplit(_ColdSplit):
    """K-fold over whole items, which simulates new items.

    The ratings of a test item are tested in the same fold, except for `given` of them, which stay in training
    as the first ratings of a new item. With `given=0` each rating is tested exactly once. Items with at most
    `given` ratings are never tested: all of their ratings are in every training part. The numbers of test
    items in the folds differ by at most one. The numbers of ratings are similar, since the folds are
    stratified by the popularity of items.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    given : int, default=0
        Number of ratings of each test item that stay in training. They are the earliest ones if times are
        passed as `groups` (ties are broken by the order of the rows), else they are drawn at random.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds and of the ratings that stay in training. An int gives the same folds in each call.

    See Also
    --------
    ColdUserSplit : The same for users.
    sklearn.model_selection.GroupKFold : K-fold over groups of any kind.

    Notes
    -----
    The second column of X holds the items; columns after it are ignored.

    With `given=0` all items of a test part have no ratings in training. A recommender warns that they are
    unknown, unless its `features` have them: then it predicts from their features.

    Examples
    --------
    >>> from sklearn_mf.model_selection import ColdItemSplit
    >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"], ["eve", "up"]]
    >>> for train, test in ColdItemSplit(2, random_state=0).split(X):
    ...     print(train, test)
    [1 3] [0 2 4]
    [0 2 4] [1 3]
    """

    _field, _kind = 1, "items"


def _stratified_folds(
    counts: NDArray[np.intp], n_splits: int, random: np.random.RandomState
) -> NDArray[np.intp]:
    """Folds of ids by numbers of ratings: each n_splits ids of similar numbers fill all folds, (n,)."""
    folds = np.empty(len(counts), dtype=np.intp)
    rounds = random.random_sample((-(-len(counts) // n_splits), n_splits)).argsort(axis=1)
    folds[np.argsort(-counts, kind="stable")] = rounds.ravel()[: len(counts)]
    return folds
