"""K-fold over the ratings of each user."""

import numpy as np
from numpy.typing import ArrayLike

from sklearn_mf.model_selection._base import Folds, RowFolds
from sklearn_mf.model_selection._rows import by_id, id_codes, in_time, shuffled
from sklearn_mf.utils._sklearn_compat import _UnsupportedGroupCVMixin


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
    ColdItemSplit : K-fold that holds out whole items.

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
        rows, _ = by_id(users, order)
        folds = np.empty(n, dtype=self._dtype)
        # Deal folds round-robin, continuing across users, so that sizes differ by at most one.
        folds[rows] = np.resize(np.arange(self.n_splits, dtype=self._dtype), n)
        return folds
