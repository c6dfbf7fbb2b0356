"""The ratings of a store as the input of fit, and the rated items that an estimator leaves in its store."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sklearn_mf.ratings._columns import IdColumn
from sklearn_mf.ratings._derived_cells import renumbered
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._row_formats import RowFormat
from sklearn_mf.ratings._statistics import RatingStatistics
from sklearn_mf.ratings._store import RatingsStore, is_dataset
from sklearn_mf.ratings._store_preparation import prepare_ratings
from sklearn_mf.ratings._validation import TrainingInput, read_ratings

#: Ratings in memory or on disk; datasets of pyarrow and polars, too, which have no types to name here.
FitData = ArrayLike | RatingsStore


@dataclass(frozen=True)
class StoreInput(TrainingInput):
    """Input of fit that lies on disk; its columns hold each id once, and the range of the ratings.

    Parameters
    ----------
    store : RatingsStore
        The ratings.
    """

    store: RatingsStore

    @classmethod
    def of(cls, store: RatingsStore, rows: RowFormat, caller: str, suspect: bool = True) -> Self:
        """Open a store; `caller` is the estimator's name, for warnings of suspect ratings.

        Where not `suspect`, warn only if every rating is 1, as in a store without a column of ratings.
        """
        targets = rows.range_of(store.target_range, store.repeated)
        if suspect or (store.target_range == 1).all():
            rows.warn_of_suspects(store.ratings().targets, caller)
        columns = [IdColumn(ids, np.arange(len(ids), dtype=np.int32)) for ids in store.ids]
        X = pd.DataFrame(columns=list(store.column_names))
        known = [None] * len(columns)
        return cls(columns, list(store.id_types), [*known], targets, np.broadcast_to(1.0, 2), X, store)

    def for_callbacks(self, weighted: bool) -> dict[str, object]:
        """The store as X: callbacks that score need the ratings in memory, and get none."""
        return {"X": self.store, "y": None, "metadata": None}

    def merged(self, codes: list[NDArray[np.int32]], n_ids: tuple[int, ...], rows: RowFormat) -> Ratings:
        """The merged ratings, with the codes (n_stored_ids,) of the stored ids of each field."""
        return rows.of_cells(renumbered(self.store.ratings(), codes, n_ids), self.store.repeated)

    def statistics(
        self, codes: list[NDArray[np.int32]], n_ids: tuple[int, ...], rows: RowFormat
    ) -> RatingStatistics | None:
        """Statistics of the merged ratings, where the store has them."""
        if rows.merging == "sum":
            return None
        stored = self.store.statistics
        triples = zip(stored.id_weights, codes, n_ids, strict=True)
        return replace(stored, id_weights=[_placed(*triple) for triple in triples])

    def folder_of_items(self, ratings: Ratings) -> str | None:
        """Folder of the store, which has the rated items, unless ids have other codes than there."""
        has_stored_codes = ratings.n_ids == tuple(map(len, self.store.ids))
        return str(self.store.folder) if has_stored_codes else None


@contextlib.contextmanager
def stored(X: object, y: object, sample_weight: object, rows: RowFormat, verbose: bool) -> Iterator[object]:
    """X, or where it is a dataset its store in a temporary folder, which is removed afterwards."""
    if not (is_dataset(X) or isinstance(X, RatingsStore)):
        yield X
        return
    if y is not None or sample_weight is not None:
        name = "y" if y is not None else "sample_weight"
        raise ValueError(
            f"A {type(X).__name__} holds the ratings and their weights itself, but {name} was given too: "
            "call fit(X) alone, with a store whose weights prepare_ratings read, or pass tables in memory."
        )
    if isinstance(X, RatingsStore):
        yield X
        return
    rows.check_columns(_column_names(X))
    with tempfile.TemporaryDirectory(prefix="sklearn_mf_") as folder:
        yield prepare_ratings(X, Path(folder) / "store", repeated=rows.merging_on_disk, verbose=verbose)


def _column_names(dataset: object) -> list[str]:
    """Names of the columns of a data set of pyarrow or of a lazy frame of polars."""
    if hasattr(dataset, "collect_schema"):
        return list(dataset.collect_schema().names())
    return list(dataset.schema.names) if hasattr(dataset, "schema") else []


def read_input(
    X: object, y: object, sample_weight: object, caller: str, rows: RowFormat, suspect: bool = True
) -> TrainingInput:
    """Check the input of fit, in memory or a store; `caller` is the estimator's name, for errors.

    Where `suspect`, warn of ratings that look like anything else; else of a store without ratings alone.
    """
    if isinstance(X, RatingsStore):
        return StoreInput.of(X, rows, caller, suspect)
    return read_ratings(X, y, sample_weight, caller, rows, suspect)


def keeps_seen_items(X: object) -> bool:
    """Whether an estimator fitted on X holds the rated items itself."""
    return not isinstance(X, RatingsStore) or X.keep_seen_items


def stored_items(folder: str, starts: NDArray[np.integer]) -> NDArray[np.int32]:
    """Codes of the rated items that a fit has left in its store, (n_ratings,); `starts` are those of fit."""
    try:
        ratings = RatingsStore(folder).ratings()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"The rated items of this recommender are in the store {folder!r}, which cannot be read: put the "
            "folder back, or fit again with keep_seen_items=True."
        ) from error
    if not np.array_equal(ratings.field_cells[0].starts, starts):
        raise ValueError(
            f"The store {folder!r}, which holds the rated items, is not the one that this recommender was "
            "fitted on: put that folder back, or fit again."
        )
    return ratings.field_cells[0].other_codes


def _placed(numbers: NDArray[np.float64], codes: NDArray[np.int32], n_ids: int) -> NDArray[np.float64]:
    """Numbers at the places of codes, else 0, (n,), (n,) -> (n_ids,)."""
    placed = np.zeros(n_ids)
    placed[codes] = numbers
    return placed
