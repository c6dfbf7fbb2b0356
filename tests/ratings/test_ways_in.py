"""The same ratings by every way in: the same model, bit for bit, and ids in the type they were given."""

import pickle
import warnings
from collections import deque

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from sklearn_mf import MFRecommender
from sklearn_mf.ratings._columns import read_id_list
from tests.conftest import QUICK

N_USERS, N_ITEMS = 6, 5
# Every user and item is rated, one rating is 0, no cell repeats, rows are in no order.
CELLS = np.random.default_rng(0).permutation(
    [(user, item) for user in range(N_USERS) for item in range(N_ITEMS) if (user + 2 * item) % 3]
)
STARS = np.random.default_rng(1).integers(0, 6, len(CELLS)).astype(float)
STARS[3] = 0.0


def model():
    """A model that is quick to fit: most tests are of what it is given."""
    return MFRecommender(3, **QUICK)


def solver(**parameters):
    """A model of the solvers of the defaults, or of a penalty."""
    return MFRecommender(**{"embedding_dim": 3, "max_iter": 2, "random_state": 0, **parameters})


@pytest.fixture(scope="module")
def reference():
    return model().fit(CELLS, STARS)


def assert_same(one, other):
    """Two models of the same bits, whatever their ids."""
    assert [len(ids) for ids in one.categories_] == [len(ids) for ids in other.categories_]
    for name in ("embeddings_", "biases_"):
        for left, right in zip(getattr(one, name), getattr(other, name), strict=True):
            np.testing.assert_array_equal(left, right)
    for name in (
        "intercept_",
        "scale_",
        "average_embeddings_",
        "average_biases_",
        "target_range_",
        "loss_curve_",
    ):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


# ---------------------------------------------------------------------- frames

DAYS = pd.date_range("2020-01-01", periods=6)
# Six ids of each kind, in sorted order.
IDS = {
    **{
        kind: pd.Series([1, 2, 5, 7, 8, 100], dtype=kind)
        for kind in ("int8", "int32", "int64", "uint64", "Int64")
    },
    **{
        kind: pd.Series([-1.5, 0, 0.1, 1, 2, 9], dtype=kind)
        for kind in ("float16", "float32", "float64", "Float64")
    },
    **{
        kind: pd.Series(["", "A", "a", "aa", "b", "é"], dtype=kind)
        for kind in ("str", "object", "string", "category")
    },
    "mixed": pd.Series([1, 2.5, 10, "1", "10", "2"], dtype=object),
    "tuples": pd.Series([(), (1, 2), (1, 3), (2,), (2, 1), (3,)], dtype=object),
    "bytes": pd.Series([b"", b"a", b"b", b"c", b"d", b"e"], dtype=object),
    "dates": pd.Series(DAYS.date, dtype=object),
    "ordered": pd.Series(pd.Categorical(list("abcdef"), categories=list("fedcbaz"), ordered=True)),
    **{unit: pd.Series(DAYS.as_unit(unit)) for unit in ("s", "ms", "us", "ns")},
    "time zone": pd.Series(DAYS.tz_localize("Europe/Paris")),
    "timedelta": pd.Series(DAYS - DAYS[0]),
    "period": pd.Series(DAYS.to_period("D")),
}


def frame_of(users, items):
    columns = [ids[codes].reset_index(drop=True) for ids, codes in zip((users, items), CELLS.T, strict=True)]
    return pd.concat(columns, axis=1, keys=["who", "what"])


@pytest.mark.parametrize("kind", IDS)
def test_frames_of_every_type(reference, kind):
    ids = IDS[kind]
    frame = frame_of(ids, ids[:N_ITEMS])
    before = frame.copy()
    for fitted in (model().fit(frame, STARS), model().fit(frame.assign(stars=STARS))):
        assert_same(fitted, reference)
        assert fitted.user_ids_.tolist() == ids.to_numpy(fitted.user_ids_.dtype).tolist()
        np.testing.assert_array_equal(fitted.predict(frame), reference.predict(CELLS))
        tables = (
            fitted.recommend(n=2),
            fitted.similar_items(ids[:N_ITEMS], n=2),
            fitted.similar_users(ids[:2], n=2),
        )
        assert tables[0].dtypes[["who", "what"]].equals(frame.dtypes)
        assert tables[1].dtypes[["what", "neighbor"]].tolist() == [ids.dtype] * 2
        assert tables[2].dtypes[["who", "neighbor"]].tolist() == [ids.dtype] * 2
        expected = reference.recommend(n=2)
        assert tables[0].who.tolist() == ids[expected.user].tolist()
        assert tables[0].what.tolist() == ids[expected.item].tolist()
        assert fitted.recommend(ids[1], n=1).who.tolist() == [ids[1]]
    pd.testing.assert_frame_equal(frame, before)


def test_index_and_names_of_a_frame_do_not_matter(reference):
    frame = pd.DataFrame(CELLS, index=np.zeros(len(CELLS)), columns=["x", "y"])
    assert_same(model().fit(frame, pd.Series(STARS, index=range(9, 9 + len(STARS)))), reference)
    numbered = model().fit(pd.DataFrame(CELLS, columns=[7, 8]), STARS)
    assert_same(numbered, reference)
    assert numbered.recommend(n=1).columns.tolist() == ["user", "item", "rank", "score"]


def test_unused_categories_are_not_ids(reference):
    users = pd.Series(pd.Categorical(range(N_USERS), categories=[9, *range(N_USERS), -1]))
    fitted = model().fit(frame_of(users, pd.Series(range(N_ITEMS))), STARS)
    assert_same(fitted, reference)
    assert fitted.user_ids_.tolist() == list(range(N_USERS))
    assert fitted.recommend(n=1).who.cat.categories.tolist() == [9, *range(N_USERS), -1]


def test_ids_that_python_calls_equal_are_one_user(reference):
    spelled = pd.DataFrame({"user": CELLS[:, 0], "item": CELLS[:, 1]}, dtype=object)
    spelled.loc[::2, "user"] = spelled.user[::2].astype(float)
    spelled.loc[spelled.user == 1, "user"] = True
    fitted = model().fit(spelled, STARS)
    assert_same(fitted, reference)
    asked = pd.DataFrame(CELLS.astype(float), columns=["user", "item"])
    np.testing.assert_array_equal(fitted.predict(asked), reference.predict(CELLS))


# ---------------------------------------------------------------------- arrays and lists


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        *[("int8", "i"), ("uint32", "u"), ("float32", "f"), ("float16", "f"), ("object", "i")],
        *[("U3", "O"), ("S3", "O"), ("T", "O"), ("M8[D]", "M"), ("m8[s]", "m")],
    ],
)
def test_arrays_of_every_type(reference, dtype, kind):
    dtype = np.dtypes.StringDType() if dtype == "T" else dtype
    table = CELLS.astype("S3").astype(dtype) if dtype == "S3" else CELLS.astype(dtype)
    before = table.copy()
    fitted = model().fit(table, STARS)
    assert_same(fitted, reference)
    assert fitted.user_ids_.dtype.kind == kind
    np.testing.assert_array_equal(fitted.predict(table), reference.predict(CELLS))
    assert (
        fitted.recommend(list(fitted.user_ids_[:1]), n=1).user.tolist()
        == pd.Series(fitted.user_ids_[:1]).tolist()
    )
    np.testing.assert_array_equal(table, before)


@pytest.mark.parametrize("row", [list, tuple])
def test_lists_of_text_and_numbers_keep_the_numbers(reference, row):
    rows = [row([f"u{user}", item]) for user, item in CELLS.tolist()]
    fitted = model().fit(rows, STARS.tolist())
    assert_same(fitted, reference)
    assert fitted.item_ids_.tolist() == list(range(N_ITEMS))
    assert fitted.item_ids_.dtype == np.int64
    assert fitted.recommend("u0", n=1).item.dtype == np.int64
    np.testing.assert_array_equal(fitted.predict(rows), reference.predict(CELLS))
    rated = [row([*ids, stars]) for ids, stars in zip(rows, STARS.tolist(), strict=True)]
    assert_same(model().fit(rated), reference)
    np.testing.assert_allclose(fitted.score(rated), reference.score(CELLS, STARS))


@pytest.mark.parametrize("dtype", [float, int, object])
def test_three_columns_of_an_array(reference, dtype):
    table = np.column_stack([CELLS, STARS]).astype(dtype)
    fitted = model().fit(table)
    assert_same(fitted, reference)
    assert fitted.n_features_in_ == 2
    assert_same(model().fit(table.tolist()), reference)


def test_ratings_of_any_type_of_number(reference):
    for ratings in (STARS.astype(int), STARS.tolist(), pd.Series(STARS, dtype="Int64"), STARS.astype(object)):
        assert_same(model().fit(CELLS, ratings), reference)


def test_tuples_are_ids_inside_rows_and_lists_of_ids():
    rows = [((1, 2), "a"), ((1, 3), "b"), ((1, 2), "b")]
    fitted = model().fit(rows, [1, 2, 3])
    assert fitted.user_ids_.tolist() == [(1, 2), (1, 3)]
    assert fitted.recommend((1, 3), n=1).user.tolist() == [(1, 3)]
    assert fitted.recommend([(1, 3), (1, 2)], n=1, exclude_seen=False).user.tolist() == [(1, 3), (1, 2)]


# ---------------------------------------------------------------------- polars


def test_polars_frames(reference):
    pl = pytest.importorskip("polars")
    columns = {
        "int": pl.Series(CELLS[:, 0], dtype=pl.Int32),
        "text": pl.Series([f"u{user}" for user in CELLS[:, 0]]),
        "category": pl.Series([f"u{user}" for user in CELLS[:, 0]], dtype=pl.Categorical),
        "enum": pl.Series(
            [f"u{user}" for user in CELLS[:, 0]], dtype=pl.Enum([f"u{user}" for user in range(9)])
        ),
        "date": pl.Series([DAYS[user].date() for user in CELLS[:, 0]]),
    }
    for users in columns.values():
        frame = pl.DataFrame({"who": users, "what": CELLS[:, 1]})
        rated = frame.with_columns(stars=STARS)
        for fitted in (model().fit(frame, rated["stars"]), model().fit(rated)):
            assert_same(fitted, reference)
            assert fitted.feature_names_in_.tolist() == ["who", "what"]
            np.testing.assert_array_equal(fitted.predict(frame), reference.predict(CELLS))
            np.testing.assert_allclose(fitted.score(rated), reference.score(CELLS, STARS))
    assert len(fitted.recommend(frame["who"].head(2), n=1)) == 2


# ---------------------------------------------------------------------- lists of ids to recommend for


@pytest.mark.parametrize(
    "container",
    [list, np.array, pd.Series, pd.Index, pd.Categorical, lambda ids: pd.Series(ids).unique()],
    ids=["list", "array", "Series", "Index", "Categorical", "unique"],
)
def test_containers_of_ids(container):
    fitted = model().fit([[f"u{user}", item] for user, item in CELLS.tolist()], STARS)
    expected = pd.concat([fitted.recommend(user, n=2) for user in ("u3", "u0")], ignore_index=True)
    pd.testing.assert_frame_equal(fitted.recommend(container(["u3", "u0"]), n=2), expected)


SEVERAL = {
    "range": range(2, 4),
    "set": {2, 3},
    "frozenset": frozenset([2, 3]),
    "keys": {2: "a", 3: "b"}.keys(),
    "values": {"a": 2, "b": 3}.values(),
    "generator": lambda: (number for number in (2, 3)),
    "map": lambda: map(int, "23"),
    "deque": deque([2, 3]),
}


@pytest.mark.parametrize("ids", SEVERAL.values(), ids=SEVERAL)
def test_what_holds_several_ids(ids, reference):
    read = read_id_list(ids() if callable(ids) else ids, "users")
    assert sorted(read.tolist()) == [2, 3]


def test_a_tuple_is_one_id(reference):
    with pytest.warns(
        UserWarning, match=r"Every id of 'user' is unknown, the first is \(2, 3\) while fit saw 0"
    ):
        assert reference.recommend((2, 3), n=1).user.tolist() == [(2, 3)]


def test_a_mask_is_refused_unless_ids_are_booleans():
    assert read_id_list([True, False], "users", np.array([False, True])).tolist() == [True, False]
    assert read_id_list(np.True_, "users").tolist() == [True]
    assert read_id_list([True, 2], "users").tolist() == [True, 2]
    fitted = model().fit(pd.DataFrame({"user": CELLS[:, 0] < 3, "item": CELLS[:, 1]}), STARS)
    assert fitted.recommend([True, False], n=1, exclude_seen=False).user.tolist() == [True, False]
    with pytest.raises(ValueError, match="candidates is a list of 5 booleans"):
        fitted.recommend(True, candidates=fitted.item_ids_ > 2)


def test_ids_of_another_type_warn(reference):
    message = "Every id of 'item' is unknown, the first is '1' while fit saw 0"
    rated = [["u", "1", 5.0]]
    for call in (lambda: reference.recommend(ratings=rated), lambda: reference.fold_in(rated)):
        with pytest.warns(UserWarning, match=message) as caught:
            call()
        assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="Every id of 'user' is unknown, the first is '1' while fit saw 0"):
        reference.recommend(["1", "2"], n=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reference.recommend([99, 1], n=2)


# ---------------------------------------------------------------------- sparse

FORMATS = ["coo", "csr", "csc", "lil", "dok"]


def sparse(format, kind=sp.coo_array, cells=CELLS, stars=STARS, shape=(N_USERS, N_ITEMS)):
    return kind((stars, tuple(cells.T)), shape=shape).asformat(format)


@pytest.mark.parametrize("kind", [sp.coo_array, sp.coo_matrix])
@pytest.mark.parametrize("format", FORMATS)
def test_sparse_matrices(reference, format, kind):
    positive = STARS + 1  # two formats drop zeros when they are made
    A = sparse(format, kind, stars=positive)
    before = pickle.dumps(A)
    fitted = model().fit(A)
    assert_same(fitted, model().fit(CELLS, positive))
    assert pickle.dumps(A) == before
    assert fitted.user_ids_.tolist() == list(range(N_USERS))
    np.testing.assert_array_equal(fitted.recommend(n=2), model().fit(CELLS, positive).recommend(n=2))
    assert not hasattr(fitted, "feature_names_in_")


@pytest.mark.parametrize("format", FORMATS)
def test_stored_zeros_are_ratings(reference, format):
    A = sparse(format)
    if format in ("lil", "dok"):
        user, item = CELLS[3]
        assert STARS[3] == 0
        A = sparse(format, stars=np.where(STARS == 0, 1.0, STARS))
        for user, item in CELLS[STARS == 0]:
            store_zero(A, int(user), int(item))
    assert A.nnz == len(STARS)
    assert (A.toarray()[tuple(CELLS[STARS == 0].T)] == 0).all()
    assert_same(model().fit(A), reference)


def store_zero(A, user, item):
    """Zero in a stored cell; setting an item would drop it."""
    if A.format == "dok":
        A._dict[user, item] = 0.0
    else:
        A.data[user][A.rows[user].index(item)] = 0.0


def test_repeated_cells_are_summed_on_a_copy(reference):
    halves = np.concatenate([STARS / 2, STARS / 2])
    A = sparse("coo", cells=np.concatenate([CELLS, CELLS]), stars=halves)
    before = pickle.dumps(A)
    assert_same(model().fit(A), reference)
    assert pickle.dumps(A) == before
    csr = sp.csr_array(([2.0, 3.0, 1.0], [0, 0, 1], [0, 2, 3]), shape=(2, 2))
    assert not csr.has_canonical_format
    before = pickle.dumps(csr)
    assert_same(model().fit(csr), model().fit([[0, 0], [1, 1]], [5, 1]))
    assert pickle.dumps(csr) == before


@pytest.mark.parametrize("dtype", ["float32", "int8", "bool", "uint16"])
def test_sparse_of_other_numbers(dtype):
    stars = STARS.astype(dtype)
    assert_same(model().fit(sparse("csr", stars=stars)), model().fit(CELLS, stars))


def test_sparse_tensor(reference):
    tf = pytest.importorskip("tensorflow")
    for dtype in (tf.float64, tf.float32, tf.int32):
        fitted = model().fit(tf.SparseTensor(CELLS, tf.constant(STARS, dtype), (N_USERS, N_ITEMS)))
        assert_same(fitted, reference)
    assert fitted.user_ids_.tolist() == list(range(N_USERS))
    assert_same(model().fit(tf.constant(CELLS), tf.constant(STARS)), reference)


@pytest.mark.parametrize("fit_bias", [True, False])
def test_empty_rows_and_columns_are_the_average(fit_bias):
    A = sparse("csr", cells=CELLS + np.array([1, 2]), shape=(N_USERS + 3, N_ITEMS + 4))
    fitted = solver(fit_bias=fit_bias, max_iter=30).fit(A)
    assert fitted.user_embeddings_.shape == (A.shape[0], 3)
    assert fitted.item_embeddings_.shape == (A.shape[1], 3)
    assert fitted.user_ids_.tolist() == list(range(A.shape[0]))
    for field, empty in ((0, [0, N_USERS + 1, N_USERS + 2]), (1, [0, 1, N_ITEMS + 2, N_ITEMS + 3])):
        average = fitted.average_embeddings_[field].astype(np.float32)
        np.testing.assert_array_equal(fitted.embeddings_[field][empty], [average] * len(empty))
        bias = np.float32(fitted.average_biases_[field])
        np.testing.assert_array_equal(fitted.biases_[field][empty], bias)
        weights = np.bincount(CELLS[:, field] + 1 + field, minlength=A.shape[field])
        np.testing.assert_allclose(average, weights @ fitted.embeddings_[field] / len(CELLS), atol=1e-6)
    np.testing.assert_allclose(fitted.predict([[0, 3], [99, 3], [1, 3]])[:2].std(), 0, atol=1e-6)
    assert len(fitted.recommend(0, n=99)) == A.shape[1]
    # The rated ids are as if the empty ones were not there.
    full = solver(fit_bias=fit_bias, max_iter=30).fit(A[1 : N_USERS + 1, 2 : N_ITEMS + 2])
    assert fitted.intercept_ == full.intercept_


# ---------------------------------------------------------------------- weights, repetition, order


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame])
def test_rows_of_weight_zero_are_dropped(reference, container):
    table = container(np.concatenate([CELLS, [[99, 0], [0, 77], [1, 1]]]).astype(np.int64))
    ratings, weights = np.append(STARS, [1e9, -1e9, 50]), np.append(np.ones(len(STARS)), [0, 0, 0])
    fitted = model().fit(table, ratings, sample_weight=weights)
    assert_same(fitted, reference)
    assert 99 not in fitted.user_ids_
    assert 77 not in fitted.item_ids_
    assert fitted.recommend(1, n=99).item.tolist() == reference.recommend(1, n=99).item.tolist()


PARAMETERS = [
    {},
    {"penalty": "l1", "max_iter": 8},
    {"penalty": "elasticnet", "fit_bias": False, "max_iter": 8},
    {"early_stopping": True, "validation_fraction": 0.3},
    {"batch_size": 4},
]


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_whole_number_weights_equal_repetition_in_any_order(parameters, seed):
    rng = np.random.default_rng(seed)
    cells, stars = (
        np.concatenate([CELLS, CELLS[:5]]),
        np.append(STARS, rng.normal(3, 1, 5)),
    )  # some rated twice
    weights = rng.integers(1, 5, len(cells))
    weighted = solver(**parameters).fit(cells, stars, sample_weight=weights)
    order = rng.permutation(weights.sum())
    repeated = np.repeat(cells, weights, axis=0)[order], np.repeat(stars, weights)[order]
    assert_same(solver(**parameters).fit(*repeated), weighted)


@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_the_order_of_rows_does_not_matter(n_fields):
    rng = np.random.default_rng(n_fields)
    table, ratings = rng.integers(0, 4, (40, n_fields)), rng.normal(size=40)
    order = rng.permutation(40)
    for weights in (np.ones(40), rng.uniform(0.1, 3, 40)):
        fitted = solver().fit(table, ratings, weights)
        assert_same(solver().fit(table[order], ratings[order], weights[order]), fitted)


def test_one_weight_for_all_is_no_weight(reference):
    assert_same(model().fit(CELLS, STARS, sample_weight=1), reference)
    twice = model().fit(CELLS, STARS, sample_weight=2.0)
    np.testing.assert_allclose(twice.predict(CELLS), reference.predict(CELLS), rtol=1e-6)


# ---------------------------------------------------------------------- the smallest data

SMALLEST = {
    "constant ratings": (CELLS, np.full(len(CELLS), 3.5)),
    "constant ratings of zero": (CELLS, np.zeros(len(CELLS))),
    "one user": (CELLS[CELLS[:, 0] == 0], STARS[CELLS[:, 0] == 0]),
    "one item": (CELLS[CELLS[:, 1] == 0], STARS[CELLS[:, 1] == 0]),
    "one row": (CELLS[:1], [4.0]),
    "one row of zero": (CELLS[:1], [0.0]),
    "one cell twice": (CELLS[[0, 0]], [1.0, 4.0]),
    "two rows": (CELLS[:2], [1.0, 4.0]),
    "users with a single rating": (np.column_stack([range(9), [0, 1, 2] * 3]), np.arange(9.0)),
    "users and items with a single rating": (np.column_stack([range(9), range(9)]), np.arange(9.0)),
    "one field": (CELLS[:, :1], STARS),
    "one field, one id": (np.zeros((5, 1)), np.arange(5.0)),
}


@pytest.mark.filterwarnings("ignore:All .* ratings are")
@pytest.mark.parametrize("parameters", [{}, {"penalty": "l1"}, {"fit_bias": False, "penalty": None}], ids=str)
@pytest.mark.parametrize("data", SMALLEST.values(), ids=SMALLEST.keys())
def test_the_smallest_data_fit(data, parameters):
    table, ratings = data
    fitted = solver(clip=False, max_iter=20, **parameters).fit(table, ratings)
    predictions = fitted.predict(np.concatenate([table, table + 1000])[: len(table) + 1])
    assert np.isfinite(predictions).all()
    assert np.isfinite(fitted.loss_curve_).all()
    if np.ptp(ratings) == 0 and fitted.fit_bias:
        np.testing.assert_allclose(predictions, ratings[0], atol=0.01)
    if fitted.n_features_in_ == 2:
        assert np.isfinite(fitted.recommend(n=3, exclude_seen=False).score).all()
        assert np.isfinite(fitted.similar_items(fitted.item_ids_).score).all()
