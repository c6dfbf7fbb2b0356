"""diversify and limit_per_group beside plain loops over users and items."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_mf import MFRecommender
from sklearn_mf.reranking import _diversify, diversify, limit_per_group


@pytest.fixture(scope="module")
def model(frame):
    return MFRecommender(3, random_state=0, max_iter=20).fit(frame)


@pytest.fixture(scope="module")
def table(model):
    """Lists of 3 to 25 films."""
    table = model.recommend(n=25)
    lengths = dict(zip(model.user_ids_, 3 + np.arange(40) % 23, strict=True))
    return table[table["rank"] <= table["user"].map(lengths)]


def maximal_marginal_relevance(films, scores, vectors, n, trade_off):
    """Films in the order in which they are chosen, by a loop."""
    spread = scores.max() - scores.min()
    relevance = (scores - scores.min()) / (spread if spread else 1)
    chosen = []
    while len(chosen) < min(n, len(films)):
        best, best_value = None, -np.inf
        for place in range(len(films)):
            if place in chosen:
                continue
            if chosen:
                nearest = max(vectors[place] @ vectors[other] for other in chosen)
                value = trade_off * relevance[place] - (1 - trade_off) * nearest
            else:
                value = relevance[place]
            if value > best_value + 1e-12:
                best, best_value = place, value
        chosen.append(best)
    return films[chosen].tolist()


@pytest.mark.parametrize("trade_off", [0, 0.3, 0.7, 1])
@pytest.mark.parametrize("block", [1, 500, 10**6])
def test_diversify_equals_a_loop(model, table, trade_off, block, monkeypatch):
    monkeypatch.setattr(_diversify, "_BLOCK_ENTRIES", block)
    found = diversify(table, model, n=8, trade_off=trade_off)
    unit = model.item_embeddings_ / np.linalg.norm(model.item_embeddings_.astype(float), axis=1)[:, None]
    assert found["user"].drop_duplicates().tolist() == table["user"].drop_duplicates().tolist()
    for user, part in table.groupby("user"):
        films = part["film"].to_numpy()
        vectors = unit[np.searchsorted(model.item_ids_, films)]
        expected = maximal_marginal_relevance(films, part["score"].to_numpy(), vectors, 8, trade_off)
        mine = found[found["user"] == user]
        assert mine["film"].tolist() == expected
        assert mine["rank"].tolist() == list(range(1, len(expected) + 1))
    scores = found.merge(table, on=["user", "film"])
    assert (scores["score_x"] == scores["score_y"]).all()


def test_diversify_with_weight_one_cuts_the_lists(model, table):
    expected = table[table["rank"] <= 6].reset_index(drop=True)
    pd.testing.assert_frame_equal(diversify(table, model, 6, 1.0), expected)


def test_diversify_lowers_the_similarity_of_neighbours(model, table):
    vectors = pd.DataFrame(model.item_embeddings_, index=model.item_ids_)
    unit = vectors.div(np.linalg.norm(vectors, axis=1), axis=0)

    def similarity(trade_off):
        lists = diversify(table[table["rank"] <= 25], model, 5, trade_off).groupby("user")["film"]
        return np.mean([(unit.loc[films] @ unit.loc[films].T).to_numpy().mean() for _, films in lists])

    assert similarity(0.2) < similarity(0.6) < similarity(1)


def test_other_columns_and_any_order_of_rows_are_kept(model, table):
    titled = table.assign(title=table["film"].map("film {}".format))
    shuffled = titled.sample(frac=1, random_state=0)
    order = shuffled["user"].drop_duplicates().tolist()
    for found in (
        diversify(shuffled, make_pipeline(FunctionTransformer(), model), 4, 0.5),
        limit_per_group(shuffled, {}, 4),
    ):
        assert found.columns.tolist() == titled.columns.tolist()
        assert found["user"].drop_duplicates().tolist() == order
        assert (found["title"] == found["film"].map("film {}".format)).all()
    plain = diversify(table, model, 4, 0.5)
    again = diversify(shuffled, model, 4, 0.5).sort_values(["user", "rank"], ignore_index=True)
    pd.testing.assert_frame_equal(again.drop(columns="title"), plain)


def first_of_groups(part, groups, n, most):
    """Films that fit into the list, by a loop."""
    taken, counts = [], {}
    for film in part["film"]:
        group = groups.get(film)
        if group is None or group != group or counts.get(group, 0) < most:
            taken.append(film)
            counts[group] = counts.get(group, 0) + 1
    return taken[:n]


@pytest.mark.parametrize(("n", "most"), [(5, 1), (8, 2), (100, 3)])
def test_limit_per_group_equals_a_loop(table, n, most):
    groups = {film: ("drama", "comedy", "crime", None, np.nan)[film % 5] for film in range(98, 127)}
    found = limit_per_group(table, groups, n, most)
    for user, part in table.groupby("user"):
        mine = found[found["user"] == user]
        assert mine["film"].tolist() == first_of_groups(part, groups, n, most)
        assert mine["rank"].tolist() == list(range(1, len(mine) + 1))
    series = pd.Series(groups)
    frame = series.rename_axis("film").reset_index().sample(frac=1, random_state=0)
    for same in (series, frame, series.astype("category")):
        pd.testing.assert_frame_equal(limit_per_group(table, same, n, most), found)


def test_empty_tables_stay_empty(model, table):
    assert diversify(table[:0], model).columns.tolist() == table.columns.tolist()
    assert len(limit_per_group(table[:0], {100: "drama"})) == 0


@pytest.mark.parametrize("rerank", [diversify, lambda table, _: limit_per_group(table, {})])
def test_tables_that_are_not_ranked_lists(rerank, model, table):
    for wrong in (table.drop(columns="rank"), table.to_numpy(), "ratings", table[["rank", "user", "score"]]):
        with pytest.raises(ValueError, match="table must be a DataFrame of users, items and 'rank'"):
            rerank(wrong, model)


def test_errors(model, table):
    with pytest.raises(ValueError, match="'rank' and 'score', as recommend"):
        diversify(table.drop(columns="score"), model)
    with pytest.raises(ValueError, match="items of table not known from fit: -7"):
        diversify(table.assign(film=-7), model)
    with pytest.raises(ValueError, match="The 'trade_off' parameter of diversify"):
        diversify(table, model, trade_off=1.5)
    with pytest.raises(ValueError, match="groups has item 100 more than once"):
        limit_per_group(table, pd.DataFrame({"film": [101, 100, 100], "genre": ["a", "b", "c"]}))
    with pytest.raises(ValueError, match="groups must be a dict or Series"):
        limit_per_group(table, ["drama"])
    with pytest.raises(ValueError, match="come in two types"):
        limit_per_group(table, {"100": "drama", "101": "crime"})
