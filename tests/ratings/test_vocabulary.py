"""Ids in, codes out, and back."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_mf.ratings._columns import IdColumn, read_id_column
from sklearn_mf.ratings._vocabulary import Vocabulary


def object_array(*items):
    return pd.Series(items, dtype=object)


def learn(column):
    """Vocabulary and codes of a column as fit makes them."""
    ids, dtype = read_id_column(column if isinstance(column, np.ndarray) else pd.Series(column), "Column")
    vocabulary, codes, _ = Vocabulary.learn(ids, dtype)
    return vocabulary, codes


def look_up(vocabulary, column):
    """Codes of a column, which few and many look-ups must agree on."""
    ids = read_id_column(column if isinstance(column, np.ndarray) else pd.Series(column), "Column")[0].rows
    many = vocabulary.codes(np.concatenate([ids] * 20))[: len(ids)]
    few = np.concatenate([vocabulary.codes(ids[place : place + 1]) for place in range(len(ids))])
    assert few.tolist() == many.tolist()
    return many.tolist()


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([3, 1, 2, 1], [1, 2, 3]),
        ([2.5, -1.0, 0.0], [-1.0, 0.0, 2.5]),
        (["b", "a", "B", ""], ["", "B", "a", "b"]),
        (object_array("b", "a", "b"), ["a", "b"]),
        (object_array("b", 10, b"c", 9, "a", True, (1, 2)), [True, 9, 10, b"c", "a", "b", (1, 2)]),
        (object_array("3", 3, 2.5, np.int64(1)), [1, 2.5, 3, "3"]),
        (object_array("a", Decimal(1), 5), [5, Decimal(1), "a"]),
        (
            object_array(datetime.date(2021, 1, 1), datetime.date(2020, 1, 1), 3),
            [3, *map(datetime.date, (2020, 2021), (1, 1), (1, 1))],
        ),
        (pd.Categorical(["b", "a"], categories=["b", "a", "unused"], ordered=True), ["a", "b"]),
    ],
)
def test_ids_are_sorted_numbers_before_other_types(column, expected):
    vocabulary, codes = learn(column)
    assert vocabulary.ids.tolist() == expected
    assert vocabulary.ids[codes].tolist() == list(column)
    assert codes.dtype == np.int32


def test_dates_are_sorted_in_any_unit():
    days = pd.to_datetime(["2021-01-02", "1999-01-01", "2021-01-02", "2020-05-05"])
    for unit in ("s", "ms", "us", "ns"):
        vocabulary, codes = learn(days.as_unit(unit))
        assert codes.tolist() == [2, 0, 2, 1]
        assert vocabulary.ids.dtype == f"M8[{unit}]"


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (object_array(True, 1, 1.0, np.float32(1), np.int8(1), Decimal(1)), [0] * 6),
        (object_array(1.0, "1", b"1", True), [0, 2, 1, 0]),
        (
            object_array(
                pd.Timestamp("2020"), datetime.datetime(2020, 1, 1), datetime.date(2020, 1, 1), "2020"
            ),
            [0, 0, 1, 2],
        ),
        ([0.0, -0.0], [0, 0]),
        (object_array("a", np.str_("a")), [0, 0]),
        (object_array(2**53, 2**53 + 1, float(2**53)), [0, 1, 0]),
    ],
)
def test_ids_that_python_calls_equal_are_one_id(column, expected):
    vocabulary, codes = learn(column)
    assert codes.tolist() == expected
    assert vocabulary.ids[codes].tolist() == list(column)


INTEGERS = [3, 7, 2**53, 2**53 + 1]


@pytest.mark.parametrize(
    ("known", "asked", "expected"),
    [
        (INTEGERS, [7, 4, 2**53 + 1, -1], [1, -1, 3, -1]),
        (INTEGERS, np.array([7, 4], dtype=np.int8), [1, -1]),
        (INTEGERS, np.array([7, 2**63], dtype=np.uint64), [1, -1]),
        (INTEGERS, [3.0, 3.5, float(2**53)], [0, -1, 2]),
        (INTEGERS, np.array([3.0, 2**24], dtype=np.float32), [0, -1]),
        (INTEGERS, ["3", "7"], [-1, -1]),
        (INTEGERS, object_array(3, "3", 3.0, Decimal(7), b"3", 2**53 + 1), [0, -1, 0, 1, -1, 3]),
        (INTEGERS, [True, False], [-1, -1]),
        (INTEGERS, pd.to_datetime([3, 7], unit="ns"), [-1, -1]),
        (INTEGERS, pd.to_timedelta([3, 7], unit="ns"), [-1, -1]),
        (INTEGERS, pd.array([3, 4], dtype="Int64"), [0, -1]),
        (INTEGERS, pd.Categorical([7, 3]), [1, 0]),
        ([0, 1], [True, False, True], [1, 0, 1]),
        ([True, False], object_array(1, 0.0, "True"), [1, 0, -1]),
        ([0.5, 3.0, 2.0**53], [3, 2**53, 2**53 + 1], [1, 2, -1]),
        (np.array([0.5, 0.1], dtype=np.float32), [0.5, 0.1], [1, -1]),
        (np.array([2**64 - 1, 3], dtype=np.uint64), [3, -1], [0, -1]),
        (["3", "a"], object_array("a", 3, "3", "b"), [1, -1, 0, -1]),
        (["3", "a"], pd.Series(["a", "x"], dtype="string"), [1, -1]),
        (["3", "a"], np.array(["a", "x"]), [1, -1]),
        (["3", "a"], np.array([b"a", b"3"]), [-1, -1]),
        (["3", "a"], [3, 4], [-1, -1]),
        (
            object_array("a", Decimal(1), 5),
            object_array(Decimal(1), Decimal(5), 1.0, "a", 6),
            [1, 0, 1, 2, -1],
        ),
        (object_array("b", np.str_("a"), 1), object_array("a", np.str_("b"), "c", True), [2, 1, -1, 0]),
        (object_array((1, 2), (1, 3)), object_array((1, 3), (1, 2), (3, 1)), [1, 0, -1]),
        (["2020-01-01", "2021-01-01"], pd.to_datetime(["2020-01-01", "2021-01-01"]), [-1, -1]),
    ],
)
def test_look_ups_compare_as_python_does_few_or_many(known, asked, expected):
    assert look_up(learn(known)[0], asked) == expected


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_dates_are_looked_up_in_any_unit(unit):
    days = pd.to_datetime(["2020-01-01", "2021-01-01"])
    asked = pd.to_datetime(["2021-01-01", "2020-01-02", "2020-01-01"])
    for stored in ("s", "us", "ns"):
        vocabulary, _ = learn(days.as_unit(stored))
        assert look_up(vocabulary, asked.as_unit(unit)) == [1, -1, 0]
        assert look_up(vocabulary, asked.as_unit(unit).astype(object)) == [1, -1, 0]
        assert look_up(vocabulary, asked.as_unit(unit).tz_localize("UTC")) == [-1, -1, -1]


def test_dates_beyond_the_range_of_the_other_unit():
    far = np.array(["1000-01-01", "2020-01-01", "3000-01-01"], dtype="M8[s]")
    near = np.array(["2020-01-01", "2020-01-02"], dtype="M8[ns]")
    assert look_up(learn(far)[0], near) == [1, -1]
    assert look_up(learn(near)[0], far) == [-1, 0, -1]
    long = np.array([1, 10**12], dtype="m8[s]")
    assert look_up(learn(long)[0], np.array([10**9, 1], dtype="m8[ns]")) == [0, -1]


def test_zones_are_one_instant():
    vocabulary, _ = learn(pd.date_range("2020", periods=3, tz="UTC"))
    assert look_up(vocabulary, pd.date_range("2020", periods=3, tz="UTC").tz_convert("Asia/Tokyo")) == [
        0,
        1,
        2,
    ]


def test_known_ids_stay_beside_those_of_the_column():
    values = IdColumn.of(np.array([5, 2, 5]))
    vocabulary, codes, known_codes = Vocabulary.learn(values, "int64", known=np.array([9, 2, 0]))
    assert vocabulary.ids.tolist() == [0, 2, 5, 9]
    assert codes.tolist() == [2, 1, 2]
    assert known_codes.tolist() == [3, 1, 0]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (pd.Series([1000, 2]), pd.Series([1, 2], dtype="int8"), "int64"),
        (pd.Series([1, 2], dtype="int8"), pd.Series([1000, 2]), "int64"),
        (pd.Series([100, 2]), pd.Series([1, 2], dtype="int8"), "int8"),
        (pd.Series([100, 2]), pd.Series([1, 2], dtype="Int64"), "Int64"),
        (pd.Series([0.1, 2]), pd.Series([0.1, 2], dtype="float32"), "float64"),
        (object_array(1, "a"), pd.Series(["a", "b"]), "object"),
        (object_array("a", "c"), pd.Series(["a", "b"]), "str"),
        (pd.Series(pd.date_range("2020", periods=2, tz="UTC")), pd.Series(["a"]), "object"),
        (pd.Series(["a"]), pd.Series(pd.date_range("2020", periods=2, tz="UTC")), "object"),
    ],
)
def test_known_ids_and_new_ones_share_a_type_that_holds_both(old, new, expected):
    (known, _), (ids, dtype) = read_id_column(old, "Column"), read_id_column(new, "Column")
    vocabulary, _, _ = Vocabulary.learn(ids, dtype, known.ids)
    column = vocabulary.column(vocabulary.ids)
    assert column.dtype == expected
    assert set(column) == {*old, *new}


def test_known_ids_become_categories():
    (known, _), (ids, dtype) = (
        read_id_column(pd.Series(["a", "b"]), "Column"),
        read_id_column(COLUMNS["ordered"], "Column"),
    )
    vocabulary, _, _ = Vocabulary.learn(ids, dtype, np.append(known.ids, "new"))
    column = vocabulary.column(vocabulary.ids)
    assert column.tolist() == ["a", "b", "new"]
    assert column.cat.categories.tolist() == ["c", "b", "a", "z", "new"]


@pytest.mark.parametrize("kind", ["str", "object", "string", "category"])
def test_a_column_of_text_is_hashed_once(kind, monkeypatch):
    sizes, factorize = [], pd.factorize
    monkeypatch.setattr(pd, "factorize", lambda values: sizes.append(len(values)) or factorize(values))
    learn(pd.Series(["b", "a", "b"] * 100, dtype=kind))
    assert sorted(sizes) == sorted([300, 2] + [2] * (kind == "category"))  # rows, ids, perhaps categories


@pytest.mark.parametrize(
    "missing", [None, np.nan, pd.NA, pd.NaT, Decimal("NaN"), np.datetime64("NaT")], ids=repr
)
def test_a_missing_id_is_named_whatever_stands_for_it(missing):
    with pytest.raises(ValueError, match=r"Column contains a missing id .* in row 2"):
        read_id_column(object_array("a", 1, missing), "Column")


def test_ids_that_stand_in_dropped_rows_alone_are_dropped():
    column = IdColumn.of(np.array(["c", "a", "c", "b"], dtype=object))
    kept = column.take(np.array([False, True, False, True]))
    assert kept.ids.tolist() == ["a", "b"]
    assert kept.rows.tolist() == ["a", "b"]


def test_nothing_asked_gives_nothing():
    assert learn([1, 2])[0].codes(np.array([], dtype=object)).shape == (0,)
    assert learn(["a", "b"])[0].codes(np.array([], dtype=object)).shape == (0,)


# ---------------------------------------------------------------------- the user's type, given back

DAYS = ["2021-01-02", "1999-01-01", "2020-05-05"]
COLUMNS = {
    **{kind: pd.Series([3, 1, 2], dtype=kind) for kind in ("int8", "int32", "int64", "uint8", "uint64")},
    **{kind: pd.Series([3, 1, 2.5], dtype=kind) for kind in ("float16", "float32", "float64", "Float64")},
    **{kind: pd.Series(["b", "a", "c"], dtype=kind) for kind in ("str", "object", "string", "category")},
    **{kind: pd.Series([3, 1, 2], dtype=kind) for kind in ("Int64", "UInt8", "Sparse[int64]")},
    "bool": pd.Series([True, False, True]),
    "boolean": pd.Series([True, False, True], dtype="boolean"),
    "mixed": object_array(3, "a", 2.5),
    "ordered": pd.Series(pd.Categorical(["b", "a"], categories=["c", "b", "a", "z"], ordered=True)),
    "unused": pd.Series(pd.Categorical(["b", "a"], categories=["b", "x", "a"])),
    "category of int": pd.Series(pd.Categorical([3, 1], categories=[3, 1, 2])),
    "category of dates": pd.Series(pd.to_datetime(DAYS).as_unit("s"), dtype="category"),
    **{unit: pd.Series(pd.to_datetime(DAYS).as_unit(unit)) for unit in ("s", "ms", "us", "ns")},
    **{
        zone: pd.Series(pd.to_datetime(DAYS).tz_localize(zone))
        for zone in ("UTC", "Europe/Paris", "UTC+05:30")
    },
    "timedelta": pd.Series(pd.to_timedelta([3, 1, 2], unit="s")),
    "period": pd.Series(pd.to_datetime(DAYS).to_period("M")),
    "interval": pd.Series(pd.interval_range(0, 3)),
    "date": object_array(datetime.date(2020, 1, 2), datetime.date(1999, 1, 1)),
}


try:
    import pyarrow as pa
except ModuleNotFoundError:
    pass
else:
    NOON = datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.UTC)
    HOURS = [NOON + datetime.timedelta(hours=hour) for hour in (2, 0, 1)]
    ARROW = {
        pa.int64(): [2**53 + 1, 2**53, 3],
        pa.uint64(): [2**63 + 1, 2**63, 3],
        pa.bool_(): [True, False],
        pa.string(): ["b", "a"],
        pa.large_string(): ["b", "a"],
        pa.binary(): [b"b", b"a"],
        pa.dictionary(pa.int32(), pa.string()): ["b", "a"],
        pa.decimal128(10, 2): [Decimal("1.10"), Decimal("1.05")],
        pa.date32(): [NOON.date(), datetime.date(1999, 1, 1)],
        pa.time64("us"): [datetime.time(2), datetime.time(1)],
        pa.duration("us"): [datetime.timedelta(2), datetime.timedelta(1)],
        pa.timestamp("us"): [NOON.replace(tzinfo=None), datetime.datetime(1999, 1, 1)],
        pa.timestamp("ns", "America/New_York"): HOURS,
        pa.timestamp("s", "+05:30"): HOURS,
    }
    for kind, values in ARROW.items():
        COLUMNS[f"Arrow {kind}"] = pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values, kind)))
    COLUMNS["category of instants"] = pd.Series(HOURS, dtype="category")


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS.keys())
def test_a_column_comes_back_in_the_type_it_was_given(column):
    vocabulary, codes = learn(column)
    assert isinstance(vocabulary.ids, np.ndarray)
    assert isinstance(vocabulary.dtype, (str, dict))
    pd.testing.assert_series_equal(vocabulary.column(vocabulary.ids[codes]), column)
    pd.testing.assert_series_equal(vocabulary.column_of(np.tile(codes, 9))[: len(column)], column)
    assert look_up(vocabulary, column) == codes.tolist()
    assert look_up(vocabulary, object_array(*column)) == codes.tolist()


def test_unused_categories_are_no_ids():
    vocabulary, _ = learn(COLUMNS["unused"])
    assert vocabulary.ids.tolist() == ["a", "b"]
    assert look_up(vocabulary, pd.Categorical(["x", "b"])) == [-1, 1]


def test_a_type_that_has_no_name_comes_back_as_objects():
    column = pd.Series(pd.to_datetime(DAYS).tz_localize("dateutil/Europe/Paris"))
    vocabulary, codes = learn(column)
    assert vocabulary.column(vocabulary.ids[codes]).tolist() == column.tolist()


# ---------------------------------------------------------------------- any ids

IDS = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
    st.lists(st.integers(0, 2**64 - 1), min_size=1),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1),
    st.lists(st.text(st.characters(codec="utf-8"), max_size=3), min_size=1),
    st.lists(st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 1, 1)), min_size=1),
    st.lists(
        st.integers()
        | st.floats(-9, 9)
        | st.booleans()
        | st.text("ab1", max_size=2)
        | st.binary(max_size=1)
        | st.dates(),
        min_size=1,
    ),
)


@given(IDS)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_any_ids_go_in_and_come_out(items):
    for column in (pd.Series(items), pd.Series(items, dtype=object)):
        vocabulary, codes = learn(column)
        assert vocabulary.ids[codes].tolist() == read_id_column(column, "Column")[0].rows.tolist()
        assert look_up(vocabulary, vocabulary.column(vocabulary.ids)) == list(range(len(vocabulary.ids)))
        shuffled, _ = learn(column[::-1])
        assert shuffled.ids.tolist() == vocabulary.ids.tolist()
        pd.testing.assert_series_equal(vocabulary.column(vocabulary.ids[codes]), column, check_index=False)
