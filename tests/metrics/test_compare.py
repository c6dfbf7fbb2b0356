"""Comparison of lists: means by the metric functions, intervals and p-values by theory."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sklearn_mf import metrics
from sklearn_mf.metrics import compare
from sklearn_mf.metrics._compare import compare_columns
from tests.metrics.reference import NAMES, random_case

COLUMNS = ["first", "second", "mean_first", "mean_second", "difference", "low", "high", "p_value"]


@pytest.fixture(scope="module")
def case():
    """Relevant items with gains for 80 users, and three tables of lists; user 0 is in no list."""
    rng = np.random.default_rng(0)
    cells = np.argwhere(rng.random((80, 30)) < 0.2)
    relevant = pd.DataFrame(cells, columns=["who", "item"]).assign(gain=rng.integers(1, 6, len(cells)))
    tables = {
        name: pd.DataFrame(
            [(user, item) for user in range(1, 80) for item in rng.permutation(30)[:8]],
            columns=["who", "item"],
        )
        for name in ("a", "b", "c")
    }
    return relevant, tables


def columns(*values):
    return pd.DataFrame(dict(zip("abc", values, strict=False)))


def compared(*values, n_resamples=999):
    return compare_columns(columns(*values), n_resamples, np.random.RandomState(0))


@pytest.mark.parametrize("name", NAMES)
def test_values_are_those_of_the_metric_functions(case, name):
    relevant, tables = case
    function = getattr(metrics, f"{name}_at_k")
    values = compare(relevant, tables, name, 5, per_user=True)
    assert values.columns.tolist() == ["a", "b", "c"]
    for label, table in tables.items():
        expected = function(relevant, table, 5, per_user=True)
        pd.testing.assert_series_equal(values[label], expected, check_names=False)
    assert values.index.name == "who"
    table = compare(relevant, tables, name, 5, n_resamples=9, random_state=0)
    assert table.columns.tolist() == COLUMNS
    assert table[["first", "second"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    means = {label: function(relevant, each, 5) for label, each in tables.items()}
    for row in table.itertuples():
        assert row.mean_first == pytest.approx(means[row.first], rel=1e-12)
        assert row.mean_second == pytest.approx(means[row.second], rel=1e-12)
        assert row.difference == pytest.approx(row.mean_first - row.mean_second, abs=1e-12)


def test_users_without_a_list_count_0_and_users_without_relevant_items_do_not_count():
    relevant = [["ann", "up"], ["bob", "up"]]
    tables = {"both": [["ann", "up"], ["bob", "up"], ["dan", "up"]], "one": [["ann", "up"], ["dan", "heat"]]}
    values = compare(relevant, tables, "recall", per_user=True)
    assert values.to_dict() == {"both": {"ann": 1.0, "bob": 1.0}, "one": {"ann": 1.0, "bob": 0.0}}
    row = compare(relevant, tables, "recall", n_resamples=99, random_state=0).iloc[0]
    assert (row["mean_first"], row["mean_second"], row["difference"]) == (1, 0.5, 0.5)
    assert (row["low"], row["high"]) == (0, 1)


def test_interval_and_p_value_agree_with_the_paired_t_test():
    rng = np.random.default_rng(1)
    first = rng.random(400)
    second = first - rng.normal(0.015, 0.1, 400)
    row = compared(first, second, n_resamples=9999).iloc[0]
    expected = stats.ttest_rel(first, second)
    interval = expected.confidence_interval()
    assert row["difference"] == pytest.approx((first - second).mean(), rel=1e-12)
    assert [row["low"], row["high"]] == pytest.approx(list(interval), abs=4e-4)
    assert row["p_value"] == pytest.approx(expected.pvalue, abs=0.01)
    assert 0.005 < expected.pvalue < 0.1


def test_p_value_of_few_users_is_that_of_all_signs():
    differences = np.array([0.9, 0.5, 0.4, -0.1])
    sums = [np.dot(signs, differences) for signs in itertools.product([-1, 1], repeat=4)]
    expected = np.mean(np.abs(sums) >= differences.sum() - 1e-12)
    row = compared(differences, np.zeros(4), n_resamples=9999).iloc[0]
    assert expected == 0.25
    assert row["p_value"] == pytest.approx(expected, abs=0.02)


def test_differences_of_the_same_user_are_compared():
    """Values vary between users, the difference does not: the interval has no width."""
    values = np.random.default_rng(0).random(50)
    row = compared(values + 0.1, values).iloc[0]
    assert [row["difference"], row["low"], row["high"]] == pytest.approx([0.1, 0.1, 0.1], rel=1e-9)
    assert row["p_value"] == pytest.approx(2 / 1000)


def test_equal_lists_have_no_difference(case, recwarn):
    relevant, tables = case
    row = compare(relevant, {"a": tables["a"], "again": tables["a"]}, n_resamples=99).iloc[0]
    assert (row["difference"], row["low"], row["high"], row["p_value"]) == (0, 0, 0, 1)
    assert not recwarn.list


def test_intervals_cover_and_p_values_are_small_as_often_as_they_should():
    rng = np.random.default_rng(0)
    found = pd.concat(
        compare_columns(columns(rng.random(60), rng.random(60)), 199, np.random.RandomState(seed))
        for seed in range(300)
    )
    assert 0.90 <= np.mean((found["low"] <= 0) & (found["high"] >= 0)) <= 0.98
    assert 0.02 <= np.mean(found["p_value"] <= 0.05) <= 0.09


def test_swapped_tables_change_the_sign(case):
    relevant, tables = case
    one = compare(relevant, {"a": tables["a"], "b": tables["b"]}, random_state=0).iloc[0]
    other = compare(relevant, {"b": tables["b"], "a": tables["a"]}, random_state=0).iloc[0]
    assert one["difference"] == -other["difference"]
    assert [one["low"], one["high"]] == pytest.approx([-other["high"], -other["low"]], rel=1e-12)
    assert one["p_value"] == pytest.approx(other["p_value"], abs=1e-3)


def test_random_state_and_n_resamples(case):
    numbers = [compare(*case, random_state=seed, n_resamples=199) for seed in (0, 0, 1)]
    pd.testing.assert_frame_equal(numbers[0], numbers[1])
    assert (numbers[0]["low"] != numbers[2]["low"]).all()
    assert compared(np.ones(99), np.zeros(99), n_resamples=19)["p_value"][0] == pytest.approx(2 / 20)


def test_batches_give_the_interval_of_all_resamples_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    values = rng.random((3, 40))
    expected = compared(*values)
    monkeypatch.setattr("sklearn_mf.metrics._compare._CELLS", 1000)
    pd.testing.assert_frame_equal(compared(*values), expected)


def test_names_of_any_type_and_any_order_of_users(case):
    relevant, tables = case
    table = tables["a"]
    shuffled = table.assign(rank=table.groupby("who").cumcount() + 1).sample(frac=1, random_state=0)
    names = [("x", 1), 7, None]
    values = compare(
        relevant, dict(zip(names, [table, shuffled, table.to_numpy()], strict=True)), per_user=True
    )
    assert values.columns.tolist() == names
    assert (values[7] == values[("x", 1)]).all()
    pairs = compare(relevant, {("x", 1): table, 7: shuffled}, n_resamples=9)
    assert (pairs["first"][0], pairs["second"][0]) == (("x", 1), 7)


def test_gains_count_in_ndcg_alone():
    relevant, recommended, k = random_case(3)
    tables = {"a": recommended, "b": recommended.assign(rank=-recommended["rank"])}
    pairs = relevant[["user", "item"]]
    graded, binary = (compare(each, tables, "ndcg", k, per_user=True) for each in (relevant, pairs))
    assert not graded.equals(binary)
    graded, binary = (compare(each, tables, "recall", k, per_user=True) for each in (relevant, pairs))
    pd.testing.assert_frame_equal(graded, binary)


def test_one_table_has_values_of_users_and_no_comparison(case):
    relevant, tables = case
    assert compare(relevant, {"a": tables["a"]}, per_user=True).shape == (80, 1)
    with pytest.raises(ValueError, match=r"at least 2 table\(s\) by name, got 1"):
        compare(relevant, {"a": tables["a"]})
    with pytest.raises(ValueError, match=r"at least 1 table\(s\) by name, got 0"):
        compare(relevant, {}, per_user=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "auc"}, "'metric' parameter of compare must be a str among"),
        ({"k": 0}, "'k' parameter of compare must be an int in the range"),
        ({"n_resamples": 0}, "'n_resamples' parameter of compare must be an int"),
        ({"recommended": [[1, 2]]}, "'recommended' parameter of compare must be an instance of"),
        ({"relevant": [["ann", "up"]]}, "at least 2 users with relevant items, got 1"),
        ({"relevant": np.empty((0, 2))}, "relevant has no rows"),
        ({"recommended": {"a": [["ann", "up"]], "b": [["ann"]]}}, r"recommended\['b'\] must be a table"),
        (
            {"recommended": {"a": [["ann", "up"]] * 2, "b": [["ann", "up"]]}},
            r"recommended\['a'\] has user 'ann'",
        ),
    ],
)
def test_errors(change, message):
    tables = {"a": [["ann", "up"]], "b": [["bob", "up"]]}
    arguments = {"relevant": [["ann", "up"], ["bob", "up"]], "recommended": tables} | change
    with pytest.raises(ValueError, match=message):
        compare(**arguments)
