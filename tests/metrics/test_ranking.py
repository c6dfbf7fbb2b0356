"""The six ranking metrics: by hand, against trec_eval and scikit-learn, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from sklearn_mf import metrics
from tests.metrics.reference import NAMES, random_case, trec_eval

RELEVANT = [["ann", "up"], ["ann", "heat"], ["ann", "jaws"], ["bob", "heat"], ["cat", "up"]]
RECOMMENDED = [
    *(["ann", item] for item in ("alien", "up", "jaws", "big")),
    *(["bob", item] for item in ("heat", "up")),
    *(["dan", item] for item in ("up", "heat")),
]
PAIR = ["user", "item"]


def metric(name):
    return getattr(metrics, f"{name}_at_k")


@pytest.mark.parametrize(
    ("name", "k", "ann", "bob"),
    [
        ("precision", 3, 2 / 3, 1 / 3),
        ("precision", 10, 2 / 10, 1 / 10),
        ("recall", 3, 2 / 3, 1),
        ("recall", 2, 1 / 3, 1),
        ("hit_rate", 3, 1, 1),
        ("hit_rate", 1, 0, 1),
        ("reciprocal_rank", 3, 1 / 2, 1),
        ("reciprocal_rank", 1, 0, 1),
        ("average_precision", 3, (1 / 2 + 2 / 3) / 3, 1),
        ("average_precision", 2, (1 / 2) / 2, 1),
        ("ndcg", 3, (1 / np.log2(3) + 1 / 2) / (1 + 1 / np.log2(3) + 1 / 2), 1),
        ("ndcg", 2, (1 / np.log2(3)) / (1 + 1 / np.log2(3)), 1),
    ],
)
def test_by_hand(name, k, ann, bob):
    values = metric(name)(RELEVANT, RECOMMENDED, k, per_user=True)
    assert values.index.tolist() == ["ann", "bob", "cat"]  # dan has nothing relevant
    np.testing.assert_allclose(values, [ann, bob, 0], rtol=1e-15)
    mean = metric(name)(RELEVANT, RECOMMENDED, k)
    assert isinstance(mean, float)
    assert mean == pytest.approx((ann + bob) / 3, rel=1e-15)


def test_gains_count_in_ndcg_alone():
    graded = [["ann", "up", 3.0], ["ann", "heat", 1.0], ["ann", "jaws", 2.0]]
    best = 3 + 2 / np.log2(3) + 1 / 2
    expected = (3 / np.log2(3) + 2 / 2) / best
    assert metrics.ndcg_at_k(graded, RECOMMENDED, k=3) == pytest.approx(expected, rel=1e-15)
    binary = [row[:2] for row in graded]
    for name in set(NAMES) - {"ndcg"}:
        assert metric(name)([[*row, -1] for row in binary], RECOMMENDED) == metric(name)(binary, RECOMMENDED)


def test_equals_trec_eval():
    n_positive = dict.fromkeys(NAMES, 0)
    for seed in range(40):
        relevant, recommended, k = random_case(seed)
        expected = trec_eval(relevant, recommended, k)
        for name in NAMES:
            values = metric(name)(relevant, recommended, k, per_user=True)
            assert values.index.tolist() == expected.index.tolist()
            np.testing.assert_allclose(values, expected[name], rtol=0, atol=1e-12)
            n_positive[name] += np.count_nonzero(values)
    assert min(n_positive.values()) > 40


def test_ndcg_equals_that_of_scikit_learn_for_whole_rankings():
    rng = np.random.default_rng(0)
    for k in range(1, 13):
        gains = rng.integers(0, 4, (7, 12))
        gains[:, 0] = 1
        scores = rng.permuted(np.tile(np.arange(12.0), (7, 1)), axis=1)
        users, items = np.nonzero(gains)
        recommended = np.column_stack([np.repeat(np.arange(7), 12), np.argsort(-scores, axis=1).ravel()])
        value = metrics.ndcg_at_k(np.column_stack([users, items, gains[users, items]]), recommended, k)
        assert value == pytest.approx(ndcg_score(gains, scores, k=k, ignore_ties=True), abs=1e-12)


def pairs(least):
    cell = st.tuples(st.integers(0, 5), st.integers(0, 9))
    return st.lists(cell, min_size=least, max_size=30, unique=True).map(
        lambda cells: pd.DataFrame(cells, columns=PAIR, dtype=int)
    )


@settings(deadline=None, max_examples=25)
@given(relevant=pairs(1), recommended=pairs(0), k=st.integers(1, 12), data=st.data())
def test_properties(relevant, recommended, k, data):
    rows = data.draw(st.permutations(range(len(relevant))))
    names = dict(enumerate(data.draw(st.permutations(range(6)))))
    for name in NAMES:
        values = metric(name)(relevant, recommended, k, per_user=True)
        assert ((values >= 0) & (values <= 1 + 1e-12)).all()
        assert values.index.tolist() == sorted(set(relevant["user"]))
        shuffled = metric(name)(relevant.iloc[rows], recommended, k, per_user=True)
        pd.testing.assert_series_equal(shuffled, values)
        renamed = [table.assign(user=table["user"].map(names)) for table in (relevant, recommended)]
        assert metric(name)(*renamed, k) == pytest.approx(values.mean(), abs=1e-12)
        if name not in ("precision", "average_precision", "ndcg"):
            assert (metric(name)(relevant, recommended, k + 1, per_user=True) >= values).all()


@settings(deadline=None, max_examples=25)
@given(relevant=pairs(1), others=pairs(0), k=st.integers(1, 12))
def test_all_relevant_items_first_is_perfect(relevant, others, k):
    best = pd.concat([relevant, others]).drop_duplicates()
    n_relevant = relevant["user"].value_counts().sort_index()
    for name in NAMES:
        perfect = {
            "precision": np.minimum(n_relevant, k) / k,
            "recall": np.minimum(n_relevant, k) / n_relevant,
        }.get(name, np.ones(len(n_relevant)))
        np.testing.assert_allclose(metric(name)(relevant, best, k, per_user=True), perfect, rtol=1e-15)


def test_rank_column_decides_the_order_else_that_of_the_rows():
    table = pd.DataFrame(RECOMMENDED, columns=["who", "what"])
    expected = metrics.ndcg_at_k(RELEVANT, RECOMMENDED, per_user=True)
    ranked = table.assign(rank=table.groupby("who").cumcount() * 3 + 1, score=0.0)
    for form in (table, table.to_numpy(), ranked, ranked.iloc[::-1], ranked.sample(frac=1, random_state=0)):
        pd.testing.assert_series_equal(metrics.ndcg_at_k(RELEVANT, form, per_user=True), expected)
    assert not metrics.ndcg_at_k(RELEVANT, table.iloc[::-1], per_user=True).equals(expected)


def test_polars_frames():
    polars = pytest.importorskip("polars")
    frames = [polars.DataFrame(table, schema=PAIR, orient="row") for table in (RELEVANT, RECOMMENDED)]
    assert metrics.recall_at_k(*frames) == metrics.recall_at_k(RELEVANT, RECOMMENDED)


@pytest.mark.parametrize(
    "dtype", ["int64", "Int64", "float64", "category", "datetime64[ns]", "str", "object"]
)
def test_users_keep_their_name_and_type(dtype):
    users = pd.Series([3, 1, 2])
    users = users.astype(str).astype(dtype) if dtype in ("category", "str", "object") else users.astype(dtype)
    relevant = pd.DataFrame({"who": users, "what": 7})
    values = metrics.hit_rate_at_k(relevant, relevant.iloc[[1]], per_user=True)
    assert values.index.dtype == users.dtype
    assert values.index.name == "who" and values.name == "hit_rate"
    assert values.tolist() == [1, 0, 0]
    assert values.index[0] == users[1]


def test_ids_that_python_calls_equal_are_equal():
    relevant = [[1, 7], [2, 8]]
    for other in (np.array([[1.0, 7.0]]), [[True, 7]], pd.DataFrame([[1, 7]], dtype=object)):
        assert metrics.hit_rate_at_k(relevant, other) == 0.5
    large = 2**53
    assert metrics.hit_rate_at_k([[1, large + 1]], [[1.0, large]]) == 0


@pytest.mark.parametrize("name", NAMES)
def test_nothing_recommended_is_0_not_an_error(name):
    nothing = pd.DataFrame({"user": [], "item": [], "rank": [], "score": []})
    assert metric(name)(RELEVANT, nothing) == 0
    assert metric(name)(RELEVANT, np.empty((0, 2))) == 0
    assert metric(name)(RELEVANT, [["nobody", "up"]]) == 0


@pytest.mark.parametrize(
    ("relevant", "recommended", "k", "message"),
    [
        (np.empty((0, 2)), RECOMMENDED, 10, "relevant has no rows"),
        ([], RECOMMENDED, 10, r"relevant must be a table of users and items, and perhaps one .*\(0,\)"),
        ([["ann"]], RECOMMENDED, 10, r"relevant must be a table .* got shape \(1, 1\)"),
        ([[1, 2, 3, 4]], RECOMMENDED, 10, "relevant must be a table"),
        (7, RECOMMENDED, 10, "relevant must be a table .* got 7"),
        (RELEVANT, [["ann", "up", 1]], 10, r"recommended must be a table of users and items, .* \(1, 3\)"),
        ([*RELEVANT, RELEVANT[0]], RECOMMENDED, 10, "relevant has user 'ann' with item 'up' more .* row 5"),
        (RELEVANT, [*RECOMMENDED, ["dan", "up"]], 1, "recommended has user 'dan' with item 'up' more"),
        ([["ann", None]], RECOMMENDED, 10, "Item column of relevant contains a missing id"),
        (RELEVANT, [[np.nan, "up"]], 10, "User column of recommended contains a missing id"),
        ([[1, "up"]], [["1", "up"]], 10, "Users .* come in two types, 1 and '1', and none"),
        ([["1", 7.0]], [["1", "7"]], 10, "Items .* come in two types, 7.* and '7', and none"),
        ([["ann", pd.Timestamp(0)]], [["ann", 0]], 10, "Items .* come in two types"),
        (RELEVANT, RECOMMENDED, 0, "'k' parameter of .* must be an int in the range"),
        (RELEVANT, RECOMMENDED, 2.5, "'k' parameter of .* must be an int"),
    ],
)
def test_errors(relevant, recommended, k, message):
    for name in NAMES:
        with pytest.raises(ValueError, match=message):
            metric(name)(relevant, recommended, k)


def test_ids_of_two_types_are_fine_where_some_are_in_common():
    assert metrics.hit_rate_at_k([["ann", 7], ["bob", "7"]], [["ann", 7], ["bob", 7]]) == 0.5
    assert metrics.hit_rate_at_k([["ann", 8], ["bob", "9"]], [["ann", 7], ["bob", 7]]) == 0


@pytest.mark.parametrize(
    ("gain", "message"),
    [
        (0, r"Gains must be above 0, got 0 in row 1 of relevant"),
        (-2.5, r"Gains must be above 0, got -2.5 in row 1"),
        (np.nan, "gain contains NaN"),
        (np.inf, "gain contains infinity"),
    ],
)
def test_gains_that_make_no_sense(gain, message):
    with pytest.raises(ValueError, match=message):
        metrics.ndcg_at_k(pd.DataFrame({"user": 1, "item": [7, 8], "gain": [1, gain]}), [[1, 7]])


def test_ranks_that_make_no_sense():
    with pytest.raises(ValueError, match="rank contains NaN"):
        metrics.ndcg_at_k([[1, 7]], pd.DataFrame({"user": [1], "item": [7], "rank": [np.nan]}))
