"""K-folds by user: of each user's ratings, and of whole users."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection._split import _UnsupportedGroupCVMixin

from sklearn_mf.model_selection._base import Folds, RowFolds, TimeMixin
from sklearn_mf.model_selection._rows import by_user, id_codes, in_time, shuffled
from sklearn_mf.utils._sklearn_compat import Interval, validate_params


class PerUserKFold(_UnsupportedGroupCVMixin, RowFolds):
    """K-fold that spreads each user's ratings over the folds.

    The numbers of ratings that a user has in two folds differ by at most one, and so do the sizes of the
    folds. So a user with at least two ratings is in every training part, and a user with at least
    `n_splits` ratings in every test part too. A user with fewer ratings than folds is tested in as many
    folds as there are ratings; the single rating of a user is tested without any to learn from. Each
    rating is tested exactly once.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=True
        Draw at random which of a user's ratings go to which fold. False deals them in the order of the
        rows.
    random_state : int, RandomState instance or None, default=None
        Seed of what is drawn with `shuffle=True`. An int gives the same folds each time.

    See Also
    --------
    WarmKFold : Every user and every item stays in each training part.
    ColdUserSplit : Whole users are held out.

    Notes
    -----
    Users are in the first column of X; other columns are not read.

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

    def _row_folds(self, X: Any, groups: Any, random: np.random.RandomState) -> Folds:
        (users,) = id_codes(X, 1)
        n, order = len(users), in_time(None, len(users))
        if self.shuffle:
            users, order = shuffled(int(users.max()) + 1, random)[users], shuffled(n, random)
        rows, _ = by_user(users, order)
        folds = np.empty(n, dtype=self._dtype)
        # Each user goes on with the fold after the last one's: so the folds come out equal in size.
        folds[rows] = np.resize(np.arange(self.n_splits, dtype=self._dtype), n)
        return folds


class ColdUserSplit(TimeMixin, RowFolds):
    """K-fold over whole users, as newcomers whom training has not seen.

    The ratings of a user are tested together, in one fold; with `given` some of them stay in training, as
    what a newcomer has rated so far. With `given=0` each rating is tested exactly once, as by
    :class:`~sklearn.model_selection.GroupKFold` with the users as groups. A user with at most `given`
    ratings is no test user and stays in training. The folds have the same number of test users, up to one,
    and about the same number of ratings: users who have rated about as much are spread over the folds.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    given : int, default=0
        How many ratings of each test user stay in training: the earliest where time is passed as `groups`
        (of one time those that stand first), else some drawn at random.
    random_state : int, RandomState instance or None, default=None
        Seed of all that is drawn. An int gives the same folds each time.

    See Also
    --------
    PerUserKFold : Each user's ratings are spread over the folds.
    sklearn.model_selection.GroupKFold : K-fold over groups of any kind.

    Notes
    -----
    Users are in the first column of X; other columns are not read.

    With `given=0` no user of a test part is known, of which a recommender warns.

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

    def _row_folds(self, X: Any, groups: Any, random: np.random.RandomState) -> Folds:
        (users,) = id_codes(X, 1)
        counts = np.bincount(users)
        cold = np.flatnonzero(counts > self.given)
        if len(cold) < self.n_splits:
            raise ValueError(
                f"Cannot make n_splits={self.n_splits} folds of {len(cold)} users with more than "
                f"given={self.given} ratings: lower n_splits or given."
            )
        user_folds = np.full(len(counts), -1, dtype=self._dtype)
        user_folds[cold] = _scattered(counts[cold], self.n_splits, random)
        folds: Folds = user_folds[users]
        if self.given:
            order = shuffled(len(users), random) if groups is None else in_time(groups, len(users))
            rows, starts = by_user(users, order)
            folds[rows[starts[cold, None] + np.arange(self.given)]] = -1
        return folds


def _scattered(counts: NDArray[np.intp], n_splits: int, random: np.random.RandomState) -> NDArray[np.intp]:
    """Folds of users by their numbers of ratings: neighbours in activity go to different folds, (n,)."""
    folds = np.empty(len(counts), dtype=np.intp)
    rounds = random.random_sample((-(-len(counts) // n_splits), n_splits)).argsort(axis=1)
    folds[np.argsort(-counts, kind="stable")] = rounds.ravel()[: len(counts)]
    return folds
