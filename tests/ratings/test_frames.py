"""Tables and columns of other libraries: exact ids, or one sentence."""

import datetime
import decimal
import sys

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

from sklearn_mf import MFRecommender
from sklearn_mf.model_selection import LeaveLastOut, PerUserKFold
from sklearn_mf.ratings._columns import read_id_list, read_targets, read_weights
from sklearn_mf.ratings._frames import as_pandas
from sklearn_mf.ratings._validation import read_ids, read_ratings

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

# 20 ids that float64 cannot tell apart, in two types.
BIG = [2**63 + number for number in range(20)]
USERS = np.array(BIG, dtype=np.uint64)
TABLE = pa.table({"user": USERS, "item": [f"i{number % 7}" for number in range(20)]})
STARS = np.arange(20) % 5 + 1.0
UTC = datetime.UTC
NEW_YORK = "America/New_York"
# The second instant stands twice on the clocks of New York, at the end of summer time.
INSTANTS = pd.to_datetime([f"2024-11-03 0{hour}:30" for hour in (4, 5, 6)], utc=True).as_unit("s")


def record_batch(table):
    return table.combine_chunks().to_batches()[0]


FRAMES = {
    "pyarrow Table": lambda table: table,
    "pyarrow RecordBatch": record_batch,
    "pyarrow RecordBatchReader": lambda table: table.to_reader(),
    "polars": pl.from_arrow,
    "narwhals of pyarrow": nw.from_native,
    "narwhals of polars": lambda table: nw.from_native(pl.from_arrow(table)),
    "narwhals of pandas": lambda table: nw.from_native(table.to_pandas()),
    "pandas of Arrow types": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_ids_of_frames_are_exact(frame):
    users, items = read_ids(frame(TABLE)).columns
    assert users.rows.tolist() == BIG
    assert items.rows.tolist() == TABLE["item"].to_pylist()


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_three_columns_of_a_frame_are_ratings(frame):
    read = read_ratings(frame(TABLE.append_column("stars", [STARS])), None, None, "Model")
    assert read.ids[0].rows.tolist() == BIG
    assert read.targets.tolist() == STARS.tolist()
    assert read.X.columns.tolist() == ["user", "item"]


COLUMNS = {
    "pyarrow Array": lambda values: pa.array(values),
    "pyarrow ChunkedArray": lambda values: pa.chunked_array([values[:7], values[7:]]),
    "polars": pl.Series,
    "narwhals": lambda values: nw.from_native(pl.Series(values), series_only=True),
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_columns_are_ids_ratings_and_weights(column):
    assert read_id_list(column(USERS), "users").tolist() == BIG
    assert read_targets(column(STARS)).tolist() == STARS.tolist()
    assert read_weights(column(STARS), 20).tolist() == STARS.tolist()


def test_a_model_of_an_arrow_table_finds_its_ids_again():
    fitted = MFRecommender(2, max_iter=1, random_state=0).fit(TABLE, pa.array(STARS), pa.array(STARS))
    assert fitted.feature_names_in_.tolist() == ["user", "item"]
    assert fitted.recommend(TABLE["user"][:3], n=1, exclude_seen=False).user.tolist() == BIG[:3]
    expected = fitted.predict(TABLE.to_pandas())
    for frame in (TABLE, record_batch(TABLE), pl.from_arrow(TABLE), nw.from_native(TABLE)):
        np.testing.assert_array_equal(fitted.predict(frame), expected)


@pytest.mark.parametrize("frame", [name for name in FRAMES if "Reader" not in name])
def test_splitters_take_frames(frame):
    folds = [test.tolist() for _, test in PerUserKFold(2, random_state=0).split(FRAMES[frame](TABLE))]
    expected = PerUserKFold(2, random_state=0).split(TABLE.to_pandas())
    assert folds == [test.tolist() for _, test in expected]


def test_times_of_a_splitter_are_of_any_library():
    X = TABLE.select(["item"]).to_pandas().assign(film=range(20))
    hours = [datetime.datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in range(20)][::-1]
    for groups in (pa.array(hours), pl.Series(hours), nw.from_native(pl.Series(hours), series_only=True)):
        (_, test), *_ = LeaveLastOut().split(X, groups=groups)
        assert sorted(test) == list(range(7))


# ---------------------------------------------------------------------- types of ids

DATES = [datetime.date(2024, 1, 2), datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)]
PRICES = [decimal.Decimal("1.10"), decimal.Decimal("1.05"), decimal.Decimal("1.10")]
TIMES = [datetime.time(2), datetime.time(1), datetime.time(2)]
WORDS = ["b", "a\0", "b"]
IDS = {
    "Arrow string_view": pa.array(WORDS, pa.string_view()),
    "Arrow large_string": pa.array(WORDS, pa.large_string()),
    "Arrow binary": pa.array([b"b", b"a", b"b"]),
    "Arrow dictionary": pa.array(WORDS).dictionary_encode(),
    "Arrow dictionary of integers": pa.array([2**53 + 1, 2**53, 2**53 + 1]).dictionary_encode(),
    "Arrow decimal": pa.array(PRICES),
    "Arrow date": pa.array(DATES),
    "Arrow time": pa.array(TIMES),
    "Arrow bool": pa.array([True, False, True]),
    "Arrow instants": pa.array(INSTANTS, pa.timestamp("us", NEW_YORK)),
    "Arrow instants of an offset": pa.array(INSTANTS, pa.timestamp("s", "+05:30")),
    "polars String": pl.Series(WORDS),
    "polars Categorical": pl.Series(WORDS, dtype=pl.Categorical),
    "polars Enum": pl.Series(["b", "a", "b"], dtype=pl.Enum(["b", "a"])),
    "polars Int128": pl.Series([2**100, 2**100 + 1, 3], dtype=pl.Int128),
    "polars Decimal": pl.Series(PRICES),
    "polars Date": pl.Series(DATES),
    "polars Time": pl.Series(TIMES),
    "polars instants": pl.Series(INSTANTS.to_pydatetime().tolist()).dt.convert_time_zone(NEW_YORK),
}


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_ids_keep_their_values(ids):
    expected = ids.to_pylist() if isinstance(ids, pa.Array) else ids.to_list()
    if isinstance(expected[0], datetime.datetime):
        expected = list(INSTANTS)
    table = pa.table({"id": ids}) if isinstance(ids, pa.Array) else pl.DataFrame({"id": ids})
    (column,) = read_ids(table).columns
    assert column.rows.tolist() == expected
    assert len(column.ids) == len(set(expected))


def test_instants_keep_their_zone():
    for ids in (IDS["Arrow instants"], IDS["polars instants"]):
        assert as_pandas(ids).dtype == f"datetime64[us, {NEW_YORK}]"
        assert as_pandas(ids).tolist() == list(INSTANTS)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([[1], [2]]),
        pl.Series([{"a": 1}, {"a": 2}]),
        pl.Series([[1], [2]], dtype=pl.Array(pl.Int64, 1)),
        pa.array([[1], [2]]),
        pa.array([[("a", 1)], [("b", 2)]], pa.map_(pa.string(), pa.int64())),
        pd.Series([[1], [2]], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
        pd.Series([{"a": 1}, {"a": 2}], dtype=pd.ArrowDtype(pa.struct({"a": pa.int64()}))),
    ],
    ids=["list", "struct", "array", "Arrow list", "Arrow map", "pandas list", "pandas struct"],
)
def test_nested_ids_are_refused(column):
    table = pd.DataFrame({"id": column}) if isinstance(column, pd.Series) else None
    table = pa.table({"id": column}) if isinstance(column, pa.Array) else table
    table = pl.DataFrame({"id": column}) if table is None else table
    with pytest.raises(
        TypeError, match=r"Column 'id': argument must be a string or a number as an id, got .*row 0"
    ):
        read_ids(table)


def test_missing_values_are_named():
    for library in (pa.table, pl.DataFrame):
        with pytest.raises(ValueError, match=r"Column 'user' contains a missing id .*None in row 1"):
            read_ids(library({"user": [2**53 + 1, None], "item": [1, 2]}))
    with pytest.raises(ValueError, match=r"Ratings must be finite numbers.* got nan at position 1"):
        read_targets(pa.array([1, None]))


def test_a_name_that_stands_twice_is_refused():
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"])
    for frame in (table, record_batch(table)):
        with pytest.raises(ValueError, match=r"Column 'id' stands in X more than once: rename it\.$"):
            read_ids(frame)


# ---------------------------------------------------------------------- frames without values


class DaskLike:
    """A collection by the protocol of dask."""

    def __dask_graph__(self):
        return {}


DaskLike.__module__, DaskLike.__name__ = "dask.dataframe", "DataFrame"


@pytest.mark.parametrize(
    ("lazy", "message"),
    [
        (pl.DataFrame({"a": [1]}).lazy(), r"A polars LazyFrame holds no values .* pass what its collect\(\)"),
        (
            nw.from_native(pl.DataFrame({"a": [1]}).lazy()),
            r"A narwhals LazyFrame .* pass what its collect\(\)",
        ),
        (DaskLike(), r"A dask DataFrame holds no values .* pass what its compute\(\) returns\.$"),
    ],
)
def test_what_is_not_computed_is_refused(lazy, message):
    for read in (read_ids, read_targets, lambda ids: read_id_list(ids, "users")):
        with pytest.raises(TypeError, match=message):
            read(lazy)


def test_frames_of_dask():
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(pd.DataFrame({"user": [1], "item": [2], "stars": [3.0]}), npartitions=1)
    for values in (frame, frame["user"]):
        with pytest.raises(TypeError, match=r"A dask .* pass what its compute\(\) returns\.$"):
            as_pandas(values)


# ---------------------------------------------------------------------- masked arrays


def test_masked_values_are_refused():
    masked = np.ma.masked_array([[1, 2], [3, 4], [5, 6]], [[0, 0], [0, 1], [1, 1]])
    message = "got 3 masked values, the first in row 1: drop such rows"
    for call in (
        lambda: read_ids(masked),
        lambda: read_ratings(masked, [1, 2, 3], None, "Model"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    column = np.ma.masked_array([1.0, 2.0, 3.0], [0, 0, 1])
    for call in (
        read_targets,
        lambda weights: read_weights(weights, 3),
        lambda ids: read_id_list(ids, "users"),
    ):
        with pytest.raises(ValueError, match="got 1 masked values, the first in row 2: drop such rows"):
            call(column)


def test_masked_arrays_without_a_masked_value_are_arrays():
    assert read_targets(np.ma.masked_array([1.0, 2.0])).tolist() == [1, 2]
    columns = read_ids(np.ma.masked_array([[1, 2], [3, 4]])).columns
    assert [column.rows.tolist() for column in columns] == [[1, 3], [2, 4]]


def test_other_objects_are_left_alone():
    for value in (None, "abc", b"abc", 3, (1, 2), object(), {"a": 1}, sys):
        assert as_pandas(value) is value
