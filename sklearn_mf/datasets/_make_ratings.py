"""Synthetic ratings of a known low rank."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state

from sklearn_mf.utils._sklearn_compat import Interval, validate_params

INTERCEPT, USER_SPREAD, ITEM_SPREAD, PRODUCT_SPREAD = 3.5, 0.4, 0.5, 0.6
DENSE = 8  # from one rating in this many cells on, every cell gets a key; below, cells are drawn and rejected
BLOCK = 1 << 23  # numbers gathered at once

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@validate_params(
    {
        "n_users": [Interval(Integral, 1, None, closed="left")],
        "n_items": [Interval(Integral, 1, None, closed="left")],
        "n_ratings": [Interval(Integral, 1, None, closed="left")],
        "embedding_dim": [Interval(Integral, 0, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "skew": [Interval(Real, 0, 1, closed="both")],
        "return_truth": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_ratings(
    n_users: int = 1000,
    n_items: int = 500,
    n_ratings: int = 20_000,
    *,
    embedding_dim: int = 8,
    noise: float = 0.5,
    skew: float = 0.5,
    return_truth: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> pd.DataFrame | tuple[pd.DataFrame, Bunch]:
    """Make ratings of a known low rank, with biases, popular items and noise.

    The rating of user u for item i is

        3.5 + b_u + b_i + <v_u, v_i> + noise * N(0, 1)

    with biases and embeddings drawn from normal distributions. Over all cells the standard deviation of
    b_u is 0.4, that of b_i 0.5 and that of <v_u, v_i> 0.6. No recommender can expect a smaller RMSE than
    `noise` on held-out rows.

    Parameters
    ----------
    n_users : int, default=1000
        Number of users that ratings are drawn from; some may end up without a rating.
    n_items : int, default=500
        Number of items that ratings are drawn from; some may end up without a rating.
    n_ratings : int, default=20_000
        Number of rows. Each (user, item) appears at most once.
    embedding_dim : int, default=8
        Length of the embeddings v. 0 leaves the biases alone.
    noise : float, default=0.5
        Standard deviation of the noise. It changes neither the cells nor the truth: with the same
        `random_state` they are those of any other noise.
    skew : float between 0 and 1, default=0.5
        Exponent of the power law of activity and popularity: the r-th most active user and the r-th most
        popular item are drawn with a probability proportional to `r ** -skew`. 0 makes all alike. Where a
        user runs out of items the rest goes to the other users.
    return_truth : bool, default=False
        Return what the ratings were made from as well.
    random_state : int, RandomState instance or None, default=None
        Seed of all that is drawn. An int gives the same ratings each time.

    Returns
    -------
    ratings : DataFrame of shape (n_ratings, 3)
        Columns "user" (int64, 0 to n_users - 1), "item" (int64, 0 to n_items - 1) and "rating" (float64), in
        random order. The number of an id says nothing about how often it occurs.
    truth : Bunch
        Only with `return_truth=True`:

        - user_embeddings : ndarray of shape (n_users, embedding_dim), float64
        - item_embeddings : ndarray of shape (n_items, embedding_dim), float64
        - user_biases, item_biases : ndarray of shape (n_users,) and (n_items,), float64
        - user_probabilities, item_probabilities : ndarray of shape (n_users,) and (n_items,), float64, with
          which a user and an item are drawn
        - intercept, noise : float

    See Also
    --------
    sklearn.datasets.make_low_rank_matrix : A complete matrix of low rank.

    Notes
    -----
    Ratings are real numbers of any size. For half stars from 0.5 to 5, write
    `ratings["rating"].mul(2).round().div(2).clip(0.5, 5)`.

    Cells are drawn one after another without replacement, each with a probability proportional to that of
    its user times that of its item, and then shuffled.

    Examples
    --------
    >>> from sklearn_mf.datasets import make_ratings
    >>> ratings, truth = make_ratings(50, 20, 300, noise=0, return_truth=True, random_state=0)
    >>> ratings.shape
    (300, 3)
    >>> user, item, rating = ratings.loc[0]
    >>> user, item = int(user), int(item)
    >>> product = truth.user_embeddings[user] @ truth.item_embeddings[item]
    >>> bool(abs(3.5 + truth.user_biases[user] + truth.item_biases[item] + product - rating) < 1e-12)
    True
    """
    if n_ratings > n_users * n_items:
        raise ValueError(
            f"n_ratings={n_ratings} is more than the {n_users * n_items} cells of n_users={n_users} times "
            f"n_items={n_items}: ask for fewer ratings, or for more users or items."
        )
    random = check_random_state(random_state)
    truth = _truth(random, n_users, n_items, embedding_dim, float(noise), skew)
    cells = random.permutation(_cells(random, truth.user_probabilities, truth.item_probabilities, n_ratings))
    users, items = np.divmod(cells, n_items)
    rating = _noise_free(truth, users, items)
    if noise:
        rating += noise * random.standard_normal(n_ratings)
    ratings = pd.DataFrame({"user": users, "item": items, "rating": rating}, copy=False)
    return (ratings, truth) if return_truth else ratings


def _truth(
    random: np.random.RandomState, n_users: int, n_items: int, embedding_dim: int, noise: float, skew: float
) -> Bunch:
    """Draw embeddings, biases and how often ids occur."""
    spread = np.sqrt(PRODUCT_SPREAD / np.sqrt(max(embedding_dim, 1)))
    return Bunch(
        user_embeddings=spread * random.standard_normal((n_users, embedding_dim)),
        item_embeddings=spread * random.standard_normal((n_items, embedding_dim)),
        user_biases=USER_SPREAD * random.standard_normal(n_users),
        item_biases=ITEM_SPREAD * random.standard_normal(n_items),
        user_probabilities=_power_law(random, n_users, skew),
        item_probabilities=_power_law(random, n_items, skew),
        intercept=INTERCEPT,
        noise=noise,
    )


def _power_law(random: np.random.RandomState, n: int, skew: float) -> Floats:
    """Probabilities of shape (n,) proportional to rank ** -skew, the ranks in random order."""
    weights = np.arange(1, n + 1) ** -float(skew)
    return random.permutation(weights / weights.sum())


def _cells(random: np.random.RandomState, users: Floats, items: Floats, n: int) -> Integers:
    """`n` distinct cells user * n_items + item, shape (n,), drawn by users[user] * items[item]."""
    if n * DENSE > len(users) * len(items):
        return _cells_by_key(random, users, items, n)
    return _cells_by_rejection(random, users, items, n)


def _cells_by_key(random: np.random.RandomState, users: Floats, items: Floats, n: int) -> Integers:
    """The n cells whose exponential clocks, ticking as fast as their probability, ring first."""
    keys = random.standard_exponential((len(users), len(items)))
    keys /= users[:, None]
    keys /= items
    first = np.argpartition(keys, n - 1, axis=None)[:n]
    return np.sort(first).astype(np.int64)  # argpartition's order differs from processor to processor


def _cells_by_rejection(random: np.random.RandomState, users: Floats, items: Floats, n: int) -> Integers:
    """Draw with replacement in rounds and keep what is new, until there are n."""
    cells = np.empty(0, np.int64)
    n_drawn = n
    while len(cells) < n:
        drawn = _draw(random, users, n_drawn) * len(items) + _draw(random, items, n_drawn)
        found, n_before = _first_occurrences(np.concatenate([cells, drawn])), len(cells)
        share_new = (len(found) - n_before) / n_drawn
        cells = found[:n]
        n_drawn = min(n, int(1.1 * (n - len(cells)) / max(share_new, 0.01)) + 16)
    return cells


def _draw(random: np.random.RandomState, probabilities: Floats, n: int) -> Integers:
    """`n` codes with replacement, shape (n,)."""
    sums = np.cumsum(probabilities)
    return np.searchsorted(sums, random.random_sample(n) * sums[-1], side="right").astype(np.int64)


def _first_occurrences(cells: Integers) -> Integers:
    """Distinct cells in the order in which they first appear."""
    order = np.argsort(cells, kind="stable")
    is_new = np.ones(len(cells), bool)
    is_new[order[1:]] = np.diff(cells[order]) != 0
    return cells[is_new]


def _noise_free(truth: Bunch, users: Integers, items: Integers) -> Floats:
    """Intercept, biases and inner products of the cells, shape (n,), a bounded number at a time."""
    rating: Floats = truth.intercept + truth.user_biases[users] + truth.item_biases[items]
    step = max(1, BLOCK // max(1, truth.user_embeddings.shape[1]))
    for start in range(0, len(users), step):
        part = slice(start, start + step)
        left, right = truth.user_embeddings[users[part]], truth.item_embeddings[items[part]]
        rating[part] += np.einsum("nk,nk->n", left, right)
    return rating
