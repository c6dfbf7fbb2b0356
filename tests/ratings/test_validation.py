"""Bad input: one sentence that says what was wrong, and an estimator as it was before."""

import datetime
import decimal
import fractions
import re
import traceback
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from sklearn_mf import MFRecommender
from sklearn_mf.solvers.sgd import _solver as sgd

nan, inf = np.nan, np.inf
X = np.array([[1, 7], [1, 8], [2, 7]])
y = np.array([5.0, 1.0, 4.0])
FRAME = pd.DataFrame(X, columns=["user", "item"])
RATINGS = FRAME.assign(rating=y)
SPARSE = sp.csr_array((y, X.T))


def model(**parameters):
    return MFRecommender(**{"embedding_dim": 2, "max_iter": 2, "random_state": 0, **parameters})


@pytest.fixture(scope="module")
def fitted():
    return model().fit(RATINGS)


def is_ours(error):
    """Whether the package, or scikit-learn on its behalf, raised it, and not something below."""
    last = traceback.extract_tb(error.__traceback__)[-1].filename.replace("\\", "/")
    return "/sklearn_mf/" in last or "/sklearn/" in last


def is_one_sentence(text):
    return "\n" not in text and text.endswith(".") and not re.search(r"\. [A-Z]", text)


def assert_refused(call, message, error=ValueError):
    with pytest.raises(error, match=message) as caught:
        call()
    assert is_ours(caught.value)
    assert is_one_sentence(str(caught.value)), str(caught.value)


def assert_fit_refused(fitted, message, *args, error=ValueError, fresh=True, **keywords):
    """Neither a fresh nor a fitted estimator is touched by the fit that fails."""
    for estimator in [model(), fitted] if fresh else [fitted]:
        before, kept = (
            dict(vars(estimator)),
            [np.copy(array) for array in vars(estimator).get("embeddings_", [])],
        )
        assert_refused(partial(estimator.fit, *args, **keywords), message, error)
        assert vars(estimator).keys() == before.keys()
        assert all(vars(estimator)[name] is value for name, value in before.items())
        for array, copy in zip(vars(estimator).get("embeddings_", []), kept, strict=True):
            np.testing.assert_array_equal(array, copy)


def object_array(*items):
    return pd.Series(items, dtype=object)


# ---------------------------------------------------------------------- ratings and weights


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ([5, 1, nan], "Ratings must be finite numbers.* got nan at position 2"),
        ([5, -inf, 1], "Ratings must be finite numbers.* got -inf at position 1"),
        ([5, None, 1], "Ratings must be finite numbers.* got nan at position 1"),
        (pd.Series([5, None, 1], dtype="Int64"), "Ratings must be finite numbers.* got nan at position 1"),
        ([5, 1e200, 1], "at most 1e\\+100 in size, got 1e\\+200 at position 1"),
        ([5, 10**400, 1], "Ratings must be numbers, got 1000"),
        ([5, pd.NA, 1], "Ratings must be numbers, got <NA> at position 1"),
        (["5", "five", "1"], "Ratings must be numbers, got '5' at position 0"),
        ([5, "4", 1], "Ratings must be numbers, got '4' at position 1"),
        (pd.Series(["good", "bad", "good"]), "Ratings must be numbers, got 'good' at position 0"),
        (pd.Series(["good", "bad", "good"], dtype="category"), "Ratings must be numbers, got 'good'"),
        ([1j, 1, 2], "Ratings must be numbers, got 1j at position 0"),
        (np.array([1j, 1, 2]), "Complex data not supported: Ratings must be real"),
        (pd.date_range("2020", periods=3), "Ratings must be numbers, got np.datetime64"),
        (pd.to_timedelta([1, 2, 3], unit="s"), "Ratings must be numbers, got np.timedelta64"),
        ([np.datetime64("2020-01-01")] * 3, r"Ratings must be numbers, got np\.datetime64\('2020-01-01'\)"),
        ([5, np.timedelta64(4, "s"), 1], r"Ratings must be numbers, got np\.timedelta64\(4,'s'\)"),
        ([[1], [1, 2], 3], r"Ratings must be numbers, got \[1\] at position 0"),
        (np.ones((3, 2)), r"Ratings must be a 1d array, got an array of shape \(3, 2\)"),
        (3, r"Ratings must be a 1d array, got an array of shape \(\)"),
        ([5, 1], "X has 3 rows but there are 2 ratings"),
        ([], "X has 3 rows but there are 0 ratings"),
    ],
)
def test_bad_ratings(fitted, ratings, message):
    assert_fit_refused(fitted, message, FRAME, ratings)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, nan, 1], "Sample weights must be finite numbers.* got nan at position 1"),
        ([1, inf, 1], "Sample weights must be finite numbers.* got inf at position 1"),
        ([1, 1e300, 1], "Sample weights must be .* at most 1e\\+100 in size, got 1e\\+300 at position 1"),
        ([1, -2, 1], "Sample weights must not be negative, got -2.0 at position 1"),
        (-1, "Sample weights must not be negative"),
        ([0, 0, 0], "Sample weights are all zero"),
        (0.0, "Sample weights are all zero"),
        (["a", "b", "c"], "Sample weights must be numbers, got 'a'"),
        ([1j, 1, 1], "Sample weights must be numbers, got 1j"),
        ([1, 1], "X has 3 rows but there are 2 sample weights"),
        (np.ones((3, 2)), r"Sample weights must be a 1d array, got an array of shape \(3, 2\)"),
        (np.ones((3, 1)), r"1d array, got an array of shape \(3, 1\): pass one number for each row"),
        (
            pd.DataFrame({"w": [1, 1, 1]}),
            r"Sample weights must be a 1d array, got an array of shape \(3, 1\)",
        ),
        ("abc", "Sample weights must be a 1d array"),
    ],
)
def test_bad_weights(fitted, weights, message):
    assert_fit_refused(fitted, message, FRAME, y, sample_weight=weights)
    for method in (fitted.score, fitted.fold_in):
        assert_refused(partial(method, FRAME, y, sample_weight=weights), message)


def test_a_column_of_ratings_is_flattened_with_a_warning():
    with pytest.warns(UserWarning, match="column-vector"):
        column = model().fit(X, y[:, None])
    np.testing.assert_array_equal(column.user_embeddings_, model().fit(X, y).user_embeddings_)


# ---------------------------------------------------------------------- ids

MISSING = {
    "float NaN": ([1.0, nan, 2.0], "nan"),
    "None": (object_array(1, None, 2), "None"),
    "text and None": (pd.Series(["a", None, "b"]), "nan"),
    "NaT": (pd.to_datetime(["2020", None, "2021"]), "NaT"),
    "NaT with time zone": (pd.to_datetime(["2020", None, "2021"]).tz_localize("UTC"), "NaT"),
    "timedelta": (pd.to_timedelta([1, None, 2], unit="s"), "NaT"),
    "Int64": (pd.Series([1, None, 2], dtype="Int64"), "<NA>"),
    "boolean": (pd.Series([True, None, False], dtype="boolean"), "<NA>"),
    "string": (pd.Series(["a", None, "b"], dtype="string"), "<NA>"),
    "category": (pd.Series(["a", None, "b"], dtype="category"), "nan"),
    "decimal": (object_array(decimal.Decimal(1), decimal.Decimal("NaN"), 2), r"Decimal\('NaN'\)"),
}


@pytest.mark.parametrize(("ids", "shown"), MISSING.values(), ids=MISSING.keys())
def test_missing_ids_of_a_frame(fitted, ids, shown):
    message = rf"Column 'user' contains a missing id \(NaN, None or the like\), {shown} in row 1"
    frame = pd.DataFrame({"user": ids, "item": [7, 8, 7]})
    assert_fit_refused(fitted, message, frame, y)
    assert_refused(partial(fitted.predict, frame), message)


@pytest.mark.parametrize(
    ("table", "shown"),
    [
        (np.array([[1, 7], [1, nan], [2, 7]]), "nan"),
        (np.array([["a", 7], ["a", None], ["b", 7]], dtype=object), "None"),
        (np.array([["a", 7], ["a", pd.NA], ["b", 7]], dtype=object), "<NA>"),
        (np.array([["2020", "2021"], ["2020", "NaT"], ["2022", "2021"]], dtype="M8[D]"), "np.datetime64"),
        ([["a", 7], ["a", None], ["b", 7]], "None"),
        ([[1, 7], [1, nan], [2, 7]], "nan"),
    ],
)
def test_missing_ids_of_an_array_or_a_list(fitted, table, shown):
    assert_fit_refused(fitted, rf"Column 1 contains a missing id \(.*\), {shown}.* in row 1", table, y)


@pytest.mark.parametrize("ids", [[1.0, inf, 2.0], object_array("a", -inf, 1)], ids=["float", "mixed"])
def test_infinite_ids(fitted, ids):
    frame = pd.DataFrame({"user": ids, "item": [7, 8, 7]})
    assert_fit_refused(fitted, "Column 'user' contains infinity, -?inf in row 1: drop such rows", frame, y)
    assert_fit_refused(fitted, "Column 0 contains infinity, -?inf in row 1", frame.to_numpy(), y)


@pytest.mark.parametrize(
    ("item", "shown"),
    [([1], r"\[1\]"), ({}, "{}"), ({1}, "{1}"), ((1, [2]), r"\(1, \[2\]\)"), (np.ones(2), "array")],
)
def test_unhashable_ids(fitted, item, shown):
    message = rf"Column 'user': argument must be a string or a number as an id, got {shown}.* in row 1"
    frame = pd.DataFrame({"user": object_array("a", item, "b"), "item": [7, 8, 7]})
    assert_fit_refused(fitted, message, frame, y, error=TypeError)
    assert_refused(partial(fitted.predict, frame), message, TypeError)


@pytest.mark.parametrize(
    "table",
    [
        X + 1j,
        (X + 1j).astype(object),
        (X + 1j).tolist(),
        pd.DataFrame(X + 1j),
        pd.DataFrame(X + 1j, dtype=object),
    ],
    ids=["array", "objects", "list", "frame", "frame of objects"],
)
def test_complex_ids(fitted, table):
    assert_fit_refused(fitted, r"Complex data not supported: Column 0 contains \(1\+1j\) in row 0", table, y)


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        ([int, float, str], "'<' not supported"),
        ([frozenset({1}), frozenset({2}), frozenset({1, 2})], "only in part"),
        ([(1, "a"), ("a", 1), (2, "b")], "'<' not supported"),
        ([pd.Timestamp("2020"), pd.Timestamp("2021", tz="UTC"), 3], "tz-naive and tz-aware"),
    ],
)
def test_ids_without_an_order(fitted, ids, reason):
    message = f"Ids must be numbers, text or dates that can be put in order: .*{reason}"
    assert_fit_refused(fitted, message, pd.DataFrame({"user": object_array(*ids)}), y, error=TypeError)


# ---------------------------------------------------------------------- tables of the wrong form


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.empty((0, 2)), r"0 sample\(s\) \(shape=\(0, 2\)\) while a minimum of 1 is required"),
        (np.empty((3, 0)), r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1 is required"),
        ([[], [], []], r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1 is required"),
        (FRAME[:0], r"0 sample\(s\) .*: pass at least one row and one column of ids"),
        (FRAME[[]], r"0 feature\(s\) .*: pass at least one row and one column of ids"),
        ([], r"got an array of shape \(0,\): Reshape your data"),
        (np.array([1, 2, 3]), r"got an array of shape \(3,\): Reshape your data"),
        (["ann", "bob", "cat"], r"got an array of shape \(3,\): Reshape your data"),
        (FRAME.user, r"got an array of shape \(3,\): Reshape your data"),
        ([{"user": 1, "item": 7}] * 3, r"got an array of shape \(3,\): Reshape your data"),
        (np.ones((3, 2, 2)), r"got an array of shape \(3, 2, 2\): Reshape your data"),
        (None, "Expected a table of ids, 2D, got None"),
        ("abc", "Expected a table of ids, 2D, got 'abc'"),
        (FRAME.to_dict("list"), "Expected a table of ids, 2D, got {'item'"),
        ([[1, 7], [1], [2, 7]], "rows of X differ in length, 2 in row 0 and 1 in row 1"),
        ([(1, 7), (1, 8), (2,)], "rows of X differ in length, 2 in row 0 and 1 in row 2"),
        (FRAME.set_axis(["id", "id"], axis=1), "Column 'id' stands in X more than once: rename it"),
    ],
)
def test_what_is_no_table_of_ids(fitted, table, message):
    estimator = model()
    with pytest.raises(ValueError, match=message) as caught:
        estimator.fit(table, y)
    assert is_ours(caught.value)
    assert vars(estimator) == vars(model())
    with pytest.raises(ValueError, match=message):
        fitted.fit(table, y)
    assert fitted.n_features_in_ == 2
    assert fitted.feature_names_in_.tolist() == ["user", "item"]


@pytest.mark.parametrize(
    ("table", "shown"),
    [
        (RATINGS.assign(hour=3), r"an input of shape \(3, 4\)"),
        (FRAME, r"an input of shape \(3, 2\)"),
        (X, r"an input of shape \(3, 2\)"),
        (X.tolist(), r"an input of shape \(3, 2\)"),
        (FRAME.user, r"an input of shape \(3,\)"),
        (np.ones((2, 3, 3)), r"an input of shape \(2, 3, 3\)"),
        (pd.DataFrame(), r"an input of shape \(0, 0\)"),
        (None, "None"),
        ("abc", "'abc'"),
    ],
)
def test_without_y_there_are_three_columns(fitted, table, shown):
    message = (
        r"requires y to be passed, but the target y is None: call it with two arguments, ids and ratings, "
        rf"as in fit\(X, y\), or with one table of exactly three columns user, item, rating; got {shown}"
    )
    assert_fit_refused(fitted, message, table)
    assert_refused(partial(fitted.score, table), message)


@pytest.mark.parametrize(
    "table", [RATINGS, RATINGS.astype(object), RATINGS.to_numpy(), RATINGS.astype(object).to_numpy().tolist()]
)
def test_ratings_twice_warn(table):
    with pytest.warns(UserWarning, match=r"third column of X equals y .*: call fit\(ratings\)") as caught:
        model().fit(table, RATINGS.rating)
    assert caught[0].filename == __file__


def test_a_third_column_of_ids_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model().fit(RATINGS.assign(rating=["a", "b", "a"]), y)
        model().fit(RATINGS.assign(rating=pd.date_range("2020", periods=3)), y)
        model().fit(RATINGS.assign(rating=[5, 1, 3]), y)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_feature_names_and_number_are_those_of_fit(fitted):
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(FRAME[["item", "user"]])
    with pytest.raises(ValueError, match="unseen at fit time:\n- film"):
        fitted.predict(FRAME.rename(columns={"item": "film"}))
    assert_refused(
        partial(fitted.predict, RATINGS.to_numpy()), "X has 3 features, but MFRecommender is expecting 2"
    )


# ---------------------------------------------------------------------- sparse matrices


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((SPARSE, y), r"holds the ratings itself: call fit\(A\) with neither y nor sample_weight"),
        ((SPARSE, None, y), r"holds the ratings itself: call fit\(A\) with neither y nor sample_weight"),
        (
            (sp.dia_array(np.eye(3)),),
            r"in 'dia' format cannot say which cells are ratings.*: pass A.tocsr\(\)",
        ),
        (
            (sp.bsr_matrix(np.eye(4)),),
            r"in 'bsr' format cannot say which cells are ratings.*: pass A.tocsr\(\)",
        ),
        ((sp.csr_array((3, 4)),), r"Found no rating: the sparse matrix of shape \(3, 4\) stores no cell"),
        ((sp.coo_array(np.ones(3)),), r"two dimensions, users x items, got shape \(3,\)"),
        ((sp.csr_array(np.ones(3)),), r"two dimensions, users x items, got shape \(3,\)"),
        ((sp.coo_array((y, (range(3),) * 3)),), r"two dimensions, users x items, got shape \(3, 3, 3\)"),
        ((sp.csr_matrix([[nan, 1]]),), "Ratings must be finite numbers.* got nan"),
        ((sp.csr_matrix([[inf, 1]]),), "Ratings must be finite numbers.* got inf"),
        ((sp.csr_matrix([[1j, 1]]),), "Complex data not supported"),
    ],
)
def test_bad_sparse_matrices(fitted, args, message):
    assert_fit_refused(fitted, message, *args)


def test_bad_sparse_tensors(fitted):
    tf = pytest.importorskip("tensorflow")
    for indices, values, shape, message in [
        ([[0, 0], [0, 0]], [1.0, 2.0], [2, 2], r"holds cell \(0, 0\) more than once: merge repeated cells"),
        ([[0, 0, 0]], [1.0], [2, 2, 2], r"two dimensions, users x items, got shape \(2, 2, 2\)"),
        ([[0]], [1.0], [2], r"two dimensions, users x items, got shape \(2,\)"),
        ([[0, 0]], [nan], [2, 2], "Ratings must be finite numbers"),
        ([[0, 0]], ["good"], [2, 2], "Ratings must be numbers, got b'good'"),
        (np.empty((0, 2)), [], [2, 2], "Found no rating"),
    ]:
        tensor = tf.SparseTensor(indices, tf.constant(values), shape)
        assert_fit_refused(fitted, message, tensor)
        assert_refused(partial(fitted.predict, tensor), "A sparse matrix is not a table of ids", TypeError)


@pytest.mark.parametrize("method", ["predict", "score"])
def test_a_sparse_matrix_is_no_table_to_predict(fitted, method):
    message = r"A sparse matrix is not a table of ids: .*; only fit takes ratings as a sparse matrix"
    assert_refused(partial(getattr(fitted, method), SPARSE), message, TypeError)


# ---------------------------------------------------------------------- polars


def test_a_polars_frame_is_converted_or_refused_by_name(fitted):
    pl = pytest.importorskip("polars")
    lazy = pl.DataFrame({"user": [1, 1, 2], "item": [7, 8, 7]}).lazy()
    message = r"A LazyFrame holds the ratings .* but y was given too: .* or pass tables in memory"
    assert_fit_refused(fitted, message, lazy, y)
    message = r"A polars LazyFrame holds no values before it is computed: pass what its collect\(\) returns"
    assert_refused(partial(fitted.predict, lazy), message, TypeError)
    missing = pl.DataFrame({"user": [1, None, 2], "item": [7, 8, 7]})
    assert_fit_refused(fitted, "Column 'user' contains a missing id .* None in row 1", missing, y)
    not_a_number = pl.DataFrame({"user": [1.0, nan, 2.0], "item": [7, 8, 7]})
    assert_fit_refused(fitted, "Column 'user' contains a missing id .* nan in row 1", not_a_number, y)


# ---------------------------------------------------------------------- parameters

BAD_PARAMETERS = {
    "embedding_dim": [-1, 2.5, "32", None],
    "penalty": ["L2", "ridge", 2, True],
    "alpha": [-0.1, nan, "learnt", None],
    "l1_ratio": [-0.1, 1.1, nan, None],
    "unobserved_weight": [-1, nan, "all", None],
    "unobserved_value": ["mean", nan, inf],
    "prior_ratings": [-1, nan, "auto", None],
    "solver": ["adam", "SGD", None],
    "learning_rate": [0, -1.0, "constant", None],
    "batch_size": [0, -1, 2.5, "all", None],
    "max_iter": [0, 2.5, None],
    "tol": [-1e-4, nan, None],
    "positive": ["yes", 2, None],
    "fit_bias": ["yes", 2, None],
    "early_stopping": ["yes", None],
    "validation_fraction": [0, 1, 1.5, None],
    "n_iter_no_change": [0, 1.5, None],
    "handle_unknown": ["use_encoded_value", None, True],
    "clip": ["no", None],
    "warm_start": ["yes", None],
    "verbose": [-1, "loud", None],
    "random_state": [-1, 1.5, "seed"],
    "implicit_features": [-1, 2.5, None],
    "features": ["genres", 3],
    "feature_separator": [3, True],
}


def test_every_parameter_is_checked():
    assert BAD_PARAMETERS.keys() == MFRecommender().get_params().keys()


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD_PARAMETERS.items() for value in values]
)
def test_bad_parameters_are_refused_in_fit(name, value):
    estimator = model().set_params(**{name: value})
    before = dict(vars(estimator))
    with pytest.raises(
        ValueError, match=rf"The '{name}' parameter of MFRecommender must be .* Got {value!r}"
    ):
        estimator.fit(X, y)
    assert vars(estimator) == before


# ---------------------------------------------------------------------- warm start


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (FRAME[["item", "user"]], r"cannot change the columns from \['user', 'item'\] to \['item', 'user'\]"),
        (X, r"cannot change the columns from \['user', 'item'\] to \[0, 1\]"),
        (FRAME.astype(str), "cannot change the type of the ids in column 'user' from int64 to object"),
        (
            FRAME.assign(item=pd.to_datetime(FRAME.item)),
            "cannot change the type of the ids in column 'item' from int64 to datetime64",
        ),
    ],
)
def test_a_warm_start_continues_the_same_columns(table, message):
    used = model(warm_start=True).fit(RATINGS)
    assert_fit_refused(used, message, table, y, fresh=False)
    dated = model(warm_start=True).fit(FRAME.assign(user=pd.date_range("2020", periods=3, unit="s")), y)
    other_unit = FRAME.assign(user=pd.date_range("2020", periods=3, unit="ns"))
    message = r"type of the ids in column 'user' from datetime64\[s\] to datetime64\[ns\]: convert them"
    assert_fit_refused(dated, message, other_unit, y, fresh=False)
    used.embedding_dim = 3
    assert_fit_refused(
        used, "cannot change embedding_dim from 2 to 3: set warm_start=False", RATINGS, fresh=False
    )


# ---------------------------------------------------------------------- predict, recommend, similar_*


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("predict", (X,)),
        ("score", (X, y)),
        ("score", (RATINGS,)),
        ("recommend", ()),
        ("recommend", (1,)),
        ("similar_items", (7,)),
        ("similar_users", (1,)),
    ],
)
def test_before_fit(method, args):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(model(), method)(*args)


TABLES = [("recommend", 1), ("similar_items", 7), ("similar_users", 1)]


@pytest.mark.parametrize(("method", "ids"), TABLES)
def test_n_is_a_positive_whole_number(fitted, method, ids):
    for n in (0, -3):
        assert_refused(partial(getattr(fitted, method), ids, n), f"n must be at least 1, got {n}")
    for n in (2.5, 2.0, "3", None, True):
        message = f"n must be a whole number, got {n!r}"
        assert_refused(partial(getattr(fitted, method), ids, n), message, TypeError)
    assert len(getattr(fitted, method)(2 if method == "recommend" else ids, np.int64(1))) == 1


def test_unknown_metrics_items_and_candidates(fitted):
    message = "metric must be 'cosine' or 'dot', got 'l2'"
    assert_refused(partial(fitted.similar_items, 7, metric="l2"), message)
    assert_refused(partial(fitted.similar_users, 1, metric="l2"), message)
    assert_refused(partial(fitted.similar_items, [7, 99, "x"]), "items not known from fit: 99, 'x'; pass ids")
    assert_refused(partial(fitted.similar_users, "ann"), "users not known from fit: 'ann'; pass ids")
    assert_refused(
        partial(fitted.recommend, 1, candidates=[7, 99]), "candidates not known from fit: 99; pass ids"
    )
    many = partial(fitted.recommend, 1, candidates=list(range(100, 120)))
    assert_refused(many, "candidates not known from fit: 100, 101, 102, 103, 104, and others; pass ids")


@pytest.mark.parametrize(
    ("ids", "message", "error"),
    [
        (None, "items contains a missing id .* None in row 0", ValueError),
        ([7, nan], "items contains a missing id .* nan in row 1", ValueError),
        (pd.NaT, "items contains a missing id .* NaT in row 0", ValueError),
        ([7.0, inf], "items contains infinity", ValueError),
        ([1j], "Complex data not supported: items contains 1j", ValueError),
        ([[7, 8]], r"items: argument must be a string or a number as an id, got \[7, 8\]", TypeError),
        ({7: 8}, "items: argument must be a string or a number as an id, got {7: 8}", TypeError),
        (FRAME, "items: argument must be a string or a number as an id, got user item 0 1 7", TypeError),
        (X, r"items must be one id or a list of ids, got an array of shape \(3, 2\)", ValueError),
        (np.array(7), r"items must be one id or a list of ids, got an array of shape \(\)", ValueError),
        ([True, False], "items is a list of 2 booleans, .* a mask: pass the ids that it selects", ValueError),
        (np.array([True]), r"items is a list of 1 booleans, .* as in ids\[mask\]", ValueError),
        (pd.Series([True, False], dtype="boolean"), "items is a list of 2 booleans", ValueError),
        (pd.Series([True, False], dtype=object), "items is a list of 2 booleans", ValueError),
        (FRAME.item == 7, "items is a list of 3 booleans", ValueError),
    ],
)
def test_bad_lists_of_ids(fitted, ids, message, error):
    assert_refused(partial(fitted.similar_items, ids), message, error)
    if ids is not None:  # recommend: everybody, every item
        if np.ndim(ids) != 2:  # a table has candidates of each user
            candidates = partial(fitted.recommend, 1, candidates=ids)
            assert_refused(candidates, message.replace("items", "candidates"), error)
        assert_refused(partial(fitted.recommend, ids), message.replace("items", "users"), error)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("name", ["rank", "score", "neighbor"])
def test_columns_that_a_table_needs_itself(name, place):
    fitted = model().fit(RATINGS.rename(columns={RATINGS.columns[place]: name}))
    message = (
        rf"makes a table with columns of its own, .*, where a column '{name}' of X would stand twice: rename"
    )
    for method, ids in TABLES:
        assert_refused(partial(getattr(fitted, method), ids), f"{method} {message}")


@pytest.mark.parametrize("n_fields", [1, 3])
def test_tables_need_two_fields(n_fields):
    fitted = model().fit(RATINGS.assign(rating=[1, 2, 2]).iloc[:, :n_fields], y)
    for method, ids in TABLES:
        message = (
            f"{method} needs a model of two fields, users and items, but fit saw {n_fields}: use predict"
        )
        assert_refused(partial(getattr(fitted, method), ids), message)


@pytest.mark.parametrize(
    ("ids", "listed"),
    [
        ([1, 55, 56, 55], "55, 56; pass"),
        (list(range(2, 60)), "3, 4, 5, 6, 7, and others; pass"),
        (["1", "x", "x"], "'1', 'x'; pass"),
        (np.array(["1999-12-31"], dtype="M8[ns]"), r"Timestamp\('1999-12-31 00:00:00'\); pass"),
    ],
)
def test_unknown_ids_are_listed_where_they_are_an_error(ids, listed):
    fitted = model(handle_unknown="error").fit(RATINGS)
    message = rf"Ids of field 0 \('user'\) not known from fit: {listed} ids that fit has seen"
    assert_refused(partial(fitted.predict, pd.DataFrame({"user": ids, "item": 7})), message)
    assert_refused(partial(fitted.recommend, ids), message)


# ---------------------------------------------------------------------- interruption


class Interrupts:
    """Callback that raises in the first epoch."""

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("way", "error"),
    [
        ("callback", KeyboardInterrupt),
        ("solver", KeyboardInterrupt),
        ("solver", MemoryError),
        ("loss", ValueError),
    ],
)
def test_a_fit_that_is_cut_short_leaves_the_estimator_as_it_was(way, error, monkeypatch):
    def run_epoch(solver, epoch):
        if way == "solver":
            raise error
        return nan, None

    used = model().fit(RATINGS)
    if way != "callback":
        monkeypatch.setattr(sgd.SGD, "run_epoch", run_epoch)
    for estimator in (model(), used):
        if way == "callback":
            estimator.set_callbacks(Interrupts())
        before = dict(vars(estimator))
        with pytest.raises(error):
            estimator.fit(pd.DataFrame({"a": [1, 2], "b": [3, 4], "c": [5, 6]}), [1, 2])
        assert vars(estimator).keys() == before.keys()
        assert all(vars(estimator)[name] is value for name, value in before.items())
    assert used.feature_names_in_.tolist() == ["user", "item"]


# ---------------------------------------------------------------------- anything at all

DAYS = pd.to_datetime(["1677-09-22", "1970-01-01", "2020-02-29", "2020-03-01", "2024-01-01", "2261-12-31"])
TUPLES = [(), (1,), (1, 2), (2, 1), (2, 1, 0), (3,)]
# Six values of each kind of column; None where it is missing from the start.
KINDS = {
    **{
        kind: [np.iinfo(kind).min, 0, 1, 2, 3, np.iinfo(kind).max]
        for kind in ("int8", "int16", "int32", "int64")
    },
    **{
        kind: [np.iinfo(kind).max - 1, 0, 1, 2, 3, np.iinfo(kind).max]
        for kind in ("uint8", "uint32", "uint64")
    },
    **{kind: [-1.5, -0.0, 0.0, 0.1, 2049.0, 65504.0] for kind in ("float16", "float32", "float64")},
    "bool": [True, False, True, True, False, False],
    "str": ["", "a", "A", "nan", "3", "é\0"],
    "string": ["", "a", "A", "nan", "3", "é\0"],
    "Int64": [-(2**63), 0, 1, 2**53, 2**53 + 1, 2**63 - 1],
    "Float64": [-1.5, -0.0, 0.0, 0.1, 1e300, 5e-324],
    "boolean": [True, False, True, True, False, False],
    "category": ["b", "a", "A", "nan", "3", ""],
    "datetime64[s]": DAYS,
    "datetime64[ms]": DAYS,
    "datetime64[us]": DAYS,
    "datetime64[ns]": DAYS,
    "datetime64[ns, UTC]": DAYS.tz_localize("UTC"),
    "datetime64[us, Europe/Paris]": DAYS.tz_localize("UTC"),
    "timedelta64[s]": pd.to_timedelta([-1, 0, 1, 2, 3, 10**9], unit="s"),
    "period[D]": DAYS.to_period("D"),
    "interval[int64, right]": pd.interval_range(0, 6),
}
OBJECTS = {
    "numbers": [True, 1, 1.0, 2**70, np.float32(0.1), np.int8(-3)],
    "exact numbers": [decimal.Decimal("0.1"), fractions.Fraction(1, 3), 1, decimal.Decimal(1), 0.5, 2],
    "numbers and infinity": [1, 2, inf, "a", 0.5, -inf],
    "numbers and complex": [1, 2, 1j, "a", 0.5, np.complex64(1)],
    "text and numbers": ["1", 1, b"1", 1.0, "one", np.str_("1")],
    "tuples": TUPLES,
    "tuples and text": [(1,), "1", (1, 2), "a", 3, b"x"],
    "tuples of both": [(1,), ("1",), (1, 2), ("1", "2"), (3,), (4,)],
    "dates": [
        DAYS[1].date(),
        DAYS[2].to_pydatetime(),
        DAYS[2],
        DAYS[3],
        DAYS[4].to_datetime64(),
        datetime.time(1),
    ],
    "dates of both zones": [DAYS[1], DAYS[1].tz_localize("UTC"), DAYS[2], 3, "2020", DAYS[3]],
    "unhashable": ["a", [1], {}, {1}, np.ones(2), ("a", [])],
    "sets": [frozenset(), frozenset({1}), frozenset({2}), frozenset({1, 2}), frozenset({3}), "a"],
    "things": [int, object(), len, ..., NotImplemented, "a"],
}
RATINGS_OF_ANY_KIND = {
    "stars": [1, 2, 3, 4, 5, 5],
    "one value": [3.5] * 6,
    "tiny": [1e-300, 2e-300, 5e-324, 0.0, -0.0, 1e-310],
    "huge": [1e99, -1e99, 1.0, 0.0, 1e100, -1e100],
    "too large": [1e101, -1e308, 1.0, 2.0, 10**400, 3.0],
    "not finite": [1.0, nan, inf, None, 2.0, 3.0],
    "bool": np.array([True, False, True, True, False, False]),
    "text of numbers": ["1", "2.5", "1e1", "3", "4", "-1"],
    "text": ["good", "bad", "1", "2", "", "nan"],
    "decimals": [decimal.Decimal("0.1"), fractions.Fraction(1, 3), 1, 2**70, np.float32(0.5), True],
    "complex": [1j, 1, 2, 3, 4, 5],
    "dates": DAYS,
    "lists": [[1], [2, 3], 1, 2, 3, ()],
    "Int64": pd.array([1, None, 2, 3, 4, 5], dtype="Int64"),
}


def column_of(kind, places, missing):
    """Values of a kind at some places, without those at the missing ones."""
    if kind in OBJECTS:
        values = pd.Series([OBJECTS[kind][place] for place in places], dtype=object)
    else:
        values = pd.Series(KINDS[kind]).astype(kind)[places].reset_index(drop=True)
    return values.mask(missing) if missing.any() else values


@st.composite
def tables(draw):
    """Id columns and ratings, as frame, array or list, in one argument or two."""
    n_rows = draw(st.integers(1, 8))
    row = st.lists(st.integers(0, 5), min_size=n_rows, max_size=n_rows)
    columns = []
    for kind in draw(st.lists(st.sampled_from([*KINDS, *OBJECTS]), min_size=1, max_size=4)):
        missing = np.zeros(n_rows, dtype=bool)
        missing[: draw(st.sampled_from([0] * 9 + [1]))] = True
        columns.append(column_of(kind, draw(row), missing))
    frame = pd.concat(columns, axis=1, keys=[f"field {field}" for field in range(len(columns))])
    kind = draw(st.sampled_from(["stars", "stars", *RATINGS_OF_ANY_KIND]))
    ratings = pd.Series(RATINGS_OF_ANY_KIND[kind])[draw(row)].reset_index(drop=True)
    if kind == "decimals" or draw(st.booleans()):
        ratings = ratings.tolist()
    table = {"frame": lambda: frame, "array": frame.to_numpy, "list": frame.to_numpy().tolist}
    return table[draw(st.sampled_from(["frame", "frame", *table]))](), ratings


@given(tables())
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
def test_any_table_fits_or_is_refused_with_an_error_of_ours(table):
    X, y = table
    estimator = model(max_iter=1, handle_unknown="error")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = estimator.fit(X, y)
    except (ValueError, TypeError) as error:
        assert is_ours(error), traceback.format_exc()
        assert is_one_sentence(str(error)), str(error)
        assert vars(estimator).keys() == vars(model()).keys()
        return
    predictions = fitted.predict(X)  # every id is known
    assert predictions.shape == (len(X),)
    assert np.isfinite(predictions).all()
    if fitted.n_features_in_ == 2:
        recommended = fitted.recommend(n=1, exclude_seen=False)
        assert len(recommended) == len(fitted.user_ids_)
        if isinstance(X, pd.DataFrame):
            assert recommended.dtypes[:2].tolist() == X.dtypes.tolist()
