"""Users and items from outside: their ratings, their features, and lists that contain them."""

from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, vstack

from sklearn_mf.model._fold_in import Contributions, FoldInRatings
from sklearn_mf.ratings._columns import IdColumn
from sklearn_mf.ratings._feature_encoders import Encoder, encode, place_rows
from sklearn_mf.ratings._feature_state import PlainRows, to_plain_rows
from sklearn_mf.ratings._feature_tables import FeatureTable, is_matrix_pair, read_feature_table
from sklearn_mf.ratings._frames import as_pandas
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._vocabulary import Vocabulary
from sklearn_mf.recommenders._catalog import (
    Fitted,
    catalog_of,
    codes_of,
    column_names,
    read_ids_of,
    seen_items_of,
    vocabulary_of,
)
from sklearn_mf.recommenders._features import as_type_of, coefficients_of, encoders_of, feature_rows
from sklearn_mf.retrieval._top_n import norm_bound


class Extensible(Fitted, Protocol):
    """A fitted recommender that new ids with features can be added to."""

    feature_separator: str | None
    _features: list[PlainRows | None]
    _encoders: list[list[Encoder] | None]

    def _new_rows(self, field: int, features: csr_array) -> dict[str, NDArray[np.generic]]: ...


def admit(recommender: Extensible, field: int, value: object) -> object:
    """Add the new ids of a table of features to a copy of a recommender; the ids of the table.

    A value that is no such table stays as it is.
    """
    if not _is_feature_table(recommender, field, value):
        return value
    label = ("users", "candidates")[field]
    table = read_new_table(recommender, field, value, label)
    is_new = vocabulary_of(recommender, field).codes(table.ids) < 0
    if is_new.any():
        rows = encode(table, encoders_of(recommender, field), label)[np.flatnonzero(is_new)]
        _insert(recommender, field, table.ids[is_new], csr_array(rows))
    return table.ids


def _is_feature_table(recommender: Extensible, field: int, value: object) -> bool:
    """Whether a value has features of ids of a field, and is no table of users and items."""
    encoders = encoders_of(recommender, field)
    if not encoders or is_matrix_pair(value) or pd.api.types.is_scalar(value):
        return bool(encoders) and is_matrix_pair(value)
    frame = as_pandas(value)
    if not isinstance(frame, pd.DataFrame) or column_names(recommender)[1 - field] in frame.columns:
        return False
    return any(encoder["column"] in frame.columns for encoder in encoders)


def read_new_table(recommender: Extensible, field: int, value: object, label: str) -> FeatureTable:
    """Read a table of features of users or items from outside."""
    name = column_names(recommender)[field]
    if not encoders_of(recommender, field):
        raise ValueError(
            f"{label} needs a model that knows features of {name!r}: pass a table of them to the constructor "
            "and fit again."
        )
    table = read_feature_table(value, [name], label)
    return as_type_of(table, recommender.categories_[field])


def _insert(recommender: Extensible, field: int, ids: NDArray[np.generic], features: csr_array) -> None:
    """Add ids, (n,), with their features to the fitted attributes, whose arrays are not changed."""
    old = recommender.categories_[field], recommender.id_types_[field]
    vocabulary, new, known = Vocabulary.learn(IdColumn.of(ids), old[1], old[0])
    n_ids, values = len(vocabulary.ids), recommender._new_rows(field, features)
    for name in set(recommender._id_arrays()) - {"categories_"}:
        array = getattr(recommender, name)[field]
        rows = np.zeros((n_ids, *array.shape[1:]), dtype=array.dtype)
        rows[known], rows[new] = array, values.get(name, 0)
        _replace_part(recommender, name, field, rows)
    stacked = csr_array(vstack([feature_rows(recommender, field), features], format="csr"))
    codes = np.concatenate([known, new])
    _replace_part(recommender, "_features", field, to_plain_rows(place_rows(stacked, codes, n_ids)))
    _insert_seen(recommender, field, known, n_ids)
    _replace_part(recommender, "categories_", field, vocabulary.ids)
    _replace_part(recommender, "id_types_", field, vocabulary.dtype)
    bound_norms(recommender)


def _replace_part(recommender: Extensible, name: str, field: int, part: object) -> None:
    """Set one field's part of a fitted attribute, in a new list."""
    parts = list(getattr(recommender, name))
    parts[field] = part
    setattr(recommender, name, parts)


def _insert_seen(recommender: Extensible, field: int, known: NDArray[np.int32], n_ids: int) -> None:
    """Number the rated items anew, with codes `known` (n_old_ids,) of the old ids of a field."""
    seen = seen_items_of(recommender)
    recommender._seen_items = seen.items if field == 0 else known[seen.items]
    if field == 0:
        counts = np.zeros(n_ids, dtype=np.intp)
        counts[known] = seen.counts(0)
        recommender._seen_starts = np.concatenate([[0], np.cumsum(counts)])


def bound_norms(recommender: Fitted) -> None:
    """Set the bounds on the norms of the rows that rank."""
    recommender._norm_bounds = [norm_bound(recommender._ranking_vectors(field)) for field in (0, 1)]
    if hasattr(recommender, "relevance_embeddings_"):
        bounds = list(map(norm_bound, recommender.relevance_embeddings_))
        setattr(recommender, "_relevance_norm_bounds", bounds)  # noqa: B010


def rows_from_features(
    recommender: object, field: int, features: csr_array
) -> dict[str, NDArray[np.generic]]:
    """Rating rows and relevance rows of new ids, by the names of the fitted attributes."""
    rows: dict[str, NDArray[np.generic]] = {}
    for kind in ("", "relevance_"):
        coefficients = getattr(recommender, f"_{kind}coefficients", ())
        if coefficients:
            means = features @ coefficients[field]
            rows |= {f"{kind}embeddings_": means[:, :-1], f"{kind}biases_": means[:, -1]}
    return rows


def read_fold_in(
    recommender: Extensible,
    X: ArrayLike | None,
    caller: str,
    y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    features: object = None,
) -> FoldInRatings:
    """Read the ratings of users from outside, and their features; ratings of unknown items are left out."""
    catalog = catalog_of(recommender, caller)
    table = None if features is None else read_new_table(recommender, 0, features, "features")
    if X is None and table is not None:
        return _without_ratings(recommender, table)
    if X is None:
        raise ValueError(f"{caller} got neither ratings nor features of users: pass one of them.")
    rows = recommender._row_format
    X, y = rows.split(X, y, type(recommender).__name__)
    read = read_ids_of(recommender, X)
    users, items = read.columns
    targets, weights = rows.read_values(y, sample_weight, len(read.X))
    further = None if table is None else table.ids
    vocabulary, user_codes, _ = Vocabulary.learn(users, read.dtypes[0], further)
    item_codes = codes_of(recommender, 1, items.ids).take(items.numbers)
    kept = (item_codes >= 0) & (weights > 0)
    codes = [user_codes[kept], item_codes[kept].astype(np.int32)]
    sizes = len(vocabulary.ids), catalog.n_items
    ratings = Ratings.merge(codes, targets[kept], weights[kept], sizes, rows.merging)
    return FoldInRatings.of(vocabulary.ids, ratings, _features_of_users(recommender, vocabulary.ids, table))


def _without_ratings(recommender: Extensible, table: FeatureTable) -> FoldInRatings:
    """Users of a table of features, none of whom has ratings."""
    vocabulary, _, _ = Vocabulary.learn(IdColumn.of(table.ids), str(table.ids.dtype))
    starts = np.zeros(len(vocabulary.ids) + 1, dtype=np.intp)
    features = _features_of_users(recommender, vocabulary.ids, table)
    nothing = np.empty(0, dtype=np.int32), np.empty(0), np.empty(0)
    return FoldInRatings(vocabulary.ids, starts, *nothing, features)


def _features_of_users(
    recommender: Extensible, ids: NDArray[np.generic], table: FeatureTable | None
) -> csr_array | None:
    """Features of users, (n_users,): those of the table, else those of fit, else none."""
    encoders = encoders_of(recommender, 0)
    if not encoders:
        return None
    known, codes = feature_rows(recommender, 0), vocabulary_of(recommender, 0).codes(ids)
    blocks, n_known = [known, csr_array((1, known.shape[1]))], int(known.shape[0])
    rows = np.where(codes >= 0, codes, n_known)
    if table is not None:
        distinct, numbers, _ = Vocabulary.learn(IdColumn.of(table.ids), str(table.ids.dtype))
        codes = distinct.codes(ids)
        rows = np.where(codes >= 0, n_known + 1 + np.argsort(numbers)[codes], rows)
        blocks.append(encode(table, encoders, "features"))
    return csr_array(csr_array(vstack(blocks, format="csr"))[rows])


def contributions(recommender: Extensible, fold_in: FoldInRatings, item: int, rank_by: str) -> Contributions:
    """Parts of the score of an item for one user; that of the features of the item is its bias from them."""
    ranker = recommender._ranked_by(rank_by)
    parts = ranker._contributions(fold_in, item)
    of_item = 0.0
    if encoders_of(ranker, 1):
        means = feature_rows(ranker, 1)[[item]] @ coefficients_of(ranker, 1)
        of_item = ranker.scale_ * float(means[0, -1])
    return parts._replace(base=parts.base - of_item, features=parts.features + of_item)
