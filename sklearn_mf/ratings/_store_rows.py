"""Rows of a data set of pyarrow, batch by batch: ids, ratings and weights, checked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.ratings._columns import (
    IdType,
    Place,
    read_id_column,
    read_targets,
    read_weight_column,
    short_repr,
)
from sklearn_mf.ratings._frames import as_pandas
from sklearn_mf.ratings._row_formats import check_strengths
from sklearn_mf.ratings._store import Repeated, is_dataset

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

# Rows of a batch: bounds the memory.
_BATCH = 2**20


class IdRows(NamedTuple):
    """Ids of the rows of a batch.

    Parameters
    ----------
    ids : ndarray of shape (n_ids,)
        Distinct ids; the ids of all rows, which may repeat, where `numbers` is None.
    numbers : ndarray of shape (n_rows,), int, or None
        Position in `ids` of the id of each row.
    dtype : str or dict
        Type of the column.
    """

    ids: NDArray[np.generic]
    numbers: NDArray[np.integer] | None
    dtype: IdType

    def take(self, keep: NDArray[np.bool_]) -> IdRows:
        """The rows where the mask (n_rows,) is True, and the ids that occur in them."""
        if self.numbers is None:
            return self._replace(ids=self.ids[keep])
        numbers, used = pd.factorize(self.numbers[keep])
        return self._replace(ids=self.ids[used], numbers=numbers)


class Batch(NamedTuple):
    """Some rows of the data set.

    Parameters
    ----------
    columns : dict of str to Array
        The columns, (n_rows,) each.
    shard : str
        The file; empty where there is none.
    first_row : int
        Row number of the first row in the file.
    """

    columns: dict[str, pa.Array]
    shard: str
    first_row: int

    def place(self, row: int) -> str:
        """Where a row of the batch is, for errors."""
        return f"in row {self.first_row + row}" + (f" of {self.shard}" if self.shard else "")


class Checked(NamedTuple):
    """Rows of a batch that have a weight above 0.

    Parameters
    ----------
    ids : list of IdRows
        Ids of each field.
    targets : ndarray of shape (n_rows,)
        Ratings, in a type of at most 4 bytes where the column has one.
    weights : ndarray of shape (n_rows,), float64, or None
        Weights; None where all are 1.
    n_read : int
        Number of rows of the batch with those of weight 0.
    """

    ids: list[IdRows]
    targets: NDArray[np.generic]
    weights: NDArray[np.float64] | None
    n_read: int


@dataclass(frozen=True)
class Rows:
    """The rows from which a store is prepared.

    Parameters
    ----------
    source : Dataset or RecordBatchReader
        The data set, or a stream that can be read once.
    ids : list of str, of length 2
        Names of the user and the item column.
    target, weight : str or None
        Names of the columns of ratings and of weights.
    repeated : {"mean", "sum"}
        How repeated rows are merged; with "sum" a rating is a strength.
    is_named : bool
        Whether errors name the files of the source.
    """

    source: ds.Dataset | pa.RecordBatchReader
    ids: list[str]
    target: str | None
    weight: str | None
    repeated: Repeated
    is_named: bool

    def __iter__(self) -> Iterator[Checked]:
        """Read the source once, in its order."""
        columns = [*self.ids, *(name for name in (self.target, self.weight) if name)]
        shard, first_row = "", 0
        for path, batch in _scan(self.source, columns):
            shard, first_row = path, first_row if path == shard else 0
            arrays = dict(zip(columns, batch.columns, strict=True))
            yield self._check(Batch(arrays, path if self.is_named else "", first_row))
            first_row += batch.num_rows

    def _check(self, batch: Batch) -> Checked:
        ids = [read_id_rows(batch.columns[name], f"Column {name!r}", batch.place) for name in self.ids]
        n_rows = len(batch.columns[self.ids[0]])
        targets: NDArray[np.generic] = np.ones(n_rows, np.int8)
        if self.target is not None:
            targets = _read_targets(batch.columns[self.target], batch.place)
        weights = None
        if self.weight is not None:
            weights = read_weight_column(_plain(batch.columns[self.weight]), batch.place)
        keep = np.ones(n_rows, dtype=bool) if weights is None else weights > 0
        if self.repeated == "sum":
            strengths = targets.astype(np.float64)
            check_strengths(strengths, batch.place)
            keep &= strengths > 0
        if keep.all():
            return Checked(ids, targets, weights, n_rows)
        weights = None if weights is None else weights[keep]
        return Checked([one.take(keep) for one in ids], targets[keep], weights, n_rows)


def open_rows(
    source: object,
    scratch: Path,
    columns: Sequence[str] | None,
    sample_weight: str | None,
    repeated: Repeated,
) -> Rows:
    """Open a data set or stream and choose its columns; a lazy frame is written to a scratch folder first."""
    opened = _opened(source, scratch)
    names = _chosen(opened.schema.names, columns, sample_weight)
    target = names[2] if len(names) == 3 else None
    return Rows(opened, names[:2], target, sample_weight, repeated, opened is source)


def read_id_rows(array: pa.Array, label: str, place: Place) -> IdRows:
    """Check a column of ids, (n_rows,); values other than integers are hashed by Arrow first."""
    import pyarrow as pa

    if pa.types.is_integer(array.type) and not array.null_count:
        ids = array.to_numpy()
        return IdRows(ids, None, str(ids.dtype))
    try:
        encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    except pa.ArrowNotImplementedError:  # lists and the like
        column, dtype = read_id_column(_plain(array), label, place)
        return IdRows(column.ids, column.numbers, dtype)
    _refuse_missing(encoded, label, place)
    numbers, used = pd.factorize(encoded.indices.to_numpy())
    values = pa.chunked_array([_without_views(encoded.dictionary).take(pa.array(used))])
    of_values = _place_of_value(numbers, place)
    distinct, dtype = read_id_column(as_pandas(values), label, of_values)  # type: ignore[arg-type]
    return IdRows(distinct.ids, distinct.numbers[numbers], dtype)


def _without_views(array: pa.Array) -> pa.Array:
    """The values in a type from which Arrow can take some."""
    import pyarrow as pa

    kind = str(array.type)
    return array.cast(pa.type_for_alias(f"large_{kind.removesuffix('_view')}")) if "_view" in kind else array


def _place_of_value(numbers: NDArray[np.integer], place: Place) -> Place:
    """Where a distinct value is first, from the number of the value of each row (n_rows,)."""
    return lambda value: place(int(np.argmax(numbers == value)))


def _refuse_missing(array: pa.DictionaryArray, label: str, place: Place) -> None:
    if array.null_count or array.dictionary.null_count:
        missing = array.dictionary_decode().is_null().to_numpy(zero_copy_only=False)
        if missing.any():
            raise ValueError(
                f"{label} contains a missing id, None {place(int(np.argmax(missing)))}: "
                "drop such rows or give them an id."
            )


def _read_targets(array: pa.Array, place: Place) -> NDArray[np.generic]:
    """Ratings, (n_rows,), in a type of at most 4 bytes where the column has one, else float64."""
    values = _plain(array)
    targets = read_targets(values, place)
    small = values.dtype.kind in "iuf" and values.dtype.itemsize <= 4
    return values if small else targets


def _plain(array: pa.Array) -> NDArray[np.generic]:
    """Numbers as NumPy has them, missing ones as NaN; anything else as objects."""
    import pyarrow as pa

    array = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    return array.to_numpy(zero_copy_only=False)


def _chosen(names: list[str], columns: Sequence[str] | None, sample_weight: str | None) -> list[str]:
    """Names of the columns of users, items and, where there is one, ratings."""
    all_others = [name for name in names if name != sample_weight]
    chosen = all_others if columns is None else list(columns)
    for name in [*chosen, *([] if sample_weight is None else [sample_weight])]:
        if names.count(name) != 1:
            times = "no column" if name not in names else "more than one column"
            raise ValueError(f"The data set has {times} {name!r}: name some of its columns {names}.")
    if len(chosen) not in (2, 3) or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"Expected a column of users, one of items and one of ratings, got {chosen}: name them, as in "
            "prepare_ratings(dataset, folder, columns=['user', 'item', 'rating'])."
        )
    return chosen


def _opened(source: object, scratch: Path) -> ds.Dataset | pa.RecordBatchReader:
    """The data set itself, or a stream of rows."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    if isinstance(source, ds.Dataset):
        return source
    if is_dataset(source):  # a lazy frame of polars
        source.sink_parquet(scratch / "rows.parquet")  # type: ignore[attr-defined]
        return ds.dataset(scratch / "rows.parquet")
    if not hasattr(source, "__arrow_c_stream__"):
        raise TypeError(
            f"Expected a data set of pyarrow, got {short_repr(source)}: pass pyarrow.dataset.dataset(path)."
        )
    return pa.RecordBatchReader.from_stream(source)


def _scan(
    source: ds.Dataset | pa.RecordBatchReader, columns: list[str]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Batches of rows, and the path of the file of each."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    scan = _files if isinstance(source, ds.Dataset) else _slices
    batches = scan(source, columns)
    while True:
        try:
            found = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(_reason(source, columns, error)) from error
        if found is None:
            return
        if found[1].num_rows:
            yield found


def _files(dataset: ds.Dataset, columns: list[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Read one file after another: a scan of all files reads more of them ahead than it is told."""
    scan = {"columns": columns, "batch_size": _BATCH, "batch_readahead": 1, "fragment_readahead": 1}
    fragments = _fragments(dataset)
    for fragment in fragments:
        for batch in fragment.scanner(schema=dataset.schema, **scan).to_batches():
            yield getattr(fragment, "path", ""), batch
    if not fragments:
        for batch in dataset.scanner(**scan).to_batches():
            yield "", batch  # row numbers of a filtered data set are not those of its files


def _fragments(source: ds.Dataset | pa.RecordBatchReader) -> list[ds.Fragment]:
    """The files of a data set; none of a stream or of a filtered data set."""
    with contextlib.suppress(AttributeError, ValueError):
        return list(source.get_fragments())
    return []


def _slices(reader: pa.RecordBatchReader, columns: list[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
    for batch in reader:
        for start in range(0, batch.num_rows, _BATCH):
            yield "", batch.select(columns).slice(start, _BATCH)


def _reason(source: ds.Dataset | pa.RecordBatchReader, columns: list[str], error: Exception) -> str:
    """Sentence about a file that cannot be read, or that has a column of another type."""
    for fragment in _fragments(source):
        try:
            schema = fragment.physical_schema
        except (ValueError, OSError) as failure:
            return f"{fragment.path} cannot be read ({' '.join(str(failure).split())}): write it anew."
        for name in columns:
            expected = source.schema.field(name).type
            found = schema.field(name).type if name in schema.names else expected
            if found != expected:
                return (
                    f"Column {name!r} has type {found} in {fragment.path} and {expected} elsewhere "
                    f"({' '.join(str(error).split())}): convert the file."
                )
    return f"The data set cannot be read ({' '.join(str(error).split())}): check its files."
