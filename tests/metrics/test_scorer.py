"""make_ranking_scorer: what it computes, and its life inside scikit-learn."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.stats import chisquare
from sklearn.base import BaseEstimator, clone
from sklearn.callback import ScoringMonitor
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_mf import BayesianMFRecommender, MFRecommender, metrics
from sklearn_mf.datasets import make_ratings
from sklearn_mf.metrics import make_ranking_scorer
from sklearn_mf.metrics._sampled import _sample
from sklearn_mf.recommenders._catalog import catalog_of
from tests.conftest import QUICK
from tests.metrics.reference import NAMES

PAIR = ["user", "item"]
RMSE = "neg_root_mean_squared_error"


@pytest.fixture(scope="module")
def parts():
    """Text users and whole-number items; the test part has unknown ones of both."""
    ratings = make_ratings(60, 40, 1000, random_state=0)
    ratings["user"] = ratings["user"].map("u{:02d}".format)
    train = ratings[(ratings["user"] != "u03") & (ratings["item"] != 5)][:700]
    return train, ratings.drop(train.index)


@pytest.fixture(scope="module")
def model(parts):
    return recommender().fit(parts[0])


def recommender(**parameters):
    return MFRecommender(**{"embedding_dim": 4, **QUICK, "max_iter": 5, **parameters})


class Fixed(BaseEstimator):
    """Recommends the same items to everybody and knows nothing of what was seen."""

    feature_names_in_ = np.array(["user", "item"], dtype=object)

    def __init__(self, items):
        self.items = items

    def recommend(self, users, n):
        table = pd.MultiIndex.from_product([users, self.items[:n]], names=PAIR)
        return table.to_frame(index=False)


def score(scorer, estimator, table):
    return scorer(estimator, table[PAIR], table["rating"])


def test_equals_the_metrics_of_the_recommendations(parts, model):
    _, test = parts
    assert {"u03"} <= set(test["user"]) - set(model.user_ids_)
    assert {5} <= set(test["item"]) - set(model.item_ids_)
    table = model.recommend(test["user"].unique(), n=7)
    relevant = test.loc[test["rating"] >= 3.5, PAIR]
    for name in NAMES:
        scorer = make_ranking_scorer(name, k=7, relevance_threshold=3.5)
        expected = getattr(metrics, f"{name}_at_k")(relevant, table, k=7)
        assert expected > 0
        assert score(scorer, model, test) == pytest.approx(expected, rel=1e-12)


def test_beyond_accuracy_is_that_of_the_recommendations(parts, model):
    train, test = parts
    table = model.recommend(test["user"].unique(), n=3)
    scores = score(make_ranking_scorer(["coverage", "novelty", "gini"], k=3), model, test)
    assert list(scores) == ["coverage", "novelty", "gini"]
    assert scores["coverage"] == metrics.catalog_coverage(table, model.item_ids_)
    assert scores["gini"] == metrics.gini_index(table, model.item_ids_)
    assert scores["novelty"] == pytest.approx(metrics.novelty(table, train), rel=1e-12)


def test_several_names_give_a_dict_from_one_ranking(parts, model, monkeypatch):
    _, test = parts
    calls, names = [], [*NAMES, "coverage", "novelty", "gini"]
    single = {name: score(make_ranking_scorer(name), model, test) for name in names}
    recommend = MFRecommender.recommend
    monkeypatch.setattr(
        MFRecommender, "recommend", lambda *args, **kwargs: calls.append(1) or recommend(*args, **kwargs)
    )
    assert score(make_ranking_scorer(tuple(names)), model, test) == single
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("options", "relevant"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"relevance_threshold": 3}, [0, 1, 2, 5]),
        ({"relevance_threshold": 3.5}, [0, 5]),
        ({"relevance_share": 0.2}, [0, 5]),
        ({"relevance_share": 0.39}, [0, 5]),
        ({"relevance_share": 0.4}, [0, 1, 2, 5]),  # with all that equal the second best
        ({"relevance_share": 1.0}, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_what_is_relevant(options, relevant):
    test = pd.DataFrame({"user": [1, 1, 1, 1, 1, 2], "item": range(6), "rating": [5.0, 3, 3, 2, 1, 4]})
    estimator = Fixed([0, 4, 1, 5, 9])
    expected = metrics.ndcg_at_k(test.iloc[relevant][PAIR], estimator.recommend([1, 2], 5), k=5)
    assert score(make_ranking_scorer(k=5, **options), estimator, test) == pytest.approx(expected, rel=1e-12)


def test_rounding_does_not_take_an_item_from_a_share():
    test = pd.DataFrame({"user": 1, "item": range(100), "rating": np.arange(100.0, 0, -1)})
    scorer = make_ranking_scorer("precision", k=100, relevance_share=0.29)  # 0.29 * 100 is below 29
    assert score(scorer, Fixed(list(range(100))), test) == 0.29


def test_order_and_repetition_of_test_rows_do_not_matter(parts, model):
    _, test = parts
    scorer = make_ranking_scorer(list(NAMES), relevance_threshold=3)
    mixed = pd.concat([test, test.iloc[:20]]).sample(frac=1, random_state=0)
    assert score(scorer, model, mixed) == pytest.approx(score(scorer, model, test))


def test_an_unknown_item_is_relevant_but_never_found(model):
    known = {"user": "u01", "item": model.recommend("u01", n=1)["item"].item()}
    rows = pd.DataFrame([{**known, "rating": 5.0}, {"user": "u01", "item": 5, "rating": 5.0}])
    assert score(make_ranking_scorer("recall"), model, rows[:1]) == 1
    assert score(make_ranking_scorer("recall"), model, rows) == 0.5


@pytest.mark.filterwarnings("ignore:Every id of 'user' is unknown")
def test_an_unknown_user_gets_the_ranking_of_the_average_user(model):
    first = model.recommend("nobody", n=1)["item"].item()
    rows = pd.DataFrame({"user": ["nobody"], "item": [first], "rating": [5.0]})
    assert score(make_ranking_scorer("reciprocal_rank"), model, rows) == 1


def test_handle_unknown_error_raises_for_users_alone(parts):
    train, test = parts
    strict = recommender(handle_unknown="error").fit(train)
    scorer = make_ranking_scorer()
    with pytest.raises(ValueError, match="not known from fit: 'u03'"):
        score(scorer, strict, test)
    test = test[test["user"] != "u03"]
    assert score(scorer, strict, test) == score(scorer, recommender().fit(train), test)


def test_what_fit_has_seen_is_not_relevant(parts, model):
    train, test = parts
    scorer = make_ranking_scorer(list(NAMES))
    test = test[test["user"] != "u03"]
    assert score(scorer, model, pd.concat([train, test])) == pytest.approx(score(scorer, model, test))


def test_training_rows_have_no_score(parts, model):
    with pytest.warns(UndefinedMetricWarning, match="Fit has seen all relevant test ratings"):
        scores = score(make_ranking_scorer(["ndcg", "coverage"]), model, parts[0])
    assert np.isnan(scores["ndcg"]) and scores["coverage"] > 0
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(score(make_ranking_scorer("ndcg", n_negatives=3), model, parts[0]))


def test_forms_of_the_test_part(parts, model):
    _, test = parts
    scorer = make_ranking_scorer(relevance_threshold=3)
    expected = score(scorer, model, test)
    assert scorer(model, test) == expected
    assert scorer(model, test[PAIR], list(test["rating"])) == expected
    assert scorer(model, test[PAIR], test["rating"], sample_weight=np.ones(len(test))) == expected
    with pytest.raises(ValueError, match="requires y to be passed"):
        scorer(model, test[PAIR])
    with pytest.raises(ValueError, match=r"X has \d+ rows but there are 3 ratings"):
        scorer(model, test[PAIR], [1, 2, 3])
    with pytest.raises(ValueError, match="Found array with 0 sample"):
        scorer(model, test[PAIR][:0], [])


def test_arrays(parts):
    train, test = (part[PAIR].assign(user=part["user"].str[1:].astype(int)).to_numpy() for part in parts)
    model = recommender().fit(train, parts[0]["rating"])
    frames = recommender().fit(parts[0])
    assert make_ranking_scorer()(model, test, parts[1]["rating"]) == score(
        make_ranking_scorer(), frames, parts[1]
    )


def rename(X):
    return X.rename(columns={"user": "who", "item": "what"})


@pytest.mark.parametrize(
    "steps", [[], [FunctionTransformer(rename)], ["passthrough", FunctionTransformer(pd.DataFrame.to_numpy)]]
)
def test_pipeline(parts, model, steps):
    train, test = parts
    pipe = make_pipeline(*steps, recommender()).fit(train[PAIR], train["rating"])
    names = ["ndcg", "coverage", "novelty"]
    for options in ({"metrics": names}, {"n_negatives": 8, "random_state": 0}):
        scorer = make_ranking_scorer(**options)
        assert score(scorer, pipe, test) == pytest.approx(score(scorer, model, test), rel=1e-12)


def test_search_object(parts):
    train, test = parts
    search = GridSearchCV(recommender(), {"alpha": [0.05]}, cv=2).fit(train[PAIR], train["rating"])
    scorer = make_ranking_scorer("recall")
    assert score(scorer, search, test) == score(scorer, search.best_estimator_, test)


@pytest.mark.parametrize("copier", [clone, copy.deepcopy, lambda scorer: pickle.loads(pickle.dumps(scorer))])
def test_copies(parts, model, copier):
    scorer = make_ranking_scorer(["ndcg", "recall"], k=4, relevance_share=0.5)
    search = GridSearchCV(recommender(), {}, scoring=scorer, refit="ndcg")
    for copied in (
        copier(search).scoring,
        copier(scorer) if copier is not clone else clone(scorer, safe=False),
    ):
        assert repr(copied) == repr(scorer)
        assert score(copied, model, parts[1]) == score(scorer, model, parts[1])


def test_repr_is_the_call():
    for text in (
        "make_ranking_scorer('ndcg', k=10)",
        "make_ranking_scorer(['recall', 'gini'], k=5, relevance_threshold=4)",
        "make_ranking_scorer('recall', k=10, relevance_share=0.2, n_negatives=100, random_state=0)",
    ):
        assert repr(eval(text)) == text


def test_search_over_a_dict_of_scorers(parts):
    train, _ = parts
    scoring = {"ndcg": make_ranking_scorer("ndcg", k=5, relevance_threshold=3), "rmse": RMSE}
    search = GridSearchCV(
        recommender(), {"alpha": [0.01, 0.3]}, scoring=scoring, refit="ndcg", cv=KFold(3), error_score="raise"
    ).fit(train[PAIR], train["rating"])
    results = search.cv_results_
    assert search.best_index_ == np.argmax(results["mean_test_ndcg"])
    folds = list(KFold(3).split(train))
    for place, alpha in enumerate([0.01, 0.3]):
        fitted = [recommender(alpha=alpha).fit(train.iloc[rows]) for rows, _ in folds]
        values = [
            score(scoring["ndcg"], model, train.iloc[rows])
            for model, (_, rows) in zip(fitted, folds, strict=True)
        ]
        assert results["mean_test_ndcg"][place] == pytest.approx(np.mean(values))
    assert (results["mean_test_rmse"] < 0).all()
    assert search.score(parts[1][PAIR], parts[1]["rating"]) > 0


def test_search_over_one_scorer_of_several_names(parts):
    train, _ = parts
    scorer = make_ranking_scorer(["recall", "novelty"], k=5)
    search = GridSearchCV(recommender(), {"alpha": [0.01, 0.3]}, scoring=scorer, refit="recall", cv=2)
    search.fit(train[PAIR], train["rating"])
    assert search.best_score_ == search.cv_results_["mean_test_recall"].max() > 0
    assert (search.cv_results_["mean_test_novelty"] > 0).all()


def test_cross_validate_with_training_scores(parts):
    train, _ = parts
    with pytest.warns(UndefinedMetricWarning):
        scores = cross_validate(
            recommender(),
            train[PAIR],
            train["rating"],
            scoring=make_ranking_scorer(["ndcg"]),
            cv=2,
            return_train_score=True,
        )
    assert np.isnan(scores["train_ndcg"]).all()
    assert (scores["test_ndcg"] > 0).all()


def test_weights_of_fit_do_not_disturb_a_dict_of_scorers(parts):
    train, _ = parts
    scoring = {"ndcg": make_ranking_scorer(), "rmse": RMSE}
    search = GridSearchCV(recommender(), {"alpha": [0.05]}, scoring=scoring, refit="ndcg", cv=2)
    search.fit(train[PAIR], train["rating"], sample_weight=np.ones(len(train)))
    assert search.best_score_ > 0


@pytest.mark.parametrize("as_dict", [True, False])
def test_metadata_routing(parts, as_dict):
    train, _ = parts
    weights = np.tile([1.0, 3.0], len(train) // 2)
    one = make_ranking_scorer(["ndcg", "recall"])
    with sklearn.config_context(enable_metadata_routing=True):
        rmse = get_scorer(RMSE).set_score_request(sample_weight=True)
        scoring = {"ndcg": make_ranking_scorer("ndcg"), "rmse": rmse} if as_dict else one
        estimator = recommender().set_fit_request(sample_weight=True)
        pipe = Pipeline([("keep", "passthrough"), ("model", estimator)])
        search = GridSearchCV(pipe, {"model__alpha": ["auto"]}, scoring=scoring, refit="ndcg", cv=KFold(2))
        search.fit(train[PAIR], train["rating"], sample_weight=weights)
        assert search.score(train[PAIR].iloc[::-1].assign(item=5), train["rating"]) == 0
    expected = []
    for rows, held_out in KFold(2).split(train):
        model = recommender().fit(train.iloc[rows], sample_weight=weights[rows])
        expected.append(score(make_ranking_scorer("ndcg"), model, train.iloc[held_out]))
    assert search.best_score_ == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("weights", [None, 2.0])
@pytest.mark.parametrize("as_dict", [True, False])
def test_scoring_monitor(parts, as_dict, weights):
    train, _ = parts
    one = make_ranking_scorer(["ndcg", "coverage"], k=3)
    monitor = ScoringMonitor(scoring={"ndcg": make_ranking_scorer(k=3), "r2": "r2"} if as_dict else one)
    with pytest.warns(UndefinedMetricWarning):
        recommender().set_callbacks(monitor).fit(train, sample_weight=weights)
    log = monitor.get_logs().data_as_pandas
    assert np.isnan(log["ndcg"]).all() and len(log) == 6
    assert (log["r2" if as_dict else "coverage"] > 0).any()


@pytest.mark.filterwarnings("ignore:The chains have not converged")
@pytest.mark.parametrize("kind", [MFRecommender, BayesianMFRecommender])
def test_enough_negatives_rank_as_all_items_do(parts, kind):
    """Also where predict clips most of them and so would tie them."""
    train, test = parts
    model = kind(4, max_iter=20, random_state=0).fit(train)
    model.target_range_ = np.array([1.0, 2.5])
    assert np.isin(model.predict(test[PAIR]), model.target_range_).mean() > 0.2
    options = {"metrics": list(NAMES), "k": 5, "relevance_threshold": 4}
    sampled = score(make_ranking_scorer(**options, n_negatives=10**6), model, test)
    assert sampled == pytest.approx(score(make_ranking_scorer(**options), model, test), rel=1e-12)


def test_negatives_are_unseen_not_relevant_distinct_and_seeded(parts, model, monkeypatch):
    train, test = parts
    drawn = []
    recommend = MFRecommender.recommend
    monkeypatch.setattr(
        MFRecommender,
        "recommend",
        lambda self, *args, **options: (
            drawn.append(options["candidates"]) or recommend(self, *args, **options)
        ),
    )
    for seed in (0, 0, 1):
        score(make_ranking_scorer(n_negatives=9, random_state=seed), model, test)
    table, same, other = drawn
    assert table.equals(same) and not table.equals(other)
    assert not table.duplicated().any()
    assert table.merge(train, on=PAIR).empty
    known = test[test["item"].isin(model.item_ids_)]
    assert len(table.merge(known, on=PAIR)) == len(known)
    taken = pd.concat([train, known])["user"].value_counts()
    n_negatives = table["user"].value_counts().sub(known["user"].value_counts(), fill_value=0)
    expected = (len(model.item_ids_) - taken).clip(upper=9)
    assert (n_negatives == expected.loc[n_negatives.index]).all()
    assert n_negatives.max() == 9


def test_each_unseen_item_is_drawn_equally_often(parts, model):
    train, _ = parts
    user, n_draws = 1, 2000
    relevant = np.arange(n_draws), np.full(n_draws, 7)
    seen = catalog_of(model, "test").seen
    rows, items = _sample(seen, np.full(n_draws, user), relevant, 2, np.random.RandomState(0))
    assert np.bincount(rows, minlength=n_draws).tolist() == [2] * n_draws
    rated = np.searchsorted(model.item_ids_, train.loc[train["user"] == model.user_ids_[user], "item"])
    allowed = np.setdiff1d(np.arange(len(model.item_ids_)), [7, *rated])
    numbers, counts = np.unique(items, return_counts=True)
    assert numbers.tolist() == allowed.tolist()
    assert chisquare(counts).pvalue > 0.01


def test_other_estimators(parts, model):
    _, test = parts
    with pytest.raises(TypeError, match="needs an estimator with recommend, which DummyRegressor has not"):
        score(make_ranking_scorer(), DummyRegressor().fit(test[PAIR], test["rating"]), test)
    for options in ({"metrics": "novelty"}, {"n_negatives": 5}):
        with pytest.raises(TypeError, match="needs to know what fit has seen, which Fixed does not tell"):
            score(make_ranking_scorer(**options), Fixed([1]), test)
    with pytest.raises(NotFittedError):
        make_ranking_scorer()(recommender(), test[PAIR].to_numpy(), test["rating"])
    X = test[PAIR].assign(hour=0)
    wide = recommender().fit(X, test["rating"])
    with pytest.raises(ValueError, match="one of items, got 3 column"):
        make_ranking_scorer()(wide, X, test["rating"])


def test_ids_of_another_type_raise(parts, model):
    _, test = parts
    scorer = make_ranking_scorer()
    with pytest.raises(ValueError, match=r"Items .* come in two types, 0 and '\d+', and none"):
        score(scorer, model, test.assign(item=test["item"].astype(str)))
    with pytest.raises(ValueError, match=r"Users .* come in two types, 'u\d\d' and 0, and none"):
        score(scorer, model, test.assign(user=0))


def test_nothing_relevant_raises(parts, model):
    with pytest.raises(ValueError, match=r"None of the 300 test ratings reaches relevance_threshold=99, the"):
        score(make_ranking_scorer(relevance_threshold=99), model, parts[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": "accuracy"}, "'metrics' parameter of make_ranking_scorer"),
        ({"metrics": ["ndcg", "accuracy"]}, r"one or more of precision, .*, got \['ndcg', 'accuracy'\]"),
        ({"metrics": []}, "one or more of"),
        ({"k": 0}, "'k' parameter"),
        ({"relevance_share": 0}, "'relevance_share' parameter"),
        ({"relevance_share": 1.5}, "'relevance_share' parameter"),
        ({"relevance_threshold": "4"}, "'relevance_threshold' parameter"),
        ({"relevance_threshold": 4, "relevance_share": 0.2}, "not both"),
        ({"n_negatives": 0}, "'n_negatives' parameter"),
        ({"n_negatives": 5, "metrics": ["ndcg", "gini"]}, "coverage, novelty, gini would tell nothing"),
        ({"random_state": "zero"}, "'random_state' parameter"),
    ],
)
def test_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_ranking_scorer(**arguments)


def test_a_frozen_estimator_scores_as_what_it_holds(parts, model):
    scorer = make_ranking_scorer(["ndcg", "novelty"])
    assert score(scorer, FrozenEstimator(model), parts[1]) == score(scorer, model, parts[1])
