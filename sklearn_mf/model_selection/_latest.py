"""One split in time: each user's last ratings, and the last of all."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from sklearn_mf.model_selection._base import OneSplit
from sklearn_mf.model_selection._rows import by_user, id_codes, id_columns, in_time
from sklearn_mf.utils._sklearn_compat import Interval, RealNotInt, validate_params


class LeaveLastOut(OneSplit):
    """One split: each user's last ratings are the test part.

    Time is `groups` where given, as in `GridSearchCV(...).fit(X, y, groups=time)`, else the order of the
    rows. Ratings of one time go by the order of the rows. A user with at most `n` ratings stays in training
    with all of them, so every user is in training.

    Parameters
    ----------
    n : int, default=1
        Number of ratings of each user to test on.

    See Also
    --------
    TemporalSplit : The last ratings of all, whoever gave them.

    Notes
    -----
    Users are in the first column of X; other columns are not read.

    An item all of whose ratings are among the last ones is not in training.

    Examples
    --------
    >>> from sklearn_mf.model_selection import LeaveLastOut
    >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"], ["eve", "up"]]
    >>> for train, test in LeaveLastOut().split(X):
    ...     print(train, test)
    [0 2 4] [1 3]
    >>> for train, test in LeaveLastOut().split(X, groups=[1999, 1998, 2001, 2002, 2000]):
    ...     print(train, test)
    [1 2 4] [0 3]
    """

    @validate_params({"n": [Interval(Integral, 1, None, closed="left")]}, prefer_skip_nested_validation=True)
    def __init__(self, n: int = 1) -> None:
        self.n = n

    def _iter_test_indices(self, X: Any, y: Any, groups: Any) -> Iterator[NDArray[Any]]:
        (users,) = id_codes(X, 1)
        rows, starts = by_user(users, in_time(groups, len(users)))
        ends = starts[1:][np.diff(starts) > self.n]
        if not len(ends):
            raise ValueError(
                f"No user has more than n={self.n} ratings, so there is none to test on: lower n or pass "
                "more ratings."
            )
        yield rows[ends[:, None] - np.arange(1, self.n + 1)].ravel()


class TemporalSplit(OneSplit):
    """One split: the last ratings of all are the test part.

    Time is `groups` where given, as in `GridSearchCV(...).fit(X, y, groups=time)`, else the order of the
    rows. Ratings of one time go by the order of the rows. As in real use, users and items that come up late
    are not in training.

    Parameters
    ----------
    test_size : float or int, default=0.2
        Share of the ratings to test on, between 0 and 1 and rounded up, or their number.

    See Also
    --------
    LeaveLastOut : The last ratings of each user.
    sklearn.model_selection.TimeSeriesSplit : Several splits in the order of the rows.

    Examples
    --------
    >>> from sklearn_mf.model_selection import TemporalSplit
    >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"], ["eve", "up"]]
    >>> for train, test in TemporalSplit(0.4).split(X, groups=[1999, 1998, 2001, 2002, 2000]):
    ...     print(train, test)
    [0 1 4] [2 3]
    """

    @validate_params(
        {
            "test_size": [
                Interval(RealNotInt, 0, 1, closed="neither"),
                Interval(Integral, 1, None, closed="left"),
            ]
        },
        prefer_skip_nested_validation=True,
    )
    def __init__(self, test_size: float = 0.2) -> None:
        self.test_size = test_size

    def _iter_test_indices(self, X: Any, y: Any, groups: Any) -> Iterator[NDArray[Any]]:
        order = in_time(groups, len(id_columns(X, 1)[0].numbers))
        yield train_test_split(order, test_size=self.test_size, shuffle=False)[1]
