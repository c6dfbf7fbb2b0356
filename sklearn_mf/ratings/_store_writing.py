"""Merged ratings in the order of the users become the files of a store."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_mf.ratings._columns import IdType
from sklearn_mf.ratings._ratings import Ratings, sorted_by
from sklearn_mf.ratings._statistics import RatingStatistics
from sklearn_mf.ratings._store import (
    CONTENTS,
    FORMAT,
    VERSION,
    Contents,
    Repeated,
    open_ratings,
)
from sklearn_mf.ratings._store_files import ArrayFile, CompactFile, read_array, save_array
from sklearn_mf.ratings._store_shuffle import Bucket, Buckets, in_order, take_rows

# Rows that are read at a time.
_CHUNK = 2**20


class About(NamedTuple):
    """What a store holds besides its ratings.

    Parameters
    ----------
    ids : list of ndarray of shape (n_ids,)
        Sorted distinct ids of the users and of the items.
    id_types : list of str
        Types of the two columns.
    column_names : list of str
        Names of the two columns.
    target_range : sequence of float, of length 2
        Least and greatest rating before the merging.
    repeated : {"mean", "sum"}
        How repeated cells were merged.
    """

    ids: list[NDArray[np.generic]]
    id_types: list[IdType]
    column_names: list[str]
    target_range: Sequence[float]
    repeated: Repeated = "mean"


def write_files(folder: Path, scratch: Path, parts: Iterable[Ratings], about: About) -> None:
    """Write all files of a store from merged ratings, part by part in the order of the users."""
    n_ids = [len(ids) for ids in about.ids]
    counts, equal = _write_by_user(folder, parts, n_ids)
    for field, ids in enumerate(about.ids):
        save_array(folder / f"starts_{field}.npy", np.append(0, np.cumsum(counts[field])))
        _write_ids(folder, field, ids)
    _write_by_item(folder, scratch, counts[1], equal)
    statistics = RatingStatistics.of(open_ratings(folder, n_ids, equal))
    for field, weights in enumerate(statistics.id_weights):
        save_array(folder / f"id_weights_{field}.npy", weights)
    _write_contents(folder, about, equal, statistics, int(counts[0].sum()))


def _write_by_user(
    folder: Path, parts: Iterable[Ratings], n_ids: list[int]
) -> tuple[list[NDArray[np.int64]], dict[str, float]]:
    """Number of ratings of each id, (n_ids[f],), and the numbers that all ratings share."""
    counts = [np.zeros(n, dtype=np.int64) for n in n_ids]
    with (
        ArrayFile(folder / "codes.npy", np.int32, (2,)) as codes,
        ArrayFile(folder / "targets.npy", np.float64) as targets,
        CompactFile(folder / "weights.npy") as weights,
        CompactFile(folder / "within_squares.npy") as within_squares,
    ):
        for part in parts:
            codes.append(part.codes)
            targets.append(part.targets)
            weights.append(part.weights)
            within_squares.append(part.within_squares)
            for count, column in zip(counts, part.codes.T, strict=True):
                np.add.at(count, column, 1)
    numbers = {"weights": weights.equal, "within_squares": within_squares.equal}
    return counts, {name: number for name, number in numbers.items() if number is not None}


def _write_by_item(folder: Path, scratch: Path, counts: NDArray[np.int64], equal: dict[str, float]) -> None:
    """Write the users, ratings and weights in the order of the items, (n_items,) ratings each."""
    names = ["targets"] if "weights" in equal else ["targets", "weights"]
    codes = read_array(folder / "codes.npy", np.int32)
    columns = {name: read_array(folder / f"{name}.npy", np.float64) for name in names}
    dtype = np.dtype([("items", np.int32), ("users", np.int32), *((name, np.float64) for name in names)])
    with Buckets(scratch / "rows.by_item", dtype, "items", counts) as buckets:
        for part in gen_batches(len(codes), _CHUNK):
            rows = np.empty(part.stop - part.start, dtype)
            rows["users"], rows["items"] = codes[part].T
            for name, column in columns.items():
                rows[name] = column[part]
            buckets.add(rows)
        _write_buckets(folder, buckets, ["users", *names])


def _write_buckets(folder: Path, buckets: Iterable[Bucket], names: list[str]) -> None:
    """Write columns in the order of the items; those of one item stay in the order of the users."""
    types = [np.int32 if name == "users" else np.float64 for name in names]
    files = [ArrayFile(folder / f"item_{name}.npy", dtype) for name, dtype in zip(names, types, strict=True)]
    try:
        for columns in in_order(lambda bucket: _sorted_by_item(bucket, names), buckets):
            for column, file in zip(columns, files, strict=True):
                file.append(column)
    finally:
        for file in files:
            file.__exit__()


def _sorted_by_item(bucket: Bucket, names: list[str]) -> list[NDArray[np.generic]]:
    """Columns of a bucket in the order of the items, (n_rows,) each."""
    items, rows = bucket
    order = sorted_by(rows["items"] - np.int32(items.start), len(items))[0]
    rows = take_rows(rows, order)
    return [rows[name].copy() for name in names]


def _write_ids(folder: Path, field: int, ids: NDArray[np.generic]) -> None:
    if ids.dtype != object:
        save_array(folder / f"ids_{field}.npy", ids)
        return
    import pyarrow as pa

    table = pa.table({"ids": pa.array(ids, from_pandas=False)})
    with pa.ipc.new_file(str(folder / f"ids_{field}.arrow"), table.schema) as file:
        file.write_table(table)


def _write_contents(
    folder: Path, about: About, equal: dict[str, float], statistics: RatingStatistics, n_ratings: int
) -> None:
    """Write the description, last of all: a folder without it is no store."""
    sums = {name: value for name, value in vars(statistics).items() if name != "id_weights"}
    contents = Contents(
        n_ratings,
        [len(ids) for ids in about.ids],
        about.column_names,
        [_plain(dtype) for dtype in about.id_types],
        about.repeated,
        [float(end) for end in about.target_range],
        equal,
        {name: float(value) for name, value in sums.items()},
        {path.name: path.stat().st_size for path in sorted(folder.iterdir())},
    )
    found = {"format": FORMAT, "version": VERSION, **contents._asdict()}
    (folder / CONTENTS).write_text(json.dumps(found, indent=1))


def _plain(dtype: IdType) -> str:
    if not isinstance(dtype, str):
        raise TypeError("A ratings store holds ids of plain types, not categories: convert them.")
    return dtype
