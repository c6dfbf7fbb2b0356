"""Rows of a data set of pyarrow, batch by batch: ids, ratings and weights, checked."""

from __future__ import annotations

import sys
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
from sklearn_mf.ratings._store import Repeated

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

# Rows of a batch, and files and batches that are read ahead: bounds the memory.
_BATCH = 2**20
_FILES_AHEAD, _BATCHES_AHEAD = 1, 2


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

    def distinct(self, keep: NDArray[np.bool_] | None) -> NDArray[np.generic]:
        """Distinct ids of the rows where the mask (n_rows,) is True."""
        if keep is None:
            return self.ids if self.numbers is not None else np.asarray(pd.unique(self.ids))
        if self.numbers is None:
            return np.asarray(pd.unique(self.ids[keep]))
        return self.ids[pd.unique(self.numbers[keep])]

    def codes(self, index: pd.Index) -> NDArray[np.intp]:
        """Places of the ids of the rows in an index of ids of the same type, (n_rows,)."""
        codes = index.get_indexer(pd.Index(self.ids, dtype=self.ids.dtype))
        return codes if self.numbers is None else codes[self.numbers]


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


class Values(NamedTuple):
    """Ratings and weights of the rows of a batch, (n_rows,) each.

    Parameters
    ----------
    targets : ndarray of shape (n_rows,)
        Ratings in a type of NumPy that holds them.
    weights : ndarray of shape (n_rows,), float64, or None
        Weights; None where all are 1.
    keep : ndarray of shape (n_rows,), bool, or None
        False for rows to be dropped; None where there are none.
    """

    targets: NDArray[np.generic]
    weights: NDArray[np.float64] | None
    keep: NDArray[np.bool_] | None


@dataclass(frozen=True)
class Rows:
    """The rows from which a store is prepared.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    ids : list of str, of length 2
        Names of the user and the item column.
    target, weight : str or None
        Names of the columns of ratings and of weights.
    repeated : {"mean", "sum"}
        How repeated rows are merged; with "sum" a rating is a strength.
    names_files : bool
        Whether errors name files.
    """

    dataset: ds.Dataset
    ids: list[str]
    target: str | None
    weight: str | None
    repeated: Repeated
    names_files: bool

    @property
    def drops_rows(self) -> bool:
        """Whether rows may have weight 0, or strength 0."""
        return self.weight is not None or (self.repeated == "sum" and self.target is not None)

    def batches(self, with_values: bool) -> Iterator[Batch]:
        """Read the data set in its order; without ratings and weights unless `with_values`."""
        columns = [*self.ids, *(name for name in (self.target, self.weight) if name and with_values)]
        shard, first_row = "", 0
        for path, batch in _scan(self.dataset, columns):
            shard, first_row = path, first_row if path == shard else 0
            yield Batch(
                dict(zip(columns, batch.columns, strict=True)), path if self.names_files else "", first_row
            )
            first_row += batch.num_rows

    def read_ids(self, batch: Batch) -> list[IdRows]:
        """Ids of each field, checked."""
        return [read_id_rows(batch.columns[name], f"Column {name!r}", batch.place) for name in self.ids]

    def read_values(self, batch: Batch) -> Values:
        """Ratings and weights, checked."""
        n_rows = len(batch.columns[self.ids[0]])
        if self.target is None:
            targets: NDArray[np.generic] = np.ones(n_rows, np.int8)
        else:
            targets = _read_targets(batch.columns[self.target], batch.place)
        weights = None
        if self.weight is not None:
            weights = read_weight_column(_plain(batch.columns[self.weight]), batch.place)
        keep = None if weights is None else weights > 0
        if self.repeated == "sum":
            strengths = targets.astype(np.float64)
            check_strengths(strengths, batch.place)
            keep = strengths > 0 if keep is None else keep & (strengths > 0)
        return Values(targets, weights, None if keep is None or keep.all() else keep)


def open_rows(
    source: object,
    scratch: Path,
    columns: Sequence[str] | None,
    sample_weight: str | None,
    repeated: Repeated,
) -> Rows:
    """Open a data set, or write a stream of rows to a scratch folder first; choose the columns."""
    dataset, names_files = _as_dataset(source, scratch)
    names = _chosen(dataset.schema.names, columns, sample_weight)
    target = names[2] if len(names) == 3 else None
    return Rows(dataset, names[:2], target, sample_weight, repeated, names_files)


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


def _as_dataset(source: object, scratch: Path) -> tuple[ds.Dataset, bool]:
    """A data set, and whether its files are the user's."""
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    if isinstance(source, ds.Dataset):
        return source, True
    if isinstance(source, pa.Table):
        return ds.dataset(source), False
    path = scratch / "rows.parquet"
    if isinstance(source, _lazy_frames()):
        source.lazy().sink_parquet(path)  # type: ignore[attr-defined]
        return ds.dataset(path), False
    if not hasattr(source, "__arrow_c_stream__"):
        raise TypeError(
            f"Expected a data set of pyarrow, got {short_repr(source)}: pass pyarrow.dataset.dataset(path)."
        )
    reader = pa.RecordBatchReader.from_stream(source)
    with pq.ParquetWriter(path, reader.schema) as file:
        for batch in reader:
            file.write_batch(batch)
    return ds.dataset(path), False


def _lazy_frames() -> tuple[type, ...]:
    """Frames of polars, which polars writes best, where it is imported."""
    polars = sys.modules.get("polars")
    return (polars.DataFrame, polars.LazyFrame) if polars else ()


def _scan(dataset: ds.Dataset, columns: list[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Batches of rows, and the path of the file of each."""
    import pyarrow as pa

    scanner = dataset.scanner(
        columns=columns,
        batch_size=_BATCH,
        batch_readahead=_BATCHES_AHEAD,
        fragment_readahead=_FILES_AHEAD,
        cache_metadata=False,
    )
    batches = scanner.scan_batches()
    while True:
        try:
            tagged = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(_reason(dataset, columns, error)) from error
        if tagged is None:
            return
        if tagged.record_batch.num_rows:
            yield getattr(tagged.fragment, "path", ""), tagged.record_batch


def _reason(dataset: ds.Dataset, columns: list[str], error: Exception) -> str:
    """Sentence about a file that cannot be read, or that has a column of another type."""
    for fragment in dataset.get_fragments():
        try:
            schema = fragment.physical_schema
        except (ValueError, OSError) as failure:
            return f"{fragment.path} cannot be read ({' '.join(str(failure).split())}): write it anew."
        for name in columns:
            expected = dataset.schema.field(name).type
            found = schema.field(name).type if name in schema.names else expected
            if found != expected:
                return (
                    f"Column {name!r} has type {found} in {fragment.path} and {expected} elsewhere "
                    f"({' '.join(str(error).split())}): convert the file."
                )
    return f"The data set cannot be read ({' '.join(str(error).split())}): check its files."
