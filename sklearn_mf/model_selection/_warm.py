"""K-fold that keeps every user and every item in each training part."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components

from sklearn_mf.model_selection._base import Folds, RowFolds
from sklearn_mf.model_selection._rows import id_codes
from sklearn_mf.utils._sklearn_compat import _UnsupportedGroupCVMixin


class WarmKFold(_UnsupportedGroupCVMixin, RowFolds):
    """K-fold that keeps every user and every item of X in each training part.

    So no prediction uses the fallback for unknown ids. A rating that is the only one of its user or of its
    item is never tested: it is in every training part. Every other rating is tested exactly once. No K-fold
    with this property can test more ratings.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds. An int gives the same folds in each call.

    See Also
    --------
    PerUserKFold : K-fold that spreads the ratings of each user evenly, but may test all ratings of an item.
    ColdUserSplit : K-fold that holds out whole users.

    Notes
    -----
    The first column of X holds the users and the second one the items; other columns are ignored. Repeated
    pairs of a user and an item count as several ratings.

    The folds come from a graph whose nodes are ratings. Take a user or item without a rating that is in every
    training part. An edge joins its first and its last rating in the order of the rows, and the ends of an
    edge must get different folds. A rating has at most one edge by its user and one by its item. So the
    components of the graph are paths and, as edges of both kinds alternate, even cycles: the graph is
    2-colourable. All ratings with an edge first get a fold at random. Then each rating of the second colour
    that has the fold of a neighbour gets another fold at random; its neighbours have the first colour and
    keep theirs. Finally, the ratings without an edge even out the sizes of the folds. With enough of them
    the sizes differ by at most one.

    Examples
    --------
    >>> from sklearn_mf.model_selection import WarmKFold
    >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "alien"], ["eve", "up"]]
    >>> for train, test in WarmKFold(2, random_state=0).split(X):
    ...     print(train, test)
    [1 2 4] [0 3]
    [0 3 4] [1 2]
    """

    def __init__(self, n_splits: int = 5, *, random_state: int | np.random.RandomState | None = None) -> None:
        super().__init__(n_splits, shuffle=True, random_state=random_state)

    def _row_folds(self, X: ArrayLike, groups: ArrayLike | None, random: np.random.RandomState) -> Folds:
        fields = id_codes(X, 2)
        only = np.logical_or(*(np.bincount(codes)[codes] == 1 for codes in fields))
        edges = [_edges(codes, only) for codes in fields]
        linked = np.zeros(len(only), dtype=bool)
        linked[np.concatenate(edges)] = True
        numbers = np.cumsum(linked, dtype=np.int32) - 1
        neighbours = _neighbours([numbers[ends] for ends in edges], int(linked.sum()))
        folds = np.full(len(only), -1, dtype=self._dtype)
        folds[linked] = _proper_folds(neighbours, self.n_splits, random)
        free = ~(only | linked)
        sizes = np.bincount(folds[linked], minlength=self.n_splits)
        folds[free] = _balancing_folds(sizes, int(free.sum()), random)
        self._check_folds(folds)
        return folds

    def _check_folds(self, folds: Folds) -> None:
        tested = folds[folds >= 0]
        if not np.bincount(tested, minlength=self.n_splits).all():
            raise ValueError(
                f"{len(tested)} of {len(folds)} ratings are not the only one of their user or item, too few "
                f"for n_splits={self.n_splits} folds: lower n_splits or pass more ratings."
            )


def _edges(codes: NDArray[np.int32], only: NDArray[np.bool_]) -> NDArray[np.int32]:
    """First and last row of each id none of whose rows is in `only`, (n,), (n,) -> (n_edges, 2)."""
    rows = np.arange(len(codes), dtype=np.int32)
    ends = np.empty((codes.max() + 1, 2), dtype=np.int32)
    ends[codes[::-1], 0] = rows[::-1]  # the last assignment to an id counts
    ends[codes, 1] = rows
    return ends[np.bincount(codes[only], minlength=len(ends)) == 0]


def _neighbours(edges: list[NDArray[np.int32]], n: int) -> NDArray[np.int32]:
    """Neighbours of n nodes by user and item edges (n_edges, 2); a single one is repeated, (2, n)."""
    neighbours = np.full((2, n), -1, dtype=np.int32)
    for neighbour, (first, last) in zip(neighbours, (ends.T for ends in edges), strict=True):
        neighbour[first], neighbour[last] = last, first
    return np.where(neighbours < 0, neighbours[::-1], neighbours)


def _proper_folds(
    neighbours: NDArray[np.int32], n_splits: int, random: np.random.RandomState
) -> NDArray[np.intp]:
    """Random folds of nodes that differ from the folds of their neighbours, (2, n) -> (n,)."""
    second, component = _two_colouring(neighbours)
    folds = random.permutation(np.arange(len(second)) % n_splits)
    if n_splits == 2:
        folds = folds[component]  # the fold of one node determines those of its component
    clashing = second & (folds == folds[neighbours]).any(axis=0)
    low, high = np.sort(folds[neighbours[:, clashing]], axis=0)
    two = low < high
    drawn = random.randint(n_splits - 1 - two)
    drawn += drawn >= low  # skips the folds of the neighbours
    drawn += two & (drawn >= high)
    folds[clashing] = drawn
    return folds


def _two_colouring(neighbours: NDArray[np.int32]) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Whether nodes have the second of two colours, and their components, (2, n) -> (n,), (n,)."""
    n = neighbours.shape[1]
    # In the bipartite double cover each node has a copy of either colour, joined to the other copies of its
    # neighbours. Each component of the graph is covered by two components, its two colourings.
    nodes = np.tile(np.arange(n, dtype=np.int32), 2)
    edges = np.ones(2 * n, dtype=bool), (nodes, neighbours.ravel() + np.int32(n))
    _, cover = connected_components(sp.coo_array(edges, shape=(2 * n, 2 * n)), directed=False)
    first, second = cover.reshape(2, n)
    return first > second, np.minimum(first, second)


def _balancing_folds(sizes: NDArray[np.intp], n: int, random: np.random.RandomState) -> Folds:
    """Folds of n further ratings in random order that even out the given sizes (n_splits,), (n,)."""
    n_splits = len(sizes)
    missing = (sizes.sum() + n + np.arange(n_splits)[::-1]) // n_splits - sizes
    folds = np.arange(n_splits, dtype=np.min_scalar_type(-n_splits)).repeat(np.maximum(missing, 0))
    return random.permutation(folds)[:n]
