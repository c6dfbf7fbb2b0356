"""Tables of features: what is read, how it is encoded, and what is refused."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array

from sklearn_mf.ratings._feature_encoders import encode, feature_names, learn_encoders
from sklearn_mf.ratings._feature_state import from_plain, to_plain
from sklearn_mf.ratings._feature_tables import FeatureTables, read_feature_table

IDS = ["alien", "brazil", "up", "heat"]
EVERY = np.ones(4, dtype=bool)


def encoded(columns, rated=EVERY, separator="|", ids=IDS):
    """Names and dense features of a frame whose encoders are learnt from its rated rows."""
    table = read_feature_table(pd.DataFrame(columns, index=ids), [], "T")
    encoders = learn_encoders(table, rated, separator, "T")
    return feature_names(encoders), encode(table, encoders, "T").toarray()


def test_numbers_are_standardised_and_a_missing_one_is_the_mean():
    names, rows = encoded({"year": [1979, 1985, None, 1995]})
    known = np.array([1979, 1985, 1995])
    assert names == ["intercept", "year"]
    np.testing.assert_array_equal(rows[:, 0], 1)
    np.testing.assert_allclose(rows[[0, 1, 3], 1], (known - known.mean()) / known.std())
    assert rows[2, 1] == 0


def test_units_do_not_matter():
    rng = np.random.default_rng(0)
    lengths, matrix = rng.random(4), csr_array(rng.random((4, 3)))
    np.testing.assert_allclose(encoded({"m": lengths})[1], encoded({"m": 1000 * lengths + 7})[1])

    def rows_of(values):
        table = read_feature_table((IDS, values), [], "T")
        return encode(table, learn_encoders(table, EVERY, None, "T"), "T").toarray()

    np.testing.assert_allclose(rows_of(matrix), rows_of(1000 * matrix))
    np.testing.assert_allclose(rows_of(matrix), rows_of(matrix.toarray()))
    assert np.mean(rows_of(matrix)[:, 1:] ** 2) * 3 == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["Drama", "Comedy", "Drama", None], ["Comedy", "Drama"]),
        (pd.Categorical([3, 10, 3, None]), ["10", "3"]),
        ([True, False, True, None], ["False", "True"]),
        (np.array([True, False, True, True]), ["False", "True"]),
        ([("a", "b"), {"a"}, ["c"], None], ["a", "b", "c"]),
        (["a|b", "a", "c", ""], ["a", "b", "c"]),
        ([[1, 2.0], [2], [], None], ["1", "2"]),
    ],
)
def test_categories(values, names):
    found, rows = encoded({"kind": values})
    assert found == ["intercept", *(f"kind={name}" for name in names)]
    assert set(np.round((rows[:, 1:] ** 2).sum(axis=1), 12)) <= {0.0, 1.0}
    assert rows[0, 1:].any()


def test_an_id_with_several_categories_has_the_same_norm_as_one_with_a_single_one():
    _, rows = encoded({"genres": ["a|b|c", "a", "b|c", None]})
    np.testing.assert_allclose(rows[:, 1:], [[3**-0.5] * 3, [1, 0, 0], [0, 0.5**0.5, 0.5**0.5], [0, 0, 0]])


def test_a_separator_splits_text_alone():
    assert encoded({"kind": ["a|b", "a", "c", "c"]}, separator=None)[0][1:] == [
        "kind=a",
        "kind=a|b",
        "kind=c",
    ]
    assert encoded({"kind": ["a, b", "a", "c", "c"]}, separator=",")[0][1:] == ["kind=a", "kind=b", "kind=c"]


def test_encoders_are_learnt_from_ids_with_ratings_alone():
    rated = np.array([True, True, True, False])
    columns = {"year": [1.0, 2.0, 3.0, 900.0], "genre": ["a", "b", "a", "unseen"]}
    names, rows = encoded(columns, rated)
    assert names == ["intercept", "year", "genre=a", "genre=b"]
    np.testing.assert_allclose(rows[:3, 1].mean(), 0, atol=1e-12)
    np.testing.assert_array_equal(rows[3, 2:], 0)


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_times_are_numbers(zone):
    days = pd.date_range("2020-01-01", periods=4, tz=zone)
    _, rows = encoded({"day": days})
    np.testing.assert_allclose(rows[:, 1], encoded({"day": [1, 2, 3, 4]})[1][:, 1])
    np.testing.assert_allclose(rows, encoded({"day": list(days.date)})[1])
    np.testing.assert_allclose(rows, encoded({"day": days - days[0]})[1])


def test_ids_are_a_column_of_the_given_name_or_the_index():
    frame = pd.DataFrame({"film": IDS, "year": [1, 2, 3, 4]})
    by_column = read_feature_table(frame, ["film"], "T")
    by_index = read_feature_table(frame.set_index("film"), ["film"], "T")
    by_polars = read_feature_table(pl.from_pandas(frame), ["film"], "T")
    by_series = read_feature_table(frame.set_index("film")["year"], ["film"], "T")
    for table in (by_column, by_index, by_polars, by_series):
        assert table.ids.tolist() == IDS
        assert list(table.columns) == ["year"]


def test_lists_of_polars():
    frame = pl.DataFrame({"film": IDS, "genres": [["a", "b"], ["a"], None, ["b"]]})
    table = read_feature_table(frame, ["film"], "T")
    assert feature_names(learn_encoders(table, EVERY, "|", "T"))[1:] == ["genres=a", "genres=b"]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([None, None, None, None], "no values or the same one"),
        ([2, 2, 2, None], "no values or the same one"),
        (["a", "a", "a", "a"], "no values or the same one"),
    ],
)
def test_columns_that_say_nothing_are_left_out_with_a_warning(values, problem):
    with pytest.warns(UserWarning, match=problem):
        names, rows = encoded({"same": values, "year": [1, 2, 3, 4]})
    assert names == ["intercept", "year"]
    assert rows.shape == (4, 2)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([1.0, np.inf, 2.0, 3.0], "Column 'bad' of T contains inf in row 1, which is not finite"),
        (["a", ["b"], "c", "d"], r"Column 'bad' of T mixes types, as 'a' and \['b'\]"),
        (["a", 3, "c", "d"], "Column 'bad' of T mixes types, as 'a' and 3"),
        ([["a", ["b"]], ["b"], [], []], r"contains \['b'\] in a list"),
        ([1j, 2, 3, 4], "mixes types"),
    ],
)
def test_bad_values_are_refused(values, problem):
    with pytest.raises(ValueError, match=problem) as caught:
        encoded({"bad": values})
    assert str(caught.value).count(". ") == 0


def test_text_that_differs_from_id_to_id_is_refused():
    ids = np.arange(100_000)
    titles = [f"film {number}" for number in ids]
    with pytest.raises(ValueError, match="100000 different values in 100000 rows, as titles and names"):
        encoded({"title": titles}, np.ones(len(ids), dtype=bool), ids=ids)
    lists = [[title, "a"] for title in titles]
    with pytest.raises(ValueError, match="100001 different categories, and at most 50000"):
        encoded({"title": lists}, np.ones(len(ids), dtype=bool), ids=ids)


@pytest.mark.parametrize(
    ("table", "error", "problem"),
    [
        (pd.DataFrame({"year": [1, 2]}, index=["up", "up"]), ValueError, "more than one row of id 'up'"),
        (pd.DataFrame({"year": [1, 2]}, index=["up", None]), ValueError, "missing id"),
        (pd.DataFrame(index=["up"]), ValueError, "no column beside the ids"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, "'a' stands in T more than once"),
        ((["up"], csr_array((2, 3))), ValueError, "1 ids but a matrix of 2 rows"),
        ((["up", "heat"], np.array([[1.0], [np.nan]])), ValueError, "not finite"),
        ({"up": 3}, TypeError, r"T must be a DataFrame .* got \{'up': 3\}"),
        ([[1, 2]], TypeError, "T must be a DataFrame"),
    ],
)
def test_bad_tables_are_refused(table, error, problem):
    with pytest.raises(error, match=problem):
        read_feature_table(table, ["film"], "T")


def test_a_later_table_needs_the_columns_of_fit_in_their_types():
    table = read_feature_table(pd.DataFrame({"year": [1, 2], "genre": ["a", "b"]}, index=[1, 2]), [], "T")
    encoders = learn_encoders(table, np.ones(2, dtype=bool), "|", "T")
    new = pd.DataFrame({"genre": [["b"], None], "year": [1.5, None], "other": [0, 0]}, index=[3, 4])
    rows = encode(read_feature_table(new, [], "N"), encoders, "N").toarray()
    np.testing.assert_allclose(rows, [[1, 0, 0, 1], [1, 0, 0, 0]])
    with pytest.raises(ValueError, match=r"N lacks the columns \['year'\]"):
        encode(read_feature_table(new[["genre"]], [], "N"), encoders, "N")
    with pytest.raises(ValueError, match="Column 'year' of N held numbers in fit, but holds 'x' here"):
        encode(read_feature_table(new.assign(year="x"), [], "N"), encoders, "N")


def test_plain_values_give_the_same_tables():
    frame = pd.DataFrame(
        {
            "number": [1.5, None, 3.0, 4.0],
            "count": pd.array([1, None, 3, 4], dtype="Int64"),
            "flag": [True, False, True, True],
            "text": ["a", None, "b", "c"],
            "category": pd.Categorical(["x", "y", None, "x"]),
            "day": pd.date_range("2020-01-01", periods=4, tz="Europe/Berlin"),
            "date": pd.date_range("2020-01-01", periods=4),
            "lists": [["a"], [], None, ["b", "c"]],
        },
        index=pd.Index(IDS, name="film"),
    )
    again = from_plain(to_plain({"film": frame}))["film"]
    pd.testing.assert_frame_equal(again, frame)
    ids, matrix = from_plain(to_plain({0: (IDS, csr_array(np.eye(4)))}))[0]
    assert ids.tolist() == IDS
    np.testing.assert_array_equal(matrix.toarray(), np.eye(4))
    assert to_plain(None) is None


def test_the_parameter_is_shown_by_sizes():
    tables = FeatureTables({"film": pd.DataFrame({"a": [1, 2]}), 0: ([1], csr_array((1, 9))), "x": 3})
    assert repr(tables) == "{'film': 2 x 1 table, 0: 1 x 9 table, 'x': 3}"
