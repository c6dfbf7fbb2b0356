"""Synthetic ratings of a known low rank."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state, gen_batches

from sklearn_mf.utils._sklearn_compat import Interval, validate_params

INTERCEPT, USER_SPREAD, ITEM_SPREAD, PRODUCT_SPREAD = 3.5, 0.4, 0.5, 0.6
DENSE = (
    8  # with more than one rating in so many cells, every cell gets a key; else cells are drawn and rejected
)
BLOCK = 1 << 23  # maximum number of gathered embedding coordinates

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
    """Generate ratings of a known low rank, with biases, popular items and noise.

    The rating of user u for item i is

        3.5 + b_u + b_i + <v_u, v_i> + noise * N(0, 1)

    with biases and embeddings from normal distributions. Over all cells, the standard deviation of b_u is
    0.4, that of b_i is 0.5 and that of <v_u, v_i> is 0.6. No recommender has an expected RMSE below `noise`
    on held-out ratings.

    Parameters
    ----------
    n_users : int, default=1000
        Number of users that ratings are drawn from; some may end up without a rating.
    n_items : int, default=500
        Number of items that ratings are drawn from; some may end up without a rating.
    n_ratings : int, default=20_000
        Number of rows. Each (user, item) appears at most once.
    embedding_dim : int, default=8
        Length of the embeddings v. With 0 there are only biases.
    noise : float, default=0.5
        Standard deviation of the noise. The cells and the truth depend on `random_state` but not on the
        noise.
    skew : float between 0 and 1, default=0.5
        Exponent of the power law of activity and popularity: the r-th most active user and the r-th most
        popular item are drawn with a probability proportional to `r ** -skew`. With 0 all users and all items
        are equally probable. A user who has rated all items gets no further rating.
    return_truth : bool, default=False
        Whether to return the parameters of the model as well.
    random_state : int, RandomState instance or None, default=None
        Seed of the random numbers. An int gives the same ratings in each call.

    Returns
    -------
    ratings : DataFrame of shape (n_ratings, 3)
        Columns "user" (int64, 0 to n_users - 1), "item" (int64, 0 to n_items - 1) and "rating" (float64), in
        random order. The id is independent of the activity of a user and the popularity of an item.
    truth : Bunch
        Only with `return_truth=True`:

        - user_embeddings : ndarray of shape (n_users, embedding_dim), float64
        - item_embeddings : ndarray of shape (n_items, embedding_dim), float64
        - user_biases, item_biases : ndarray of shape (n_users,) and (n_items,), float64
        - user_probabilities, item_probabilities : ndarray of shape (n_users,) and (n_items,), float64, of
          drawing a user and an item
        - intercept, noise : float

    See Also
    --------
    sklearn.datasets.make_low_rank_matrix : A complete matrix of low rank.

    Notes
    -----
    Ratings are unbounded real numbers. To get half stars from 0.5 to 5, use
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
    """Draw embeddings, biases and probabilities of the ids."""
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
    """Probabilities (n,) proportional to rank ** -skew, with the ranks in random order."""
    weights = np.arange(1, n + 1) ** -float(skew)
    return random.permutation(weights / weights.sum())


def _cells(random: np.random.RandomState, users: Floats, items: Floats, n: int) -> Integers:
    """`n` distinct cells user * n_items + item, (n,), drawn with weights users[user] * items[item]."""
    if n * DENSE > len(users) * len(items):
        return _cells_by_key(random, users, items, n)
    return _cells_by_rejection(random, users, items, n)


def _cells_by_key(random: np.random.RandomState, users: Floats, items: Floats, n: int) -> Integers:
    """Weighted sampling without replacement with exponential keys (Efraimidis and Spirakis)."""
    keys = random.standard_exponential((len(users), len(items)))
    keys /= users[:, None]
    keys /= items
    first = np.argpartition(keys, n - 1, axis=None)[:n]
    return np.sort(first).astype(np.int64)  # argpartition's order differs from processor to processor


def _cells_by_rejection(random: np.random.RandomState, users: Floats, items: Floats, n: int) -> Integers:
    """Draw cells with replacement in rounds, and keep the new ones, until there are n."""
    cells = np.empty(0, np.int64)
    n_drawn = n
    while len(cells) < n:
        drawn = random.choice(len(users), n_drawn, p=users).astype(np.int64) * len(items)
        drawn += random.choice(len(items), n_drawn, p=items)
        found, n_before = pd.unique(np.concatenate([cells, drawn])), len(cells)
        share_new = (len(found) - n_before) / n_drawn
        cells = found[:n]
        n_drawn = min(n, int(1.1 * (n - len(cells)) / max(share_new, 0.01)) + 16)
    return cells


def _noise_free(truth: Bunch, users: Integers, items: Integers) -> Floats:
    """Ratings of the cells without noise, (n,), in blocks of bounded size."""
    rating: Floats = truth.intercept + truth.user_biases[users] + truth.item_biases[items]
    step = max(1, BLOCK // max(1, truth.user_embeddings.shape[1]))
    for part in gen_batches(len(users), step):
        left, right = truth.user_embeddings[users[part]], truth.item_embeddings[items[part]]
        rating[part] += np.einsum("nk,nk->n", left, right)
    return rating
