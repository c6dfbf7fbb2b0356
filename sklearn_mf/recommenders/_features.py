"""Features of the ids of a recommender: read and encoded in fit, and kept as fitted attributes."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from sklearn.utils.validation import check_is_fitted

from sklearn_mf.model._factors import has_features
from sklearn_mf.ratings._columns import IdType, short_repr
from sklearn_mf.ratings._feature_encoders import (
    Encoder,
    check_columns,
    encode,
    feature_names,
    learn_encoders,
    place_rows,
)
from sklearn_mf.ratings._feature_state import PlainRows, from_plain_rows, to_plain_rows
from sklearn_mf.ratings._feature_tables import FeatureTable, FeatureTables, read_feature_table
from sklearn_mf.ratings._features import Features
from sklearn_mf.ratings._validation import TrainingInput
from sklearn_mf.ratings._vocabulary import Vocabulary
from sklearn_mf.recommenders._catalog import Fitted, column_names
from sklearn_mf.utils._warnings import warn_user


class Featured(Protocol):
    """The members of a recommender with features."""

    n_features_in_: int
    categories_: list[NDArray[np.generic]]
    id_types_: list[IdType]
    feature_separator: str | None
    _features: list[PlainRows | None]
    _encoders: list[list[Encoder] | None]


@dataclass(frozen=True)
class FieldFeatures:
    """The table of a field in fit.

    Parameters
    ----------
    table : FeatureTable
        Its rows.
    label : str
        Its name in errors.
    rated : ndarray of shape (n,), bool
        Which of its ids have ratings.
    """

    table: FeatureTable
    label: str
    rated: NDArray[np.bool_]

    @property
    def unrated_ids(self) -> NDArray[np.generic]:
        """Ids without ratings."""
        return self.table.ids[~self.rated]


def shown_features(features: object) -> object:
    """The parameter as `get_params` gives it: shown without its tables, and shared by clones."""
    if isinstance(features, dict) and not isinstance(features, FeatureTables):
        return FeatureTables(features)
    return features


def with_features(values: dict[str, object], change: Callable[[object], object]) -> dict[str, object]:
    """Parameters or attributes by name, with the parameter `features` changed where there is one."""
    return values | {"features": change(values["features"])} if "features" in values else values


def read_features(
    features: dict[Hashable, object] | None,
    observed: TrainingInput,
    names: list[Hashable],
    known: list[NDArray[np.generic]] | None = None,
) -> list[FieldFeatures | None]:
    """Read the tables of the fields, for the ids of the ratings; `names` are those of the columns of X.

    The ids `known`, (n_known[f],) of each field, need no row; with them, no other id needs one either.
    """
    n_fields = len(observed.ids)
    names = list(observed.X.columns) if isinstance(observed.X, pd.DataFrame) else names
    read: list[FieldFeatures | None] = [None] * n_fields
    for key, table in (features or {}).items():
        field, label = field_of(key, names, n_fields), f"features[{key!r}]"
        if read[field] is not None:
            raise ValueError(f"features has two tables for column {field} of X: pass one.")
        id_names = [key] if key in names else names[field : field + 1]
        of_field = None if known is None else known[field]
        read[field] = _of_ratings(
            read_feature_table(table, id_names, label), observed, field, label, of_field
        )
    return read


def field_of(key: Hashable, names: Sequence[Hashable], n_fields: int) -> int:
    """Number of the field that a key names."""
    if key in names[:n_fields]:
        return list(names).index(key)
    if isinstance(key, int) and not isinstance(key, bool) and 0 <= key < n_fields:
        return key
    raise ValueError(
        f"features has a table for {key!r}, but the columns of X are {list(names[:n_fields]) or n_fields}: "
        "use one of these names, or its number from 0."
    )


def _of_ratings(
    table: FeatureTable,
    observed: TrainingInput,
    field: int,
    label: str,
    known: NDArray[np.generic] | None,
) -> FieldFeatures:
    """Compare the ids of a table with those of the ratings."""
    ids = observed.ids[field].ids
    table = as_type_of(table, ids)
    vocabulary, _, _ = Vocabulary.learn(observed.ids[field], observed.dtypes[field])
    codes = vocabulary.codes(table.ids)
    absent = np.ones(len(ids), dtype=bool)
    absent[codes[codes >= 0]] = False
    if absent.all() and known is None:
        raise ValueError(
            f"{label} has none of the {len(ids)} ids of its column of X, which holds {short_repr(ids[0])} "
            f"and others, while the table holds {_first_of(table.ids)}: use the index, or a column of the "
            "same name, for ids of the same type."
        )
    if known is not None:
        known_codes = vocabulary.codes(known)
        absent[known_codes[known_codes >= 0]] = False
    if absent.any():
        warn_user(
            f"{label} has no row for {absent.sum()} of the {len(ids)} ids of its column of X, the first is "
            f"{short_repr(vocabulary.ids[absent][0])}: these ids are fitted without features."
        )
    return FieldFeatures(table, label, codes >= 0)


def _first_of(ids: NDArray[np.generic]) -> str:
    return f"{short_repr(ids[0])} and others" if len(ids) else "no rows"


def as_type_of(table: FeatureTable, others: NDArray[np.generic]) -> FeatureTable:
    """The table with ids as numbers of the type of others where they are equal, else as it is."""
    ids = table.ids
    if ids.dtype.kind not in "iuf" or others.dtype.kind not in "iuf":
        return table
    converted = ids.astype(others.dtype)
    return replace(table, ids=converted) if (converted == ids).all() else table


def store_features(
    fitted: Featured,
    read: list[FieldFeatures | None],
    previous: Featured | None,
    known_codes: list[NDArray[np.int32]],
) -> Features:
    """Encode the features of all ids, store them in a fit, and return them for its solver.

    A warm start keeps the encoders of the last fit, and the features of ids that the tables lack.
    """
    for name in ("_features", "_encoders"):  # of an earlier fit
        vars(fitted).pop(name, None)
    if previous is not None:
        _check_same_fields(previous, read)
    if not any(read):
        return ()
    n_fields = len(read)
    fitted._encoders, fitted._features = [None] * n_fields, [None] * n_fields
    for field, one in enumerate(read):
        if one is not None:
            encoders = _encoders_of(one, previous, field, fitted.feature_separator)
            rows = _rows_of_ids(fitted, field, one, encoders)
            earlier = None if previous is None else features_of(previous)[field]
            rows = rows if earlier is None else _with_earlier(rows, earlier, known_codes[field])
            fitted._encoders[field], fitted._features[field] = encoders, to_plain_rows(rows)
    return features_of(fitted)


def features_of(recommender: object) -> Features:
    """Features of the ids of each field of a fitted recommender."""
    stored = getattr(recommender, "_features", ())
    return tuple(None if rows is None else from_plain_rows(rows) for rows in stored)


def _encoders_of(
    one: FieldFeatures, previous: Featured | None, field: int, separator: str | None
) -> list[Encoder]:
    known = None if previous is None else previous._encoders[field]
    return learn_encoders(one.table, one.rated, separator, one.label) if known is None else known


def _rows_of_ids(fitted: Featured, field: int, one: FieldFeatures, encoders: list[Encoder]) -> csr_array:
    """Features of all ids of a field, (n_ids, n_features)."""
    ids = fitted.categories_[field]
    codes = Vocabulary(ids, fitted.id_types_[field]).codes(one.table.ids)
    return place_rows(encode(one.table, encoders, one.label), codes, len(ids))


def _with_earlier(rows: csr_array, earlier: csr_array, codes: NDArray[np.int32]) -> csr_array:
    """Rows (n_ids, n_features) with those of an earlier fit, at codes (n_earlier,), where they are empty."""
    n_ids = int(rows.shape[0])
    chosen = np.arange(n_ids)
    chosen[codes] = np.where(has_features(rows)[codes], codes, n_ids + np.arange(len(codes)))
    return csr_array(vstack([rows, earlier], format="csr")[chosen])


def _check_same_fields(previous: Featured, read: list[FieldFeatures | None]) -> None:
    """Refuse to continue a fit with features of other columns than it had."""
    before = getattr(previous, "_encoders", [None] * len(read))
    for field, (encoders, one) in enumerate(zip(before, read, strict=True)):
        if (encoders is None) != (one is None):
            what = "add" if encoders is None else "leave out"
            raise ValueError(
                f"A warm start or partial_fit cannot {what} features of column {field}: set warm_start=False "
                "and call fit to start anew."
            )
        if encoders is not None and one is not None:
            check_columns(one.table, encoders, one.label)


def feature_rows(recommender: object, field: int) -> csr_array:
    """Features of the ids of a field that has some, (n_ids, n_features)."""
    rows = features_of(recommender)[field]
    assert rows is not None
    return rows


def coefficients_of(recommender: object, field: int) -> NDArray[np.float64]:
    """Effects of the features of a field that has some, (n_features, embedding_dim + 1)."""
    coefficients: NDArray[np.float64] = getattr(recommender, "_coefficients")[field]  # noqa: B009
    return coefficients


def encoders_of(recommender: object, field: int) -> list[Encoder]:
    """Encoders of the features of a field of a fitted recommender; none where it has no features."""
    stored: list[list[Encoder] | None] = getattr(recommender, "_encoders", [])
    return (stored[field] if field < len(stored) else None) or []


def feature_effects(recommender: Fitted, column: Hashable) -> pd.DataFrame:
    """Table of the effects of the features of a column, the largest effects on a rating first."""
    check_is_fitted(recommender)
    names = column_names(recommender)
    field = field_of(column, names, len(recommender.categories_))
    encoders = encoders_of(recommender, field)
    if not encoders:
        raise ValueError(f"The ids of {column!r} had no features in fit: pass a table to the constructor.")
    effects = coefficients_of(recommender, field)[1:]  # the first is the intercept
    others = recommender.average_embeddings_.sum(axis=0) - recommender.average_embeddings_[field]
    table = pd.DataFrame(
        {
            "feature": feature_names(encoders)[1:],
            "rating": recommender.scale_ * (effects[:, -1] + effects[:, :-1] @ others),
            "embedding": np.linalg.norm(effects[:, :-1], axis=1),
            "n_ids": feature_rows(recommender, field).count_nonzero(axis=0)[1:],
        }
    )
    order = np.lexsort([-table["embedding"], -table["rating"].abs()])
    return table.iloc[order].reset_index(drop=True)
