"""recommend with candidates and exclude, beside the complete ranking from which rows are taken out."""

import numpy as np
import pandas as pd
import pytest

from sklearn_mf import BayesianMFRecommender, MFRecommender

IDS = ["user", "film"]
RANKINGS = [{}, {"by": "upper", "random_state": 0}, {"by": "sample", "random_state": 0}]
USERS = ["u03", "nobody", "u00", "u03"]


@pytest.fixture(scope="module")
def model(frame):
    return MFRecommender(4, random_state=0, max_iter=20).fit(frame)


@pytest.fixture(scope="module")
def bayesian(frame):
    # Many draws of a short chain: its convergence does not matter here.
    with pytest.warns(UserWarning, match="have not converged"):
        return BayesianMFRecommender(3, max_iter=12, random_state=0).fit(frame)


@pytest.fixture(scope="module")
def pairs(model):
    """A random third of all users (one of them unknown) and films, with the rows in random order."""
    users = [*model.user_ids_, "nobody"]
    everything = pd.MultiIndex.from_product([users, model.item_ids_], names=IDS).to_frame(index=False)
    return everything.sample(frac=1 / 3, random_state=0, ignore_index=True)


def only(table, kept, n):
    """The rows of a complete ranking in which `kept` is True, cut to n for each list."""
    lists = (table["rank"] == 1).cumsum()
    table, lists = table[kept], lists[kept]
    place = table.groupby(lists).cumcount()
    return table.assign(rank=place + 1)[place < n].reset_index(drop=True)


def is_in(table, pairs):
    return pd.MultiIndex.from_frame(table[IDS]).isin(pd.MultiIndex.from_frame(pairs[IDS]))


@pytest.fixture(
    params=[("model", {}), *[("bayesian", how) for how in RANKINGS]], ids=["mf", "mean", "upper", "sample"]
)
def ranked(request):
    """A fitted recommender, the arguments of its ranking, and the complete ranking of some users."""
    name, how = request.param
    fitted = request.getfixturevalue(name)
    return fitted, how, fitted.recommend(USERS, n=1000, exclude_seen=False, **how)


def same(table, expected):
    pd.testing.assert_frame_equal(table, expected, check_exact=False, rtol=1e-5)


def test_excluded_items_are_shown_to_nobody(ranked):
    fitted, how, complete = ranked
    films = fitted.item_ids_[3:20]
    expected = only(complete, ~complete["film"].isin(films), 5)
    for exclude in (films, pd.Series(films), pd.Index(films), [*films, *films, -7], set(films)):
        same(fitted.recommend(USERS, n=5, exclude_seen=False, exclude=exclude, **how), expected)


def test_excluded_rows_are_not_shown_to_their_user(ranked, pairs):
    fitted, how, complete = ranked
    expected = only(complete, ~is_in(complete, pairs), 5)
    strangers = pd.DataFrame({"user": ["u00", "somebody"], "film": [-7, 100]})
    for exclude in (pairs, pd.concat([strangers, pairs, pairs]), pairs[["film", "user"]].assign(why="seen")):
        same(fitted.recommend(USERS, n=5, exclude_seen=False, exclude=exclude, **how), expected)


def test_each_user_has_candidates_of_their_own(ranked, pairs):
    fitted, how, complete = ranked
    expected = only(complete, is_in(complete, pairs), 5)
    for candidates in (pairs, pd.concat([pairs, pairs]), pairs.to_numpy(), pairs.to_numpy().tolist()):
        same(fitted.recommend(USERS, n=5, exclude_seen=False, candidates=candidates, **how), expected)


def test_all_limits_hold_together(ranked, pairs, frame):
    fitted, how, complete = ranked
    gone, shown = fitted.item_ids_[::3], pairs.sample(frac=0.2, random_state=1)
    kept = is_in(complete, pairs) & ~is_in(complete, frame)
    table = fitted.recommend(USERS, n=4, candidates=pairs, exclude=gone, **how)
    same(table, only(complete, kept & ~complete["film"].isin(gone).to_numpy(), 4))
    table = fitted.recommend(USERS, n=4, candidates=pairs, exclude=shown, **how)
    same(table, only(complete, kept & ~is_in(complete, shown), 4))
    kept = complete["film"].isin(gone).to_numpy() & ~is_in(complete, frame) & ~is_in(complete, shown)
    same(fitted.recommend(USERS, n=4, candidates=gone, exclude=shown, **how), only(complete, kept, 4))


def test_candidates_of_their_own_give_the_same_bits(model):
    everything = pd.MultiIndex.from_product([model.user_ids_, model.item_ids_]).to_frame(index=False)
    pd.testing.assert_frame_equal(model.recommend(candidates=everything), model.recommend())


def test_users_with_ratings_have_candidates_and_exclusions_too(model, pairs, frame):
    given = frame[frame["user"].isin(["u01", "u02"])].assign(user=lambda table: table["user"] + "x")
    choices = pairs.assign(user=pairs["user"] + "x")
    complete = model.recommend(ratings=given, n=1000)
    table = model.recommend(ratings=given, n=3, candidates=choices)
    same(table, only(complete, is_in(complete, choices), 3))
    table = model.recommend(ratings=given, n=3, exclude=choices)
    same(table, only(complete, ~is_in(complete, choices), 3))


def test_what_was_shown_is_not_shown_again(model):
    first = model.recommend(n=4)
    second = model.recommend(n=4, exclude=first)
    both = model.recommend(n=8)
    same(only(both, both["rank"] > 4, 4), second)


def test_a_user_without_candidates_gets_no_list_and_a_warning(model):
    choices = pd.DataFrame({"user": ["u01", "u02"], "film": [100, 101]})
    with pytest.warns(UserWarning, match="nothing for 38 of 40 users, the first is 'u00', who has no cand"):
        table = model.recommend(candidates=choices, exclude_seen=False)
    assert table[IDS].to_numpy().tolist() == choices.to_numpy().tolist()
    with pytest.warns(UserWarning, match="nothing for 1 of 1 users"):
        assert len(model.recommend("u01", exclude=model.item_ids_)) == 0
    with pytest.warns(UserWarning, match="nothing for 1 of 1 users"):
        assert len(model.recommend("u01", candidates=choices[:0])) == 0


@pytest.mark.parametrize("how", RANKINGS)
def test_everything_may_be_excluded(bayesian, how):
    with pytest.warns(UserWarning, match="nothing for 1 of 1 users"):
        assert len(bayesian.recommend("u01", exclude=bayesian.item_ids_, **how)) == 0


def test_nothing_is_excluded_by_an_empty_list_or_table(model, pairs):
    expected = model.recommend("u01")
    for nothing in ([], pairs[:0], pairs[:0].to_numpy(), set()):
        pd.testing.assert_frame_equal(model.recommend("u01", exclude=nothing), expected)


def test_one_excluded_item_is_one_id(model):
    first, second = model.recommend("u01", n=2)["film"]
    assert model.recommend("u01", n=1, exclude=first)["film"].tolist() == [second]


def test_ids_in_another_type_warn(model, pairs):
    text = pairs.astype({"film": str})
    for exclude in (text, text["film"].tolist()):
        with pytest.warns(UserWarning, match="Every id of 'film' is unknown"):
            model.recommend("u01", exclude=exclude)
    numbers = pairs.assign(user=range(len(pairs)))
    with pytest.warns(UserWarning, match="Every id of 'user' is unknown"):
        model.recommend("u01", exclude=numbers)


def test_unknown_ids_in_exclude_are_no_error_where_unknown_ids_are(frame):
    model = MFRecommender(2, max_iter=2, handle_unknown="error", random_state=0).fit(frame)
    rows = pd.DataFrame({"user": ["u01", "nobody"], "film": [-7, 100]})
    expected = model.recommend("u01")
    pd.testing.assert_frame_equal(model.recommend("u01", exclude=rows), expected)
    shown = expected["film"][0]
    assert shown not in set(model.recommend("u01", exclude=[-7, shown])["film"])


@pytest.mark.parametrize("label", ["candidates", "exclude"])
def test_tables_that_are_not_understood(model, label):
    for width in (1, 3):
        with pytest.raises(ValueError, match=f"{label} must be a list of items, or a table.* {width} col"):
            model.recommend("u01", **{label: np.zeros((4, width))})
    with pytest.raises(ValueError, match=f"Item column of {label} contains a missing id"):
        model.recommend("u01", **{label: pd.DataFrame({"user": ["u01"], "film": [None]})})


def test_unknown_candidates_raise(model):
    with pytest.raises(ValueError, match="candidates not known from fit: -7"):
        model.recommend("u01", candidates=[["u01", -7]])


def test_columns_without_names_are_user_and_item(frame):
    model = MFRecommender(2, max_iter=2, random_state=0).fit(frame[IDS].to_numpy(), frame["stars"])
    table = model.recommend("u01", n=3)
    assert set(model.recommend("u01", n=3, exclude=table)["item"]).isdisjoint(table["item"])
    renamed = table.rename(columns={"user": "who", "item": "what"})
    with pytest.raises(ValueError, match="got a table of 4 columns"):
        model.recommend("u01", exclude=renamed)
    renamed = renamed[["who", "what"]]
    assert set(model.recommend("u01", candidates=renamed)["item"]) == set(table["item"])


def test_tables_of_other_libraries(model, pairs):
    polars = pytest.importorskip("polars")
    table, category = polars.DataFrame(pairs.to_dict("list")), pairs.astype("category")
    for limit in ({"exclude": pairs}, {"candidates": pairs}):
        name = next(iter(limit))
        expected = model.recommend("u01", **limit)
        pd.testing.assert_frame_equal(model.recommend("u01", **{name: table}), expected)
        pd.testing.assert_frame_equal(model.recommend("u01", **{name: category}), expected)


def test_no_user_gets_no_list(model, pairs):
    for limit in ({"exclude": pairs[:3]}, {"candidates": pairs[:3]}, {"exclude": [100]}):
        assert len(model.recommend([], **limit)) == 0
