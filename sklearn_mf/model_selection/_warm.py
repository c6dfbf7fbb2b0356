"""K-fold that keeps every user and every item in each training part."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection._split import _UnsupportedGroupCVMixin

from sklearn_mf.model_selection._base import Folds, RowFolds
from sklearn_mf.model_selection._rows import id_codes


class WarmKFold(_UnsupportedGroupCVMixin, RowFolds):
    """K-fold in which every user and every item of X is in each training part.

    So no prediction falls back on an unknown id. A rating that is the only one of its user or of its item
    is never tested: it is in every training part. Every other rating is tested exactly once. That is as
    many as any such K-fold can test.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds. An int gives the same folds each time.

    See Also
    --------
    PerUserKFold : Each user's ratings are spread evenly; items may be left without a rating.
    ColdUserSplit : The opposite: whole users are held out.

    Notes
    -----
    Users are in the first column of X and items in the second; other columns are not read. An id counts as
    rated more than once where it stands in more than one row, be they of the same user and item.

    Each user and each item without a rating that stays in training anyway links its first rating and its
    last one, which are to go to different folds. A rating has at most two links, one by its user and one by
    its item, and these take turns along a chain, so the chains can be coloured with two colours, each link
    joining both. All linked ratings are dealt to the folds at random; then those of one colour that are in
    the fold of a partner move to another one. Ratings without a link make up for unequal sizes: where there
    are enough of them the sizes of the folds differ by at most one.

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

    def _row_folds(self, X: Any, groups: Any, random: np.random.RandomState) -> Folds:
        fields = id_codes(X, 2)
        single_sample_posterior = np.logical_or(*(np.bincount(codes)[codes] == 1 for codes in fields))
        links = [_links(codes, single_sample_posterior) for codes in fields]
        linked = np.zeros(len(single_sample_posterior), dtype=bool)
        linked[np.concatenate(links)] = True
        numbers = np.cumsum(linked, dtype=np.int32) - 1
        partners = _partners([numbers[pairs] for pairs in links], int(linked.sum()))
        folds = np.full(len(single_sample_posterior), -1, dtype=self._dtype)
        folds[linked] = _apart(partners, self.n_splits, random)
        free = ~(single_sample_posterior | linked)
        sizes = np.bincount(folds[linked], minlength=self.n_splits)
        folds[free] = _filling(sizes, int(free.sum()), random)
        self._check_folds(folds)
        return folds

    def _check_folds(self, folds: Folds) -> None:
        tested = folds[folds >= 0]
        if not np.bincount(tested, minlength=self.n_splits).all():
            raise ValueError(
                f"{len(tested)} of {len(folds)} ratings are not the only one of their user or item, too few "
                f"for n_splits={self.n_splits} folds: lower n_splits or pass more ratings."
            )


def _links(codes: NDArray[np.int32], single_sample_posterior: NDArray[np.bool_]) -> NDArray[np.int32]:
    """First and last row of each id without a rating that is alone, (n,), (n,) -> (n_links, 2)."""
    rows = np.arange(len(codes), dtype=np.int32)
    ends = np.empty((codes.max() + 1, 2), dtype=np.int32)
    ends[codes[::-1], 0] = rows[::-1]  # where an id repeats, the last one assigned stays
    ends[codes, 1] = rows
    return ends[np.bincount(codes[single_sample_posterior], minlength=len(ends)) == 0]


def _partners(links: list[NDArray[np.int32]], n: int) -> NDArray[np.int32]:
    """The two partners of each linked rating, twice the same one where it has one link.

    Parameters
    ----------
    links : list of two ndarray of shape (n_links, 2), int32
        Pairs of ratings, numbered from 0 to n - 1, that share a user, and that share an item. A rating
        stands at most once in each array, and at least in one.
    n : int
        Number of linked ratings.

    Returns
    -------
    partners : ndarray of shape (2, n), int32
        Partner by user and partner by item.
    """
    partners = np.full((2, n), -1, dtype=np.int32)
    for partner, (first, last) in zip(partners, (pairs.T for pairs in links), strict=True):
        partner[first], partner[last] = last, first
    return np.where(partners < 0, partners[::-1], partners)


def _apart(partners: NDArray[np.int32], n_splits: int, random: np.random.RandomState) -> NDArray[np.intp]:
    """Draw a fold for each linked rating, not that of a partner, (2, n) -> (n,)."""
    colour, chain = _two_colours(partners)
    folds = random.permutation(np.arange(len(colour)) % n_splits)
    if n_splits == 2:
        folds = folds[chain]  # one draw leaves no choice along the chain
    clashing = colour & (folds == folds[partners]).any(axis=0)
    low, high = np.sort(folds[partners[:, clashing]], axis=0)
    two = low < high
    drawn = random.randint(n_splits - 1 - two)
    drawn += drawn >= low  # steps over the partners' folds
    drawn += two & (drawn >= high)
    folds[clashing] = drawn
    return folds


def _two_colours(partners: NDArray[np.int32]) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Colour linked ratings so that partners differ; and number their chains, (2, n) -> (n,), (n,)."""
    n = partners.shape[1]
    # Each rating stands for two nodes, one of each colour, joined to the other colour of its partners: a
    # chain comes out as two components, its two colourings.
    ratings = np.tile(np.arange(n, dtype=np.int32), 2)
    edges = np.ones(2 * n, dtype=bool), (ratings, partners.ravel() + np.int32(n))
    _, component = connected_components(sp.coo_array(edges, shape=(2 * n, 2 * n)), directed=False)
    plain, other = component.reshape(2, n)
    return plain > other, np.minimum(plain, other)


def _filling(sizes: NDArray[np.intp], n: int, random: np.random.RandomState) -> Folds:
    """Folds of n further ratings, in random order, that bring folds of these sizes to the same size, (n,)."""
    n_splits = len(sizes)
    missing = (sizes.sum() + n + np.arange(n_splits)[::-1]) // n_splits - sizes
    folds = np.arange(n_splits, dtype=np.min_scalar_type(-n_splits)).repeat(np.maximum(missing, 0))
    return random.permutation(folds)[:n]
