"""A data set of any size becomes a ratings store in bounded memory.

The data set is read twice: first its ids, which are numbered, then its rows. The rows are grouped on disk
by ranges of users, and each range is sorted and merged in memory; a second grouping gives the order of the
items.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.ratings._columns import IdColumn, IdType
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._store import RatingsStore, Repeated, holds_store
from sklearn_mf.ratings._store_files import Workplace, new_folder
from sklearn_mf.ratings._store_rows import IdRows, Rows, open_rows
from sklearn_mf.ratings._store_shuffle import Buckets
from sklearn_mf.ratings._store_writing import About, write_files
from sklearn_mf.ratings._vocabulary import Vocabulary

# Rows that are read at a time.
_CHUNK = 2**20
# Bytes a row on disk at the peak: the files of a store and the scratch file of the second grouping.
_BYTES, _WEIGHT_BYTES = 48, 32


def prepare_ratings(
    dataset: object,
    folder: str | Path,
    *,
    columns: Sequence[str] | None = None,
    sample_weight: str | None = None,
    repeated: Repeated = "mean",
    keep_seen_items: bool = True,
    overwrite: bool = False,
    verbose: bool = False,
) -> RatingsStore:
    """Prepare ratings that lie on disk for training, in a folder that many fits can use.

    The ids are numbered, repeated rows of a user and item are merged, and the ratings are written in the
    order of the users and in that of the items. The memory does not grow with the number of rows, but with
    that of the distinct ids. The result does not depend on the order of the rows or files, and a fit on it
    sees the same numbers as a fit on the same rows in memory.

    Parameters
    ----------
    dataset : pyarrow.dataset.Dataset, polars.LazyFrame, or object with an Arrow stream
        Rows of user, item and rating. Ids are integers, text, dates or other types that `fit` takes. A lazy
        frame, and the stream of a table or frame, is first written to a temporary Parquet file beside
        `folder`. Rows of weight 0 are dropped. Without a column of ratings every rating is 1.
    folder : str or Path
        Folder to make. It appears under this name when it is complete.
    columns : sequence of str, default=None
        Names of the user, the item and the rating column. By default the columns of the data set, which then
        has no others.
    sample_weight : str, default=None
        Name of the column of sample weights. By default all weights are 1.
    repeated : {"mean", "sum"}, default="mean"
        How the rows of a user and item are merged: to the weighted mean of their ratings, or, for counts of
        interactions, to the sum of weights times ratings, where rows of rating 0 are dropped.
    keep_seen_items : bool, default=True
        See :class:`RatingsStore`.
    overwrite : bool, default=False
        Whether to replace the store that `folder` holds.
    verbose : bool, default=False
        Whether to print a line after each stage.

    Returns
    -------
    RatingsStore
        The store.

    Raises
    ------
    OSError
        If the disk is full; the message says how much space is needed.

    See Also
    --------
    RatingsStore : Open a folder that was prepared before.

    Examples
    --------
    >>> import tempfile
    >>> import pyarrow as pa
    >>> import pyarrow.dataset as ds
    >>> import pyarrow.parquet as pq
    >>> from sklearn_mf import prepare_ratings
    >>> ratings = pa.table({"user": [1, 2, 1], "film": ["a", "a", "b"], "stars": [4.0, 2.0, 5.0]})
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     pq.write_table(ratings, f"{parent}/ratings.parquet")
    ...     store = prepare_ratings(ds.dataset(f"{parent}/ratings.parquet"), f"{parent}/prepared")
    ...     store.ratings().targets.tolist()
    [4.0, 5.0, 2.0]
    """
    _check(dataset, repeated)
    folder = Path(folder).absolute()
    with new_folder(folder, overwrite, holds_store(folder)) as work:
        stages = Stages(verbose)
        rows = open_rows(dataset, work.scratch, columns, sample_weight, repeated)
        _prepare(rows, work, stages)
    return RatingsStore(folder, keep_seen_items=keep_seen_items)


class Stages:
    """Prints a line after each stage of the preparation, with its seconds."""

    def __init__(self, verbose: bool) -> None:
        self._verbose, self._start = verbose, time.perf_counter()

    def done(self, text: str) -> None:
        """Report the end of a stage."""
        now = time.perf_counter()
        if self._verbose:
            print(f"[prepare_ratings] {text}, {now - self._start:.1f} s", flush=True)
        self._start = now


class Coded(NamedTuple):
    """Rows with coded ids in a scratch file.

    Parameters
    ----------
    path : Path
        The file.
    dtype : dtype
        Structured type of a row.
    counts : ndarray of shape (n_users,), int64
        Number of rows of each user.
    target_range : tuple of float, of length 2
        Least and greatest rating.
    """

    path: Path
    dtype: np.dtype
    counts: NDArray[np.int64]
    target_range: tuple[float, float]


class FieldIds:
    """Distinct ids of one field, collected batch by batch."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.generic]] = []
        self._n_merged = 0
        self._dtype: IdType | None = None

    def add(self, rows: IdRows, keep: NDArray[np.bool_] | None) -> None:
        """Add the ids of the rows where the mask (n_rows,) is True."""
        self._parts.append(rows.distinct(keep))
        self._dtype = rows.dtype
        if sum(map(len, self._parts)) > 2 * self._n_merged + _CHUNK:
            self._parts = [self._merged().ids]
            self._n_merged = len(self._parts[0])

    def vocabulary(self) -> Vocabulary:
        """The ids in sorted order."""
        assert self._dtype is not None
        return Vocabulary.learn(self._merged(), self._dtype)[0]

    def _merged(self) -> IdColumn:
        return IdColumn.of(np.concatenate(self._parts))


def _check(dataset: object, repeated: object) -> None:
    if isinstance(dataset, (str, Path)):
        raise TypeError(
            f"Expected a data set, got the path {str(dataset)!r}: pass pyarrow.dataset.dataset(path)."
        )
    if repeated not in ("mean", "sum"):
        raise ValueError(f"repeated must be 'mean' or 'sum', got {repeated!r}.")


def _prepare(rows: Rows, work: Workplace, stages: Stages) -> None:
    """Write the files of the store."""
    vocabularies, n_rows = _learn_ids(rows)
    n_users, n_items = (len(one.ids) for one in vocabularies)
    work.n_bytes = n_rows * (_BYTES + (_WEIGHT_BYTES if rows.weight else 0))
    stages.done(f"Read the ids of {n_rows} rows: {n_users} users, {n_items} items")
    coded = _code_rows(rows, vocabularies, work.scratch)
    stages.done("Coded the rows")
    ids, id_types = [one.ids for one in vocabularies], [one.dtype for one in vocabularies]
    parts = _merged_parts(coded, (n_users, n_items), rows.repeated, work.scratch)
    write_files(
        work.path, work.scratch, parts, About(ids, id_types, rows.ids, coded.target_range, rows.repeated)
    )
    stages.done("Sorted and merged the rows")


def _learn_ids(rows: Rows) -> tuple[list[Vocabulary], int]:
    """The ids of both fields, and the number of rows."""
    fields, n_rows = [FieldIds(), FieldIds()], 0
    for batch in rows.batches(with_values=rows.drops_rows):
        keep = rows.read_values(batch).keep if rows.drops_rows else None
        for field, ids in zip(fields, rows.read_ids(batch), strict=True):
            field.add(ids, keep)
        n_rows += len(batch.columns[rows.ids[0]])
    if n_rows == 0:
        raise ValueError("The data set has no rows: pass at least one rating.")
    vocabularies = [field.vocabulary() for field in fields]
    if len(vocabularies[0].ids) == 0:
        raise ValueError("No row has a weight and a strength above 0: at least one row needs both.")
    return vocabularies, n_rows


def _code_rows(rows: Rows, vocabularies: list[Vocabulary], scratch: Path) -> Coded:
    """Write the rows that are kept with codes in place of ids."""
    indices = [pd.Index(one.ids, dtype=one.ids.dtype) for one in vocabularies]
    counts = np.zeros(len(indices[0]), dtype=np.int64)
    lowest, highest = np.inf, -np.inf
    path = scratch / "rows.coded"
    with path.open("wb") as file:
        for batch in rows.batches(with_values=True):
            values = rows.read_values(batch)
            codes = [ids.codes(index) for ids, index in zip(rows.read_ids(batch), indices, strict=True)]
            coded = _records(codes, values.targets, values.weights)
            coded = coded if values.keep is None else coded[values.keep]
            if len(coded):
                file.write(coded.data)
                np.add.at(counts, coded["users"], 1)
                lowest = min(lowest, float(coded["targets"].min()))
                highest = max(highest, float(coded["targets"].max()))
    return Coded(path, coded.dtype, counts, (lowest, highest))


def _records(
    codes: list[NDArray[np.intp]], targets: NDArray[np.generic], weights: NDArray[np.float64] | None
) -> NDArray[np.void]:
    """Structured rows, (n_rows,)."""
    columns = [("users", np.int32), ("items", np.int32), ("targets", targets.dtype)]
    records = np.empty(len(targets), [*columns, *([] if weights is None else [("weights", np.float64)])])
    records["users"], records["items"] = codes
    records["targets"] = targets
    if weights is not None:
        records["weights"] = weights
    return records


def _merged_parts(
    coded: Coded, n_ids: tuple[int, int], repeated: Repeated, scratch: Path
) -> Iterator[Ratings]:
    """Merged ratings of one range of users after another."""
    with Buckets(scratch / "rows.by_user", coded.dtype, "users", coded.counts) as buckets:
        with coded.path.open("rb") as file:
            for rows in _chunks(file, coded.dtype):
                buckets.add(rows)
        coded.path.unlink()
        for users, rows in buckets:
            yield _merge(rows, users, n_ids, repeated)


def _chunks(file: BinaryIO, dtype: np.dtype) -> Iterator[NDArray[np.void]]:
    while len(rows := np.fromfile(file, dtype, _CHUNK)):
        yield rows


def _merge(rows: NDArray[np.void], users: range, n_ids: tuple[int, int], repeated: Repeated) -> Ratings:
    """Merge the rows (n,) of a range of users."""
    codes = [rows["users"] - np.int32(users.start), np.ascontiguousarray(rows["items"])]
    has_weights = "weights" in (rows.dtype.names or ())
    weights = rows["weights"].copy() if has_weights else np.broadcast_to(1.0, len(rows))
    targets = rows["targets"].astype(np.float64)
    merged = Ratings.merge(codes, targets, weights, (len(users), n_ids[1]), repeated)
    merged.codes[:, 0] += users.start
    return merged
