"""Lists of recommendations and of similar ids, as tables."""

import numpy as np
import pandas as pd

from sklearn_mf.recommenders._catalog import Fitted, catalog_for_table
from sklearn_mf.recommenders._query import Listing, RecommendQuery, user_values, warn_of_empty_lists
from sklearn_mf.retrieval._tables import METRICS, nearest, ranking_table
from sklearn_mf.retrieval._top_n import Ranking, top_n


def rank_by_mean(recommender: Listing, query: RecommendQuery) -> Ranking:
    """Ranking of the query by predicted rating."""
    vectors, item_bias = recommender._ranking_vectors(1), recommender.biases_[1]
    if query.items is not None:
        vectors, item_bias = vectors[query.items], item_bias[query.items]
    rows, biases = recommender._query_rows(query)
    ranking = top_n(
        rows.astype(np.float64, copy=False),
        vectors,
        query.n,
        query.excluded,
        item_bias,
        recommender._norm_bounds[1],
        query.cells,
    )
    scores = recommender.intercept_ + recommender.scale_ * (ranking.scores + biases[ranking.rows])
    return ranking._replace(scores=scores)


def recommendations(query: RecommendQuery, ranking: Ranking) -> pd.DataFrame:
    """Table of a ranking of the query; warns of users whose list is empty."""
    warn_of_empty_lists(query, ranking)
    found = ranking.columns if query.items is None else query.items[ranking.columns]
    columns = user_values(query, ranking.rows), query.catalog.vocabularies[1].values_of(found)
    return ranking_table(dict(zip(query.catalog.names, columns, strict=True)), ranking)


def similar_ids(
    recommender: Fitted, method: str, field: int, ids: object, n: int, metric: str
) -> pd.DataFrame:
    """Table of the nearest ids of a field to some ids; `method` is named in errors."""
    catalog = catalog_for_table(recommender, method, n)
    if metric not in METRICS:
        raise ValueError(f"metric must be 'cosine' or 'dot', got {metric!r}.")
    codes = catalog.known_codes(field, ids, ("users", "items")[field])
    ranker = recommender._ranked_by("auto")
    ranking = nearest(ranker._ranking_vectors(field), codes, n, metric, ranker._norm_bounds[field])
    vocabulary = catalog.vocabularies[field]
    columns = {
        catalog.names[field]: vocabulary.values_of(codes[ranking.rows]),
        "neighbor": vocabulary.values_of(ranking.columns),
    }
    return ranking_table(columns, ranking)
