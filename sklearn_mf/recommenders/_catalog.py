"""The interface between a fitted recommender and other rooms, which read no private member of it."""

import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_mf.model._fold_in import Contributions, FoldInRatings
from sklearn_mf.ratings._columns import IdType, read_id_list
from sklearn_mf.ratings._row_formats import RowFormat
from sklearn_mf.ratings._seen_items import SeenItems, compact
from sklearn_mf.ratings._store_input import stored_items
from sklearn_mf.ratings._suspicions import warn_if_all_unknown
from sklearn_mf.ratings._validation import IdTable, check_known, read_ids, read_table
from sklearn_mf.ratings._vocabulary import Vocabulary
from sklearn_mf.retrieval._tables import check_length_of_lists, check_names


class HasSeenItems(Protocol):
    """The fitted attributes that hold the rated items of each user."""

    categories_: list[NDArray[np.generic]]
    _seen_starts: NDArray[np.integer]
    _seen_items: NDArray[np.integer] | str


class Fitted(HasSeenItems, Protocol):
    """The members of a fitted recommender that its lists need."""

    id_types_: list[IdType]
    intercept_: float
    scale_: float
    biases_: list[NDArray[np.float32]]
    average_embeddings_: NDArray[np.float64]
    _norm_bounds: list[float]
    handle_unknown: str

    @property
    def _row_format(self) -> RowFormat: ...
    def _ranked_by(self, rank_by: str) -> Self: ...
    def _ranking_vectors(self, field: int) -> NDArray[np.float32]: ...
    def _contributions(self, fold_in: FoldInRatings, item: int) -> Contributions: ...
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
    read_seen : callable
        Reads the items that each user has rated in fit; they may be in the store of the ratings.
    """

    vocabularies: list[Vocabulary]
    names: list[Hashable]
    read_seen: Callable[[], SeenItems]

    @property
    def seen(self) -> SeenItems:
        """Items that each user has rated in fit."""
        return self.read_seen()

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.vocabularies[1].ids)

    def known_codes(self, field: int, ids: object, label: str) -> NDArray[np.intp]:
        """Codes of one id or a list of ids, (n,); unknown ones raise."""
        read = read_id_list(ids, label, self.vocabularies[field].ids)
        codes = self.vocabularies[field].codes(read)
        check_known(codes, read, label)
        return codes


def catalog_of(recommender: Fitted, caller: str) -> Catalog:
    """Catalog of a fitted recommender; raises in the name of the caller where it has not two fields."""
    check_is_fitted(recommender, "categories_")  # naming one attribute saves a search for all
    if len(recommender.categories_) != 2:
        raise ValueError(
            f"{caller} needs a model of two fields, users and items, but fit saw "
            f"{len(recommender.categories_)}: use predict, which takes any number of fields."
        )
    vocabularies = [vocabulary_of(recommender, field) for field in (0, 1)]
    return Catalog(vocabularies, column_names(recommender), functools.partial(seen_items_of, recommender))


def seen_items_of(recommender: HasSeenItems) -> SeenItems:
    """Items that each user has rated in fit; `_seen_items` are their codes, or the folder of the store."""
    starts, items = recommender._seen_starts, recommender._seen_items
    items = stored_items(items, starts) if isinstance(items, str) else items
    return SeenItems(starts, items, len(recommender.categories_[1]))


def copy_seen_items(recommender: HasSeenItems) -> None:
    """Copy the rated items into the recommender, where they are in the folder of a store."""
    if isinstance(getattr(recommender, "_seen_items", None), str):
        seen = seen_items_of(recommender)
        recommender._seen_items = compact(seen.items, seen.n_items)


def column_names(recommender: object) -> list[Hashable]:
    """Column names of the tables: those of X in fit, else "user" and "item"."""
    return list(getattr(recommender, "feature_names_in_", ["user", "item"]))


def vocabulary_of(recommender: Fitted, field: int) -> Vocabulary:
    """The ids of a field of a fitted recommender."""
    return Vocabulary(recommender.categories_[field], recommender.id_types_[field])


def read_codes(recommender: Fitted, X: ArrayLike) -> NDArray[np.intp]:
    """Codes of rows of ids, (n_samples, n_fields), -1 for an unknown id."""
    check_is_fitted(recommender, "categories_")
    columns = read_ids_of(recommender, X).columns
    codes = [codes_of(recommender, field, column.ids) for field, column in enumerate(columns)]
    parts = [part.take(column.numbers) for part, column in zip(codes, columns, strict=True)]
    return np.stack(parts, axis=1)


def codes_of(recommender: Fitted, field: int, ids: NDArray[np.generic]) -> NDArray[np.intp]:
    """Codes of distinct ids, -1 for an unknown one; warns where all are unknown."""
    codes = vocabulary_of(recommender, field).codes(ids)
    names = column_names(recommender)
    label = repr(names[field]) if field < len(names) else f"column {field}"
    if recommender.handle_unknown == "error":
        check_known(codes, ids, f"Ids of field {field} ({label})")
    warn_if_all_unknown(codes, ids, recommender.categories_[field], label)
    return codes


def read_ids_of(recommender: object, X: ArrayLike) -> IdTable:
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
