"""DummyRecommender: its lists, its predictions, and its use wherever a recommender is taken."""

import copy
import pickle
import subprocess
import sys
from unittest import SkipTest

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_mf import MFRecommender
from sklearn_mf.datasets import make_ratings
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.inspection import ErrorByActivityDisplay, RankingComparisonDisplay, RankingCurveDisplay
from sklearn_mf.metrics import make_ranking_scorer
from sklearn_mf.model_selection import PerUserKFold

STRATEGIES = ["most_popular", "best_rated", "random"]
IDS = ["user", "film"]


@pytest.fixture(scope="module")
def models(frame):
    return {name: DummyRecommender(name, random_state=0).fit(frame) for name in STRATEGIES}


@pytest.mark.filterwarnings("ignore:Every id of")
@parametrize_with_checks(
    [*map(DummyRecommender, STRATEGIES), DummyRecommender(damping=0, handle_unknown="ignore")]
)
def test_check(estimator, check):
    try:
        check(estimator)
    except SkipTest as reason:
        pytest.fail(f"skipped: {reason}")


def unseen(frame, user, scores, n):
    """The n films of the highest scores that the user has not rated; ties in the order of the ids."""
    seen = frame.loc[frame["user"] == user, "film"]
    return scores.drop(seen).sort_values(ascending=False, kind="stable").head(n)


def damped_means(frame, damping):
    ratings = frame.groupby("film")["stars"]
    return (ratings.sum() + damping * frame["stars"].mean()) / (ratings.count() + damping)


def test_most_popular_counts_ratings(models, frame):
    distinct = frame.drop_duplicates(IDS)
    model = DummyRecommender().fit(distinct)
    counts = distinct.groupby("film").size().astype(float)
    table = model.recommend("u05", n=6)
    expected = unseen(frame, "u05", counts, 6)
    assert table["film"].tolist() == expected.index.tolist()
    assert table["score"].tolist() == expected.tolist()


def test_best_rated_is_the_damped_mean(frame):
    model = DummyRecommender("best_rated").fit(frame)
    table = model.recommend("u05", n=6)
    expected = unseen(frame, "u05", damped_means(frame, 5), 6)
    assert table["film"].tolist() == expected.index.tolist()
    np.testing.assert_allclose(table["score"], expected, rtol=1e-6)


@pytest.mark.parametrize("damping", [0, 5, 50])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_predictions_are_damped_means(frame, strategy, damping):
    model = DummyRecommender(strategy, damping=damping).fit(frame)
    predicted = model.predict(frame[IDS])
    np.testing.assert_allclose(predicted, damped_means(frame, damping)[frame["film"]], rtol=1e-6)
    with pytest.warns(UserWarning, match="Every id of 'film'"):
        unknown = model.predict(pd.DataFrame({"user": ["u01"], "film": [-7]}))
    np.testing.assert_allclose(unknown, frame["stars"].mean())


@pytest.mark.filterwarnings("ignore:Every id of 'user' is unknown")
def test_damping_decides_between_one_good_rating_and_many():
    ratings = pd.DataFrame(
        {"user": range(11), "film": ["one"] + ["many"] * 10, "stars": [5] + [4] * 5 + [5] * 5}
    )
    ratings.loc[11] = [11, "bad", 1]
    best = [
        DummyRecommender("best_rated", damping=damping).fit(ratings).recommend("new", n=1)["film"][0]
        for damping in (0, 5)
    ]
    assert best == ["one", "many"]


def test_weights_count_as_ratings(frame):
    weights = np.arange(len(frame)) % 3
    repeated = frame.loc[frame.index.repeat(weights)]
    for strategy in STRATEGIES:
        one = DummyRecommender(strategy, random_state=0).fit(frame[IDS], frame["stars"], weights)
        other = DummyRecommender(strategy, random_state=0).fit(repeated)
        pd.testing.assert_frame_equal(one.recommend(exclude_seen=False), other.recommend(exclude_seen=False))


def test_random_lists_differ_between_users_and_seeds_but_not_between_calls(models, frame):
    model = models["random"]
    table = model.recommend(n=5, exclude_seen=False)
    pd.testing.assert_frame_equal(model.recommend(n=5, exclude_seen=False), table)
    lists = table.groupby("user")["film"].agg(tuple)
    assert lists.nunique() > 35
    assert table["score"].between(0, 1).all()
    for user in ("u07", "u31"):
        alone = model.recommend(user, n=5, exclude_seen=False)
        pd.testing.assert_frame_equal(alone, table[table["user"] == user].reset_index(drop=True))
    other = DummyRecommender("random", random_state=1).fit(frame).recommend(n=5, exclude_seen=False)
    assert (other["film"] != table["film"]).mean() > 0.8
    with pytest.warns(UserWarning, match="Every id of 'user' is unknown"):
        strangers = model.recommend(["nobody", "somebody"], n=5)
    assert len(set(strangers["film"][:5]) ^ set(strangers["film"][5:])) > 0


def test_every_item_has_the_same_chance_at_random():
    ratings = make_ratings(4000, 20, 8000, random_state=0)
    model = DummyRecommender("random", random_state=0).fit(ratings)
    table = model.recommend(n=5, exclude_seen=False)
    shares = table["item"].value_counts() / ratings["user"].nunique()
    assert len(shares) == 20
    # 5 of 20 items: a quarter, with a standard deviation of 0.007.
    np.testing.assert_allclose(shares, 0.25, atol=0.03)
    sets = table.groupby("user")["item"].apply(lambda items: tuple(sorted(items)))
    # Of 15,504 possible sets, 3,269 draws give 2,948 different ones on average, give or take 17.
    assert sets.nunique() > 2880


def test_random_lists_do_not_depend_on_other_ids(models, frame):
    model = models["random"]
    forgotten = copy.deepcopy(model).forget(["u03"], [104])
    table = model.recommend(exclude=104)
    expected = table[table["user"] != "u03"].reset_index(drop=True)
    pd.testing.assert_frame_equal(forgotten.recommend(), expected)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_limits_of_the_lists(models, frame, strategy):
    model = models[strategy]
    complete = model.recommend(n=30)
    assert len(complete.merge(frame, on=IDS)) == 0
    own = complete[complete["film"] % 3 == 0]
    for table in (
        model.recommend(n=30, candidates=own),
        model.recommend(n=30, exclude=complete[complete["film"] % 3 > 0]),
        model.recommend(n=30, candidates=[film for film in range(100, 130) if film % 3 == 0]),
    ):
        pd.testing.assert_frame_equal(
            table.drop(columns="rank"), own.drop(columns="rank").reset_index(drop=True)
        )
    given = frame[frame["user"] == "u02"]
    expected = complete[complete["user"] == "u02"].reset_index(drop=True)
    pd.testing.assert_frame_equal(model.recommend(ratings=given, n=30), expected)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_ways_in_and_storage(models, frame, strategy):
    matrix = sp.coo_array((frame["stars"], (pd.factorize(frame["user"])[0], frame["film"] - 100)))
    model = DummyRecommender(strategy, random_state=0).fit(matrix)
    assert len(model.recommend(n=2)) == 80
    stored = pickle.loads(pickle.dumps(models[strategy]))
    pd.testing.assert_frame_equal(stored.recommend(), models[strategy].recommend())
    folded = stored.fold_in(frame[:5])
    assert folded.embeddings.shape == (len(folded.ids), 0)


def test_it_serves_scorers_displays_and_searches(frame):
    mpl.use("Agg")
    ratings = make_ratings(60, 40, 1500, random_state=0)
    X, y = ratings[["user", "item"]], ratings["rating"]
    scoring = {
        "ndcg": make_ranking_scorer("ndcg", k=5, relevance_threshold=4),
        "sampled": make_ranking_scorer("ndcg", k=5, n_negatives=20, random_state=0),
        "novelty": make_ranking_scorer("novelty", k=5),
        "coverage": make_ranking_scorer("coverage", k=5),
        "rmse": "neg_root_mean_squared_error",
        "r2": "r2",
    }
    search = GridSearchCV(
        DummyRecommender(random_state=0),
        {"strategy": STRATEGIES},
        scoring=scoring,
        refit="ndcg",
        cv=PerUserKFold(2),
    ).fit(X, y)
    results = pd.DataFrame(search.cv_results_).filter(like="mean_test")
    assert np.isfinite(results.to_numpy()).all()
    assert results["mean_test_coverage"].idxmax() == 2
    assert results["mean_test_novelty"].idxmin() == 0
    assert np.ptp(results["mean_test_rmse"]) == 0
    assert set(cross_validate(DummyRecommender(), X, y, scoring=scoring, cv=2)) > {"test_ndcg", "test_rmse"}
    models = [search.best_estimator_, MFRecommender(2, max_iter=2, random_state=0)]
    models = {type(model).__name__: model.fit(ratings[::2]) for model in models}
    for display in (RankingCurveDisplay, RankingComparisonDisplay, ErrorByActivityDisplay):
        assert display.from_estimator(models, X[1::2], y[1::2]).ax_ is not None


def test_popularity_of_the_display_is_most_popular():
    mpl.use("Agg")
    ratings = make_ratings(60, 40, 1500, random_state=0)
    train, test = ratings[::2], ratings[1::2]
    display = RankingCurveDisplay.from_estimator(
        DummyRecommender().fit(train), test[["user", "item"]], test["rating"], ks=[1, 5, 10]
    )
    np.testing.assert_allclose(display.curves["DummyRecommender"], display.popularity)


def test_tensorflow_is_not_loaded():
    code = (
        "import sys; from sklearn_mf.dummy import DummyRecommender\n"
        "DummyRecommender().fit([[1, 2], [1, 3]], [4, 5]).recommend([1, 7])\n"
        "print('tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False"]


@pytest.mark.parametrize(("name", "value"), [("strategy", "worst"), ("damping", -1)])
def test_parameters_are_checked(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of DummyRecommender"):
        DummyRecommender(**{name: value}).fit([[1, 2], [1, 3]], [4, 5])
