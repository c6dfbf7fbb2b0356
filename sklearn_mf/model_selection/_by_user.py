"""K-folds by user: over the ratings of each user, and over whole users."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mf.model_selection._base import Folds, RowFolds, TimeMixin
from sklearn_mf.model_selection._rows import by_user, id_codes, in_time, shuffled
from sklearn_mf.utils._sklearn_compat import Interval, _UnsupportedGroupCVMixin, validate_params


class PerUserKFold(_UnsupportedGroupCVMixin, RowFolds):
    """K-fold that spreads the ratings of each user over the folds.

    Each rating is tested exactly once. The numbers of ratings of a user in any two folds differ by at most
    one, and so do the sizes of the folds. So a user with at least two ratings is in every training part, and
    a user with at least `n_splits` ratings is in every test part too. A user with a single rating is unknown
    in the fold that tests it.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=True
        Whether to assign the ratings of a user to folds at random. False assigns them in the order of the
        rows.
    random_state : int, RandomState instance or None, default=None
        Seed of the random assignment with `shuffle=True`. An int gives the same folds in each call.

    See Also
    --------
    WarmKFold : K-fold that keeps every user and every item in each training part.
    ColdUserSplit : K-fold that holds out whole users.

    Notes
    -----
    The first column of X holds the users; other columns are ignored.

    Examples
    --------
    >>> from sklearn_mf.model_selection import PerUserKFold
    >>> X = [["ann", "up"], ["ann", "alien"], ["ann", "heat"], ["bob", "up"], ["bob", "alien"]]
    >>> for train, test in PerUserKFold(2, shuffle=False).split(X):
    ...     print(train, test)
    [1 3] [0 2 4]
    [0 2 4] [1 3]
    >>> PerUserKFold(random_state=0)
    PerUserKFold(n_splits=5, random_state=0, shuffle=True)
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(n_splits, shuffle=shuffle, random_state=random_state)

    def _row_folds(self, X: ArrayLike, groups: ArrayLike | None, random: np.random.RandomState) -> Folds:
        (users,) = id_codes(X, 1)
        n, order = len(users), in_time(None, len(users))
        if self.shuffle:
            users, order = shuffled(int(users.max()) + 1, random)[users], shuffled(n, random)
        rows, _ = by_user(users, order)
        folds = np.empty(n, dtype=self._dtype)
        # Deal folds round-robin, continuing across users, so that sizes differ by at most one.
        folds[rows] = np.resize(np.arange(self.n_splits, dtype=self._dtype), n)
        return folds


class ColdUserSplit(TimeMixin, RowFolds):
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

    @validate_params(
        {"given": [Interval(Integral, 0, None, closed="left")]}, prefer_skip_nested_validation=True
    )
    def __init__(
        self,
        n_splits: int = 5,
        *,
        given: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(n_splits, shuffle=True, random_state=random_state)
        self.given = given

    def _row_folds(self, X: ArrayLike, groups: ArrayLike | None, random: np.random.RandomState) -> Folds:
        (users,) = id_codes(X, 1)
        counts = np.bincount(users)
        cold = np.flatnonzero(counts > self.given)
        if len(cold) < self.n_splits:
            raise ValueError(
                f"Cannot make n_splits={self.n_splits} folds of {len(cold)} users with more than "
                f"given={self.given} ratings: lower n_splits or given."
            )
        user_folds = np.full(len(counts), -1, dtype=self._dtype)
        user_folds[cold] = _stratified_folds(counts[cold], self.n_splits, random)
        folds: Folds = user_folds[users]
        if self.given:
            order = shuffled(len(users), random) if groups is None else in_time(groups, len(users))
            rows, starts = by_user(users, order)
            folds[rows[starts[cold, None] + np.arange(self.given)]] = -1
        return folds


def _stratified_folds(
    counts: NDArray[np.intp], n_splits: int, random: np.random.RandomState
) -> NDArray[np.intp]:
    """Folds of users by numbers of ratings: each n_splits users of similar activity fill all folds, (n,)."""
    folds = np.empty(len(counts), dtype=np.intp)
    rounds = random.random_sample((-(-len(counts) // n_splits), n_splits)).argsort(axis=1)
    folds[np.argsort(-counts, kind="stable")] = rounds.ravel()[: len(counts)]
    return folds
