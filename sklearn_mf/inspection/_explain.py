"""Contribution of each rating of a user to a predicted score."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from sklearn_mf.model._fold_in import FoldInRatings
from sklearn_mf.ratings._columns import read_id_list, short_repr
from sklearn_mf.ratings._vocabulary import Vocabulary
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._catalog import Catalog, catalog_of
from sklearn_mf.recommenders._features import features_of
from sklearn_mf.recommenders._newcomers import contributions, read_fold_in


def explain(
    estimator: BaseEstimator, user: object, item: object, ratings: ArrayLike, *, rank_by: str = "auto"
) -> pd.DataFrame:
    r"""Decompose a predicted score into contributions of the user's ratings.

    The score is the one of `recommend(ratings=ratings, rank_by=rank_by)`. There the items are held fixed, and
    the user's row :math:`t = (v, b)` is the solution of a ridge regression on the user's ratings. So the row
    is linear in the ratings, and so is the score of item i:

    .. math:: m + s \, (b_i + x_i^T G^{-1} h) + \sum_j c_{ij}, \quad
        c_{ij} = s \, w_j x_i^T G^{-1} x_j (z_j - b_j), \quad
        G = \sum_j w_j x_j x_j^T + P

    with :math:`x_j = (v_j, 1)` the embedding of a rated item, :math:`z_j` its standardised rating,
    :math:`b_j` its bias and :math:`w_j` the number of times it was rated, usually 1. P is the penalty of the
    row, and h is P times the row of least penalty. For "relevance", P and h include the unobserved cells,
    which pull every score towards `unobserved_value`. A contribution is positive if the user rated item j
    above its bias and j is similar to item i, or if the user rated j below its bias and j points away from
    item i.

    Parameters
    ----------
    estimator : MFRecommender, ImplicitMFRecommender or BayesianMFRecommender
        Recommender fitted on two columns of ids.
    user : id
        The user whose score is explained.
    item : id
        The item that is scored; the user may have rated it.
    ratings : array-like or DataFrame of shape (n_ratings, 3)
        Users, items and ratings, as `recommend(ratings=...)` takes them. Ratings of other users are ignored,
        so the table given to fit can be passed.
    rank_by : {"auto", "relevance", "rating"}, default="auto"
        The score to explain, as in :meth:`MFRecommender.recommend`: "auto" is "relevance" where fit learnt
        from unobserved cells.

    Returns
    -------
    table : DataFrame of shape (1 + n_ratings, 3), or (2 + n_ratings, 3) with features
        The item column under its name in fit, "rating", and "contribution" in units of the ratings. The first
        row is the scored item, without a rating: :math:`m + s \, (b_i + x_i^T G^{-1} h)`, the part of its
        score that does not depend on the values of the user's ratings. The other rows are the items that the
        user has rated, by falling absolute contribution. The contributions add up to the score. Where fit had
        `features`, the second row is the scored item too: the part of the features, which are the bias that
        those of the item predict, and :math:`s \, x_i^T G^{-1} P \mu` with the row :math:`\mu` that those of
        the user predict. The first row is then the rest.

    Raises
    ------
    ValueError
        If `rank_by` is unknown or not possible, the user or the item is unknown, the user has rated no item
        known from fit, `positive=True` (the score is then not linear in the ratings), the model does not have
        two fields, its item column is called "rating" or "contribution", or the ratings are too large for
        finite contributions.
    TypeError
        If the estimator is not a recommender.

    See Also
    --------
    MFRecommender.recommend : Recommend items by ratings of new users.
    EmbeddingDisplay : Map of similar items.

    Notes
    -----
    In fit, the embedding of a user is learnt from the same ratings, but jointly with the embeddings of the
    items. So the scores of `recommend(users)` are close to the scores explained here,
    but not equal.

    Rows of new users are found by ridge regression for `penalty="l1"` too. For a Bayesian model, each
    posterior draw is decomposed and the results are averaged. Its first row is the score of the prior mean,
    which is the average user or, with `implicit_features`, what is expected of a user who has rated these
    items. A contribution measures how the user's rating differs from the one that the prior mean predicts.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_mf import MFRecommender
    >>> from sklearn_mf.inspection import explain
    >>> ratings = pd.DataFrame({"user": [1, 1, 2, 2, 3], "film": ["up", "alien", "up", "heat", "heat"],
    ...                         "stars": [5.0, 1.0, 4.0, 2.0, 3.0]})
    >>> model = MFRecommender(1, random_state=0).fit(ratings)
    >>> table = explain(model, 1, "heat", ratings)
    >>> table[["film", "rating"]]
        film  rating
    0   heat     NaN
    1  alien     1.0
    2     up     5.0
    >>> score = model.recommend(ratings=ratings[ratings["user"] == 1], candidates="heat")["score"]
    >>> bool(abs(table["contribution"].sum() - score[0]) < 1e-9)
    True
    """
    catalog = _catalog_of_linear(estimator)
    rated = _ratings_of(estimator, user, ratings)
    target = catalog.known_codes(1, _one_id(item, "item"), "item")
    parts = contributions(estimator, rated, int(target[0]), rank_by)
    first = [parts.base] if features_of(estimator) == () else [parts.base, parts.features]
    order = np.argsort(-np.abs(parts.ratings), kind="stable")
    items = np.concatenate([np.repeat(target, len(first)), rated.items[order]])
    return pd.DataFrame(
        {
            catalog.names[1]: catalog.vocabularies[1].column_of(items),
            "rating": np.append(np.full(len(first), np.nan), rated.targets[order]),
            "contribution": np.append(first, parts.ratings[order]),
        }
    )


def _catalog_of_linear(estimator: BaseEstimator) -> Catalog:
    """Catalog of a recommender whose scores are linear in the ratings of a user."""
    if not isinstance(estimator, BaseRecommender):
        raise TypeError(
            f"explain needs a fitted recommender, got {type(estimator).__name__}: of a Pipeline or a search "
            "pass the recommender inside, with ratings as it saw them."
        )
    catalog = catalog_of(estimator, "explain")
    if (name := catalog.names[1]) in ("rating", "contribution"):
        raise ValueError(f"explain makes a column {name!r} of its own: rename that of X before fit.")
    if getattr(estimator, "positive", False):
        raise ValueError(
            "With positive=True a score is not a sum over the user's ratings: explain needs a model with "
            "positive=False."
        )
    return catalog


def _ratings_of(estimator: BaseEstimator, user: object, ratings: ArrayLike) -> FoldInRatings:
    """Ratings of the user of items known from fit, at least one."""
    rated = read_fold_in(estimator, ratings, "explain")
    code = Vocabulary(rated.ids, str(rated.ids.dtype)).codes(_one_id(user, "user"))[0]
    if code < 0:
        raise ValueError(f"There are no ratings of user {short_repr(user)}: pass ratings of this user.")
    rated = rated.only(code)
    if not len(rated.items):
        raise ValueError(
            f"User {short_repr(user)} has rated no item that fit has seen: pass ratings of known items."
        )
    return rated


def _one_id(wanted: object, label: str) -> NDArray[np.generic]:
    ids = read_id_list(wanted, label)
    if len(ids) != 1:
        raise ValueError(f"{label} must be one id, got {len(ids)} of them: explain one score at a time.")
    return ids
