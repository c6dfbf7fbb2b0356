"""The interface between a fitted recommender and other rooms, which read no private member of it."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_mf.model._fold_in import FoldInRatings
from sklearn_mf.ratings._columns import IdType, read_id_list
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._row_formats import RowFormat
from sklearn_mf.ratings._seen_items import SeenItems
from sklearn_mf.ratings._validation import IdTable, check_known, read_ids, read_table
from sklearn_mf.ratings._vocabulary import Vocabulary
from sklearn_mf.retrieval._tables import check_length_of_lists, check_names


class Fitted(Protocol):
    """The members of a fitted recommender that its lists need."""

    categories_: list[NDArray[np.generic]]
    id_types_: list[IdType]
    intercept_: float
    scale_: float
    biases_: list[NDArray[np.float32]]
    _norm_bounds: list[float]
    _seen_starts: NDArray[np.integer]
    _seen_items: NDArray[np.integer]

    @property
    def _row_format(self) -> RowFormat: ...
    def _codes(self, field: int, ids: NDArray[np.generic]) -> NDArray[np.intp]: ...
    def _ranked_by(self, rank_by: str) -> Self: ...
    def _ranking_vectors(self, field: int) -> NDArray[np.float32]: ...
    def _contributions(self, fold_in: FoldInRatings, item: int) -> tuple[float, NDArray[np.float64]]: ...
    def _id_arrays(self) -> list[str]: ...


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
        read = read_id_list(ids, label, self.vocabularies[field].ids)
        codes = self.vocabularies[field].codes(read)
        check_known(codes, read, label)
        return codes


def catalog_of(recommender: Fitted, caller: str) -> Catalog:
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


def column_names(recommender: object) -> list[Hashable]:
    """Column names of the tables: those of X in fit, else "user" and "item"."""
    return list(getattr(recommender, "feature_names_in_", ["user", "item"]))


def read_ids_of(recommender: BaseEstimator, X: ArrayLike) -> IdTable:
    """Check a table of ids, and that its columns are those of fit."""
    table = read_table(X)
    validate_data(recommender, table, skip_check_array=True, reset=False)
    return read_ids(table)


def catalog_for_table(recommender: Fitted, method: str, n: int) -> Catalog:
    """Catalog of a recommender whose method makes a table of lists of length n, or an error."""
    catalog = catalog_of(recommender, method)
    check_length_of_lists(n)
    check_names(catalog.names, method)
    return catalog


def read_fold_in(
    recommender: Fitted,
    X: ArrayLike,
    caller: str,
    y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> FoldInRatings:
    """Read the ratings of users from outside; ratings of unknown items are left out."""
    catalog = catalog_of(recommender, caller)
    rows = recommender._row_format
    X, y = rows.split(X, y, type(recommender).__name__)
    table = read_ids_of(recommender, X)
    users, items = table.columns
    targets, weights = rows.read_values(y, sample_weight, len(table.X))
    vocabulary, user_codes, _ = Vocabulary.learn(users, table.dtypes[0], None)
    item_codes = recommender._codes(1, items.ids).take(items.numbers)
    kept = (item_codes >= 0) & (weights > 0)
    codes = [user_codes[kept], item_codes[kept].astype(np.int32)]
    sizes = len(vocabulary.ids), catalog.seen.n_items
    return FoldInRatings.of(
        vocabulary.ids, Ratings.merge(codes, targets[kept], weights[kept], sizes, rows.merging)
    )


def contributions(
    recommender: Fitted, fold_in: FoldInRatings, item: int, rank_by: str
) -> tuple[float, NDArray[np.float64]]:
    """Score of an item without the ratings of one user, and the contribution of each rating, (n_ratings,)."""
    return recommender._ranked_by(rank_by)._contributions(fold_in, item)
