"""Single splits in time: the last ratings of each user, and the last ratings of all users."""

from collections.abc import Iterator
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import train_test_split

from sklearn_mf.model_selection._base import OneSplit
from sklearn_mf.model_selection._rows import by_id, id_codes, id_columns, in_time
from sklearn_mf.utils._sklearn_compat import Interval, RealNotInt, validate_params


class LeaveLastOut(OneSplit):
    """Single split that tests the last ratings of each user.

    Times are passed as `groups`, as in `GridSearchCV(...).fit(X, y, groups=time)`; the default is the order
    of the rows, which also breaks ties. All ratings of a user with at most `n` ratings stay in training, so
    every user is in the training part.

    Parameters
    ----------
    n : int, default=1
        Number of test ratings of each user.

    See Also
    --------
    TemporalSplit : Single split that tests the last ratings of all users together.

    Notes
    -----
    The first column of X holds the users; other columns are ignored.

    An item is not in the training part if all of its ratings are test ratings.

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

    def _iter_test_indices(
        self, X: ArrayLike, y: object, groups: ArrayLike | None
    ) -> Iterator[NDArray[np.integer]]:
        (users,) = id_codes(X, 1)
        rows, starts = by_id(users, in_time(groups, len(users)))
        ends = starts[1:][np.diff(starts) > self.n]
        if not len(ends):
            raise ValueError(
                f"No user has more than n={self.n} ratings, so there is none to test on: lower n or pass "
                "more ratings."
            )
        yield rows[ends[:, None] - np.arange(1, self.n + 1)].ravel()


class TemporalSplit(OneSplit):
    """Single split that tests the last ratings of all users together.

    Times are passed as `groups`, as in `GridSearchCV(...).fit(X, y, groups=time)`; the default is the order
    of the rows, which also breaks ties. As in production, users and items that first occur late are not in
    the training part.

    Parameters
    ----------
    test_size : float or int, default=0.2
        A float is the share of test ratings, between 0 and 1, and their number is rounded up. An int is the
        number of test ratings.

    See Also
    --------
    LeaveLastOut : Single split that tests the last ratings of each user.
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

    def _iter_test_indices(
        self, X: ArrayLike, y: object, groups: ArrayLike | None
    ) -> Iterator[NDArray[np.integer]]:
        order = in_time(groups, len(id_columns(X, 1)[0].numbers))
        yield train_test_split(order, test_size=self.test_size, shuffle=False)[1]
