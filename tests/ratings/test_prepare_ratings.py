"""Preparation of a data set: the numbers of memory, errors with file and row, and a full disk."""

import datetime as dt
import resource

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from sklearn_mf import RatingsStore, prepare_ratings
from sklearn_mf.ratings import _store_preparation, _store_rows, _store_shuffle, _store_writing
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._row_formats import RATINGS, InteractionRows
from sklearn_mf.ratings._statistics import RatingStatistics
from sklearn_mf.ratings._validation import read_ratings
from sklearn_mf.ratings._vocabulary import Vocabulary

N = 240
RNG = np.random.default_rng(0)
USERS, ITEMS = RNG.integers(0, 25, N), RNG.integers(0, 10, N)
STARS = pa.array(RNG.integers(0, 11, N) / 2, pa.float32())
WEIGHTS = pa.array(RNG.integers(0, 3, N) / 2)
TYPES = {
    "int64": lambda ids: pa.array(ids * 1_000_003),
    "int8": lambda ids: pa.array(ids, pa.int8()),
    "uint64": lambda ids: pa.array(ids.astype(np.uint64) + np.uint64(2**63)),
    "float": lambda ids: pa.array(ids / 2),
    "bool": lambda ids: pa.array(ids % 2 == 0),
    "text": lambda ids: pa.array([f"ä{number}" for number in ids]),
    "large text": lambda ids: pa.array([f"ä{number}" for number in ids], pa.large_string()),
    "text view": lambda ids: pa.array([f"ä{number}" for number in ids], pa.string_view()),
    "dictionary": lambda ids: pa.array([f"ä{number}" for number in ids]).dictionary_encode(),
    "bytes": lambda ids: pa.array([f"{number}".encode() for number in ids]),
    "date": lambda ids: pa.array([dt.date(2020, 1, 1) + dt.timedelta(int(number)) for number in ids]),
    "time": lambda ids: pa.array(ids * 10**9, pa.timestamp("us")),
    "time with zone": lambda ids: pa.array(ids * 10**9, pa.timestamp("us", "Europe/Berlin")),
    "decimal": lambda ids: pa.array(ids).cast(pa.decimal128(20, 0)),
}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(_store_rows, "_BATCH", 23)
    monkeypatch.setattr(_store_preparation, "_CHUNK", 31)
    monkeypatch.setattr(_store_writing, "_CHUNK", 29)
    monkeypatch.setattr(_store_shuffle, "_BUCKET_ROWS", 17)


def table(of_users="int64"):
    users, films = TYPES[of_users](USERS), TYPES["text"](ITEMS)
    return pa.table({"user": users, "film": films, "stars": STARS, "weight": WEIGHTS})


def shards(rows, folder, n_shards=3):
    """A data set of several files of two row groups each."""
    folder.mkdir()
    for number in range(n_shards):
        part = rows.slice(number * (N // n_shards), N // n_shards)
        pq.write_table(part, folder / f"{number}.parquet", row_group_size=N // n_shards // 2 + 1)
    return ds.dataset(folder)


def in_memory(rows, weighted, how):
    """Vocabularies, merged ratings and range of the same rows in memory."""
    weights = rows["weight"].to_numpy() if weighted else None
    kind = RATINGS if how == "mean" else InteractionRows(True)
    read = read_ratings(rows.select(["user", "film"]), rows["stars"].to_numpy(), weights, "X", kind)
    learnt = [Vocabulary.learn(*pair) for pair in zip(read.ids, read.dtypes, strict=True)]
    n_ids = tuple(len(vocabulary.ids) for vocabulary, *_ in learnt)
    ratings = Ratings.merge([codes for _, codes, _ in learnt], read.targets, read.weights, n_ids, how)
    return [vocabulary for vocabulary, *_ in learnt], ratings, [read.targets.min(), read.targets.max()]


def check_same(store, vocabularies, ratings, target_range):
    for ids, vocabulary in zip(store.ids, vocabularies, strict=True):
        assert ids.dtype == vocabulary.ids.dtype
        assert list(map(repr, ids)) == list(map(repr, vocabulary.ids))
    assert store.id_types == [vocabulary.dtype for vocabulary in vocabularies]
    assert store.column_names == ["user", "film"]
    assert store.target_range.tolist() == target_range
    found, statistics = store.ratings(), RatingStatistics.of(ratings)
    for name in ("codes", "targets", "weights", "within_squares"):
        assert getattr(found, name).tobytes() == getattr(ratings, name).tobytes(), name
    assert repr(store.statistics) == repr(statistics)


@pytest.mark.parametrize("kind", TYPES)
def test_ids_of_each_type_have_the_codes_of_memory(kind, tmp_path):
    rows = table(kind)
    store = prepare_ratings(shards(rows, tmp_path / "rows"), tmp_path / "store", sample_weight="weight")
    check_same(store, *in_memory(rows, True, "mean"))
    check_same(RatingsStore(store.folder), *in_memory(rows, True, "mean"))


@pytest.mark.parametrize("how", ["mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_merged_ratings_are_those_of_memory(weighted, how, tmp_path):
    rows = table()
    store = prepare_ratings(
        shards(rows, tmp_path / "rows"),
        tmp_path / "store",
        columns=["user", "film", "stars"],
        sample_weight="weight" if weighted else None,
        repeated=how,
    )
    check_same(store, *in_memory(rows, weighted, how))
    assert store.repeated == how


def test_the_order_of_rows_and_files_does_not_matter(tmp_path):
    rows = table("text")
    mixed = rows.take(np.random.default_rng(1).permutation(N))
    stores = [
        prepare_ratings(shards(some, tmp_path / f"rows {n}", n), tmp_path / f"{n}", sample_weight="weight")
        for some, n in ((rows, 2), (mixed, 5))
    ]
    files = [{path.name: path.read_bytes() for path in store.folder.iterdir()} for store in stores]
    assert files[0] == files[1]


SOURCES = {
    "pyarrow table": lambda rows: rows,
    "stream": lambda rows: rows.to_reader(50),
    "pandas": lambda rows: rows.to_pandas(),
    "polars": pl.from_arrow,
    "lazy polars": lambda rows: pl.from_arrow(rows).lazy(),
    "polars categories": lambda rows: pl.from_arrow(rows).with_columns(pl.col("film").cast(pl.Categorical)),
    "filtered": lambda rows: ds.dataset(pa.concat_tables([rows, rows.slice(1, 0)])).filter(
        ds.field("user") >= 0
    ),
}


@pytest.mark.parametrize("source", SOURCES)
def test_frames_and_streams_are_read_too(source, tmp_path):
    rows = table()
    store = prepare_ratings(SOURCES[source](rows), tmp_path / "store", sample_weight="weight")
    check_same(store, *in_memory(rows, True, "mean"))
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_without_ratings_each_row_counts_one(tmp_path):
    rows = table().select(["user", "film"])
    means, sums = (prepare_ratings(rows, tmp_path / how, repeated=how).ratings() for how in ("mean", "sum"))
    assert means.targets.tolist() == [1.0] * len(means.targets)
    assert means.weights.tolist() == sums.targets.tolist()
    assert sums.targets.sum() == N


def test_new_ids_join_in_every_batch(tmp_path):
    """Many tables of ids are joined on the way; codes are still those of the sorted ids."""
    users = np.random.default_rng(2).permutation(500)
    rows = pa.table({"user": users, "film": users % 7, "stars": users * 1.0})
    ratings = prepare_ratings(rows, tmp_path / "store").ratings()
    assert ratings.codes[:, 0].tolist() == list(range(500))
    assert ratings.targets.tolist() == list(range(500))


BAD_CELLS = {
    "missing integer": ("user", 5, None, "Column 'user' contains a missing id, None"),
    "missing text": ("film", "ä1", None, "Column 'film' contains a missing id, None"),
    "not a number as id": ("user", 0.5, float("nan"), "Column 'user' contains a missing id .*nan"),
    "infinite id": ("user", 0.5, float("inf"), "Column 'user' contains infinity, inf"),
    "missing rating": ("stars", 3.0, None, "Ratings must be finite numbers .* got nan"),
    "infinite rating": ("stars", 3.0, float("inf"), "Ratings must be finite numbers .* got inf"),
    "text as rating": ("stars", "3", "five", "Ratings must be numbers, got '3'"),
    "missing weight": ("weight", 1.0, None, "Sample weights must be finite numbers .* got nan"),
    "negative weight": ("weight", 1.0, -2.0, r"Sample weights must not be negative, got -2\.0"),
}


@pytest.mark.parametrize("case", BAD_CELLS)
def test_a_bad_cell_is_named_with_its_file_and_row(case, tmp_path):
    name, good, bad, message = BAD_CELLS[case]
    place = 0 if case == "text as rating" else 2 * (N // 3) + 51  # in the second row group of the third file
    values = [good] * N
    values[place] = bad if place else good
    rows = table().set_column(table().column_names.index(name), name, pa.array(values))
    row, file = (51, "2.parquet") if place else (0, "0.parquet")
    with pytest.raises(ValueError, match=rf"^{message}.* in row {row} of .*{file}"):
        prepare_ratings(shards(rows, tmp_path / "rows"), tmp_path / "store", sample_weight="weight")
    assert [path.name for path in tmp_path.iterdir()] == ["rows"]


def test_a_negative_strength_is_named_with_its_row(tmp_path):
    rows = pa.table({"user": [1, 2], "film": [1, 1], "plays": [3, -1]})
    with pytest.raises(ValueError, match=r"Strengths must not be negative, got -1 in row 1: use 0"):
        prepare_ratings(rows, tmp_path / "store", repeated="sum")


def test_lists_as_ids_are_refused(tmp_path):
    rows = pa.table({"user": [[1], [2]], "film": [1, 1], "stars": [3, 1]})
    with pytest.raises(TypeError, match=r"Column 'user': .* got .*1.* in row 0"):
        prepare_ratings(rows, tmp_path / "store")


def test_a_file_with_ids_of_another_type_is_named(tmp_path):
    dataset = shards(table(), tmp_path / "rows")
    pq.write_table(table("text"), tmp_path / "rows" / "1.parquet")
    with pytest.raises(
        ValueError, match=r"Column 'user' has type string in .*1\.parquet and int64 elsewhere"
    ):
        prepare_ratings(dataset, tmp_path / "store", sample_weight="weight")


def test_ids_may_be_names_of_folders(tmp_path):
    rows = table()
    ds.write_dataset(
        rows, tmp_path / "rows", format="parquet", partitioning=["film"], partitioning_flavor="hive"
    )
    dataset = ds.dataset(tmp_path / "rows", partitioning="hive")
    columns = ["user", "film", "stars"]
    store = prepare_ratings(dataset, tmp_path / "store", columns=columns, sample_weight="weight")
    check_same(store, *in_memory(rows, True, "mean"))


def test_a_filtered_data_set_is_read_and_checked(tmp_path):
    dataset = shards(table(), tmp_path / "rows").filter(ds.field("weight") > 0)
    store = prepare_ratings(dataset, tmp_path / "store", sample_weight="weight")
    check_same(store, *in_memory(table(), True, "mean"))
    (tmp_path / "rows" / "1.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(ValueError, match=r"^The data set cannot be read \("):
        prepare_ratings(dataset, tmp_path / "store", overwrite=True, sample_weight="weight")
    assert RatingsStore(store.folder) == store


def test_rows_of_a_filtered_data_set_are_counted_without_its_files(tmp_path):
    users = [*USERS[:-1], None]
    rows = table().set_column(0, "user", pa.array(users, pa.int64()))
    dataset = shards(rows, tmp_path / "rows", 3).filter(ds.field("weight") >= 0)
    with pytest.raises(ValueError, match=rf"in row {N - 1}: drop"):
        prepare_ratings(dataset, tmp_path / "store", columns=["user", "film", "stars"])


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    dataset = shards(table(), tmp_path / "rows")
    (tmp_path / "rows" / "1.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(ValueError, match=r"1\.parquet cannot be read \(.*\): write it anew"):
        prepare_ratings(dataset, tmp_path / "store", sample_weight="weight")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pa.table({"user": [], "film": [], "stars": []}), "has no rows: pass at least one rating"),
        (pa.table({"user": [1], "film": [2], "weight": [0]}), "No row has a weight and a strength above 0"),
        (pa.table({"user": [1]}), "a column of users, one of items and one of ratings, got .'user'."),
        (table(), "name them, as in prepare_ratings"),
    ],
)
def test_data_without_ratings_are_refused(rows, message, tmp_path):
    weight = "weight" if rows.num_rows == 1 and rows.num_columns == 3 else None
    with pytest.raises(ValueError, match=message):
        prepare_ratings(rows, tmp_path / "store", sample_weight=weight)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["user", "film", "rating"]}, "no column 'rating': name some of its columns .'user'"),
        ({"columns": ["user", "user", "stars"]}, "got .'user', 'user', 'stars'.: name them"),
        ({"sample_weight": "votes"}, "no column 'votes'"),
        ({"repeated": "last"}, "repeated must be 'mean' or 'sum', got 'last'"),
    ],
)
def test_wrong_arguments_are_refused(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        prepare_ratings(table(), tmp_path / "store", **options)


@pytest.mark.parametrize("source", ["ratings.parquet", [1, 2, 3], None])
def test_a_path_or_list_is_no_data_set(source, tmp_path):
    with pytest.raises(TypeError, match=r"pass pyarrow\.dataset\.dataset\(path\)"):
        prepare_ratings(source, tmp_path / "store")


@pytest.mark.parametrize("limit", [1_000, 3_000])
def test_a_full_disk_is_explained_with_the_space_needed(limit, tmp_path):
    dataset, ends = shards(table(), tmp_path / "rows"), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, ends[1]))
    try:
        with pytest.raises(OSError, match=r"No space left for .*store .* needs up to .* GB \(\d+ bytes\)"):
            prepare_ratings(dataset, tmp_path / "store", sample_weight="weight")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, ends)
    assert [path.name for path in tmp_path.iterdir()] == ["rows"]


def test_a_line_is_printed_after_each_stage(tmp_path, capsys):
    prepare_ratings(table().select([0, 1, 2]), tmp_path / "store", verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"[prepare_ratings] Read {N} ratings of 25 users and 10 items, ")
    assert len(lines) == 3
