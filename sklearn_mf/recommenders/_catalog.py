"""The interface between a fitted recommender and other rooms, which read no private member of it."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_mf.model._fold_in import FoldInRatings
from sklearn_mf.ratings._columns import read_id_list
from sklearn_mf.ratings._seen_items import SeenItems
from sklearn_mf.ratings._validation import IdTable, check_known, read_ids
from sklearn_mf.ratings._vocabulary import Vocabulary
from sklearn_mf.retrieval._top_n import top_n


@dataclass(frozen=True)
class Catalog:
    """Ids, column names and rated items of a recommender that was fitted on two fields.

    Parameters
    ----------
    vocabularies : list of Vocabulary, of length 2
        Users, items.
    names : list of str, of length 2
        Their column names in tables.
    seen : SeenItems
        Items that each user has rated in fit.
    """

    vocabularies: list[Vocabulary]
    names: list[Hashable]
    seen: SeenItems

    def known_codes(self, field: int, ids: object, label: str) -> NDArray[np.intp]:
        """Codes of one id or a list of ids, (n,); unknown ones raise."""
        read = read_id_list(ids, label)
        codes = self.vocabularies[field].codes(read)
        check_known(codes, read, label)
        return codes


def catalog_of(recommender: Any, caller: str) -> Catalog:
    """Catalog of a fitted recommender; raises in the name of the caller where it has not two fields."""
    check_is_fitted(recommender)
    if len(recommender.categories_) != 2:
        raise ValueError(
            f"{caller} needs a model of two fields, users and items, but fit saw "
            f"{len(recommender.categories_)}: use predict, which takes any number of fields."
        )
    vocabularies = [
        Vocabulary(ids, dtype)
        for ids, dtype in zip(recommender.categories_, recommender.id_types_, strict=True)
    ]
    seen = SeenItems(recommender._seen_starts, recommender._seen_items, len(recommender.categories_[1]))
    return Catalog(vocabularies, column_names(recommender), seen)


def column_names(recommender: BaseEstimator) -> list[Hashable]:
    """Column names of the tables: those of X in fit, else "user" and "item"."""
    return list(getattr(recommender, "feature_names_in_", ["user", "item"]))


def read_ids_of(recommender: BaseEstimator, X: ArrayLike) -> IdTable:
    """Check a table of ids, and that its columns are those of fit."""
    table = read_ids(X)
    validate_data(recommender, table.X, skip_check_array=True, reset=False)
    return table


def read_fold_in(recommender: Any, ratings: ArrayLike, caller: str) -> FoldInRatings:
    """Ratings of users from outside, (n_ratings, 3), in codes; raises in the name of the caller."""
    fold_in: FoldInRatings = recommender._read_fold_in(caller, ratings, None, None)
    return fold_in


def contributions(recommender: Any, fold_in: FoldInRatings, item: int) -> tuple[float, NDArray[np.float64]]:
    """Score of an item without the ratings of one user, and the contribution of each rating, (n_ratings,)."""
    parts: tuple[float, NDArray[np.float64]] = recommender._contributions(fold_in, item)
    return parts


def recommend_by_scores(
    recommender: Any, users: ArrayLike, scores: NDArray[np.float32], n: int
) -> pd.DataFrame:
    """Table of recommend for item scores (n_items,) that are the same for all users."""
    query = recommender._recommend_query(users, n, True, None, None)
    ranking = top_n(np.ones((len(query.ids), 1)), scores[:, None], n, query.excluded)
    table: pd.DataFrame = recommender._recommendations(query, ranking)
    return table
