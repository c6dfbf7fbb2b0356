"""Stores of ratings in memory, for tests."""

from sklearn_mf.ratings._store import RatingsStore, holds_store
from sklearn_mf.ratings._store_files import new_folder
from sklearn_mf.ratings._store_writing import About, write_files


def write_store(
    ratings,
    ids,
    folder,
    *,
    id_types=None,
    column_names=("user", "item"),
    target_range=None,
    repeated="mean",
    keep_seen_items=True,
    overwrite=False,
):
    """Write merged ratings of two fields that are in memory."""
    types = [str(one.dtype) for one in ids] if id_types is None else id_types
    ends = [ratings.targets.min(), ratings.targets.max()] if target_range is None else target_range
    about = About(ids, types, list(column_names), ends, repeated)
    with new_folder(folder, overwrite, holds_store(folder)) as work:
        write_files(work.path, work.scratch, [ratings], about)
    return RatingsStore(folder, keep_seen_items=keep_seen_items)
