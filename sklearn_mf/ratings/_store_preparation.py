"""A data set of any size becomes a ratings store in bounded memory.

The data set is read once: its rows are checked and written with numbers in place of ids. When all ids are
known the numbers become codes, in the order of the ids. The rows are grouped on disk by ranges of users, and
each range is sorted and merged in memory; a second grouping gives the order of the items.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.ratings._columns import IdColumn, IdType
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._store import RatingsStore, Repeated, holds_store
from sklearn_mf.ratings._store_files import Workplace, new_folder
from sklearn_mf.ratings._store_rows import IdRows, Rows, open_rows
from sklearn_mf.ratings._store_shuffle import Bucket, Buckets, in_order
from sklearn_mf.ratings._store_writing import About, write_files
from sklearn_mf.ratings._vocabulary import Vocabulary

# Rows that are read at a time.
_CHUNK = 2**20
# Bytes a row on disk at the peak, with weights or repeated cells: the files of a store, and the scratch file
# of the second grouping.
_ROW_BYTES = 80


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
        frame is first written to a temporary Parquet file beside `folder`. Rows of weight 0 are dropped.
        Without a column of ratings every rating is 1.
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
        Whether to replace the store that `folder` holds, with all files of the folder.
    verbose : bool, default=False
        Whether to print a line after each stage.

    Returns
    -------
    RatingsStore
        The store.

    Raises
    ------
    OSError
        If the disk is full; the message says how much space the rows read so far need.

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
    folder = Path(folder).resolve()
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


class FieldIds:
    """Numbers for the ids of one field, in the order in which they first appear.

    The ids are looked up in a few hash tables, each at least twice as large as the next: a table of all ids
    would have to be built anew for each batch with new ids.
    """

    def __init__(self) -> None:
        self._tables: list[pd.Index] = []
        self.counts = np.zeros(0, dtype=np.int64)
        self._dtype: IdType | None = None

    def number(self, rows: IdRows) -> NDArray[np.integer]:
        """Number of the id of each row, (n_rows,), and count them."""
        self._dtype = rows.dtype
        numbers = self._number_ids(rows.ids)
        numbers = numbers if rows.numbers is None else numbers[rows.numbers]
        n_new = sum(map(len, self._tables)) - len(self.counts)
        self.counts = np.append(self.counts, np.zeros(n_new, dtype=np.int64))
        np.add.at(self.counts, numbers, 1)
        return numbers

    def vocabulary(self) -> tuple[Vocabulary, NDArray[np.int32]]:
        """The ids in sorted order, and the code of each number, (n_ids,)."""
        if self._dtype is None or not self._tables:
            raise ValueError("No row has a weight and a strength above 0: pass at least one such row.")
        numbers = np.arange(len(self.counts), dtype=np.int32)
        column = IdColumn(_values(self._tables), numbers)
        return Vocabulary.learn(column, self._dtype)[:2]

    def _number_ids(self, ids: NDArray[np.generic], table: int = 0, start: int = 0) -> NDArray[np.integer]:
        """Number of each id, (n,), from a table on, whose first id has number `start`; new ids are added."""
        if table == len(self._tables):
            numbers, new = pd.factorize(ids)
            self._add(new)
            return numbers + start
        numbers = self._tables[table].get_indexer(pd.Index(ids, dtype=ids.dtype))
        unknown = np.flatnonzero(numbers < 0)
        numbers += start
        if len(unknown):
            numbers[unknown] = self._number_ids(ids[unknown], table + 1, start + len(self._tables[table]))
        return numbers

    def _add(self, ids: NDArray[np.generic]) -> None:
        """Add a table of new ids, and join tables that are not twice as large as the next."""
        self._tables.append(pd.Index(ids, dtype=ids.dtype))
        while len(self._tables) > 1 and len(self._tables[-2]) < 2 * len(self._tables[-1]):
            joined = _values(self._tables[-2:])
            self._tables[-2:] = [pd.Index(joined, dtype=joined.dtype)]


def _values(tables: list[pd.Index]) -> NDArray[np.generic]:
    return np.concatenate([table.to_numpy() for table in tables])


def _check(dataset: object, repeated: object) -> None:
    if isinstance(dataset, (str, Path)):
        raise TypeError(
            f"Expected a data set, got the path {str(dataset)!r}: pass pyarrow.dataset.dataset(path)."
        )
    if repeated not in ("mean", "sum"):
        raise ValueError(f"repeated must be 'mean' or 'sum', got {repeated!r}.")


def _prepare(rows: Rows, work: Workplace, stages: Stages) -> None:
    """Write the files of the store."""
    fields, path = [FieldIds(), FieldIds()], work.scratch / "rows.numbered"
    dtype, target_range = _number_rows(rows, fields, path, work)
    learnt = [field.vocabulary() for field in fields]
    ids, id_types = [one.ids for one, _ in learnt], [one.dtype for one, _ in learnt]
    stages.done(f"Read {fields[0].counts.sum()} ratings of {len(ids[0])} users and {len(ids[1])} items")
    counts = fields[0].counts[np.argsort(learnt[0][1])]
    del fields  # and their tables of ids
    buckets = Buckets(work.scratch / "rows.by_user", dtype, "users", counts)
    with path.open("rb") as file:
        _group_by_user(file, buckets, [codes for _, codes in learnt])
    path.unlink()
    del learnt
    stages.done("Grouped them by user")
    parts = _merged_parts(buckets, len(ids[1]), rows.repeated)
    about = About(ids, id_types, rows.ids, target_range, rows.repeated)
    write_files(work.path, work.scratch, parts, about)
    stages.done("Sorted and merged them")


def _number_rows(
    rows: Rows, fields: list[FieldIds], path: Path, work: Workplace
) -> tuple[np.dtype, tuple[float, float]]:
    """Write the rows with numbers in place of ids; the type of a row, and the least and greatest rating."""
    lowest, highest, dtype, n_rows = np.inf, -np.inf, np.dtype([]), 0
    with path.open("wb") as file:
        for batch in rows:
            n_rows += batch.n_read
            work.n_bytes = n_rows * _ROW_BYTES
            if len(batch.targets):
                numbers = [field.number(ids) for field, ids in zip(fields, batch.ids, strict=True)]
                records = _records(numbers, batch.targets, batch.weights)
                file.write(records.data)
                lowest, highest = min(lowest, batch.targets.min()), max(highest, batch.targets.max())
                dtype = records.dtype
    if n_rows == 0:
        raise ValueError("The data set has no rows: pass at least one rating.")
    return dtype, (float(lowest), float(highest))


def _records(
    numbers: list[NDArray[np.integer]], targets: NDArray[np.generic], weights: NDArray[np.float64] | None
) -> NDArray[np.void]:
    """Structured rows, (n_rows,)."""
    columns = [("users", np.int32), ("items", np.int32), ("targets", targets.dtype)]
    records = np.empty(len(targets), [*columns, *([] if weights is None else [("weights", np.float64)])])
    records["users"], records["items"] = numbers
    records["targets"] = targets
    if weights is not None:
        records["weights"] = weights
    return records


def _group_by_user(file: BinaryIO, buckets: Buckets, codes: list[NDArray[np.int32]]) -> None:
    """Replace the numbers of ids by their codes, (n_ids,) for each field, and group the rows by user."""
    for rows in _chunks(file, buckets.dtype):
        for name, of_numbers in zip(("users", "items"), codes, strict=True):
            rows[name] = of_numbers[rows[name]]
        buckets.add(rows)


def _merged_parts(buckets: Buckets, n_items: int, repeated: Repeated) -> Iterator[Ratings]:
    """Merged ratings of one range of users after another; at the end the file of the buckets is removed."""
    with buckets:
        yield from in_order(lambda bucket: _merge(bucket, n_items, repeated), buckets)


def _chunks(file: BinaryIO, dtype: np.dtype) -> Iterator[NDArray[np.void]]:
    while len(rows := np.fromfile(file, dtype, _CHUNK)):
        yield rows


def _merge(bucket: Bucket, n_items: int, repeated: Repeated) -> Ratings:
    """Merge the rows of a range of users."""
    users, rows = bucket.codes, bucket.rows
    codes = [rows["users"] - np.int32(users.start), np.ascontiguousarray(rows["items"])]
    has_weights = "weights" in (rows.dtype.names or ())
    weights = rows["weights"].copy() if has_weights else np.broadcast_to(1.0, len(rows))
    targets = rows["targets"].astype(np.float64)
    merged = Ratings.merge(codes, targets, weights, (len(users), n_items), repeated)
    merged.codes[:, 0] += users.start
    return merged
