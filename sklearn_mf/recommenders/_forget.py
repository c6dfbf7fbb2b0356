"""Removal of ids from a fitted recommender; all or nothing."""

import copy

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.ratings._columns import IdType
from sklearn_mf.ratings._feature_state import to_plain_rows
from sklearn_mf.recommenders._catalog import Catalog, catalog_of
from sklearn_mf.recommenders._features import features_of
from sklearn_mf.recommenders._fitting import replace_attributes
from sklearn_mf.recommenders._newcomers import Extensible, bound_norms


def forget_ids(recommender: Extensible, users: object, items: object) -> None:
    """Remove users and items from all fitted attributes; the rows of the others keep their bits."""
    catalog = catalog_of(recommender, "forget")
    if users is None and items is None:
        raise ValueError("forget removes users, items or both, got neither: pass their ids.")
    gone = [_gone(catalog, 0, users, "users"), _gone(catalog, 1, items, "items")]
    fitted = copy.copy(recommender)
    for name in recommender._id_arrays():
        rows = zip(getattr(recommender, name), gone, strict=True)
        setattr(fitted, name, [array[~mask] for array, mask in rows])
    types = zip(recommender.id_types_, recommender.categories_, gone, strict=True)
    fitted.id_types_ = [_type_without(dtype, ids[mask]) for dtype, ids, mask in types]
    seen = catalog.seen.without(*gone)
    fitted._seen_starts, fitted._seen_items = seen.starts, seen.items
    if features := features_of(recommender):
        pairs = zip(features, gone, strict=True)
        fitted._features = [None if rows is None else to_plain_rows(rows[~mask]) for rows, mask in pairs]
    bound_norms(fitted)
    replace_attributes(recommender, fitted)


def _gone(catalog: Catalog, field: int, ids: object, label: str) -> NDArray[np.bool_]:
    """Mask of the ids to remove, (n_ids,); at least one id must stay."""
    gone = np.zeros(len(catalog.vocabularies[field].ids), dtype=bool)
    if ids is not None:
        gone[catalog.known_codes(field, ids, label)] = True
    if gone.all():
        raise ValueError(
            f"forget cannot remove all {len(gone)} {label}, since nothing would be left to recommend: "
            "delete the estimator."
        )
    return gone


def _type_without(dtype: IdType, ids: NDArray[np.generic]) -> IdType:
    """The column type without the categories that are among removed ids, (n_removed,)."""
    if not isinstance(dtype, dict) or "categories" not in dtype:
        return dtype
    categories = dtype["categories"]
    return {**dtype, "categories": categories[~pd.Series(categories).isin(ids).to_numpy()]}
