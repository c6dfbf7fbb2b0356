"""Interactions: ways in, weights, scores, lists and users from outside."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.callback import ScoringMonitor
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning
from sklearn.model_selection import GridSearchCV, cross_val_score

from sklearn_mf import ImplicitMFRecommender, MFEmbedding, MFRecommender
from sklearn_mf.inspection import (
    EmbeddingDisplay,
    ErrorByActivityDisplay,
    RankingCurveDisplay,
    TrainingCurveDisplay,
    explain,
)
from sklearn_mf.metrics import make_ranking_scorer, ndcg_at_k
from sklearn_mf.model_selection import PerUserKFold

N_USERS, N_ITEMS = 60, 40


def interactions(seed=0, share=0.5):
    """Two groups of users; each plays songs of its own half of the catalogue, some of them often."""
    rng = np.random.default_rng(seed)
    users, items = (codes.ravel() for codes in np.indices((N_USERS, N_ITEMS)))
    chosen = (users % 2 == items % 2) & (rng.random(len(users)) < share)
    plays = rng.geometric(0.2, chosen.sum()).astype(float)
    return pd.DataFrame({"user": users[chosen], "song": items[chosen] + 100, "plays": plays})


PLAYS = interactions()
PAIRS = PLAYS[["user", "song"]]


def model(**parameters):
    return ImplicitMFRecommender(**{"embedding_dim": 4, "max_iter": 5, "random_state": 0} | parameters)


def matrix(cells=()):
    """The plays as a sparse matrix, with zeros stored in more cells."""
    rows, columns = (np.array([cell[axis] for cell in cells], dtype=int) for axis in (0, 1))
    rows, columns = np.append(PLAYS.user, rows), np.append(PLAYS.song - 100, columns)
    return sp.csr_array((np.append(PLAYS.plays, np.zeros(len(cells))), (rows, columns)))


@pytest.fixture(scope="module")
def fitted():
    return model().fit(PLAYS)


@pytest.fixture(scope="module")
def converged():
    """Fits that more sweeps hardly change, so that the users' rows solve their equations."""
    return {
        bias: model(max_iter=60, tol=0, fit_bias=bias, prior_ratings=3).fit(PLAYS) for bias in (False, True)
    }


def assert_same(one, other):
    for ours, theirs in zip(one.embeddings_ + one.biases_, other.embeddings_ + other.biases_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_all_ways_in_give_the_same_model(fitted):
    assert_same(fitted, model().fit(PAIRS, PLAYS.plays))
    assert_same(fitted, model().fit(PLAYS.sample(frac=1, random_state=1).to_numpy()))
    assert_same(fitted, model().fit(matrix()))
    assert_same(fitted, model().fit(matrix().tocoo()))


@pytest.mark.parametrize("confidence", [None, "linear", "log"])
def test_interactions_without_strength_have_strength_one(confidence):
    one = model(confidence=confidence).fit(PAIRS)
    assert_same(one, model(confidence=confidence).fit(PAIRS, np.ones(len(PAIRS))))
    assert_same(one, model(confidence=confidence).fit(PLAYS.assign(plays=1)))


@pytest.mark.parametrize("confidence", [None, "linear", "log"])
def test_repeated_rows_and_weights_add_up(confidence):
    times = np.random.default_rng(0).integers(1, 4, len(PAIRS))
    repeated = model(confidence=confidence).fit(PAIRS.loc[PAIRS.index.repeat(times)])
    assert_same(repeated, model(confidence=confidence).fit(PAIRS, sample_weight=times))
    if confidence is not None:
        assert_same(repeated, model(confidence=confidence).fit(PAIRS, times))


def test_strengths_count_unless_confidence_is_none(fitted):
    assert_same(model(confidence=None).fit(PLAYS), model(confidence=None).fit(PAIRS))
    linear = model(confidence="linear").fit(PLAYS)
    for one, other in [(fitted, linear), (fitted, model().fit(PAIRS)), (linear, model().fit(PAIRS))]:
        assert np.abs(one.user_embeddings_ - other.user_embeddings_).max() > 1e-3


@pytest.mark.parametrize("confidence", ["linear", "log"])
def test_the_unit_of_strengths_does_not_matter(confidence):
    one, other = (model(confidence=confidence).fit(PAIRS, PLAYS.plays * unit) for unit in (1, 1024))
    assert_same(one, other)


def test_rows_of_strength_zero_are_dropped(fitted):
    more = pd.DataFrame({"user": [0, 999], "song": [101, 100], "plays": [0.0, 0.0]})
    assert_same(fitted, model().fit(pd.concat([PLAYS, more])))
    assert 999 not in model().fit(pd.concat([PLAYS, more])).user_ids_
    stored = matrix(cells=[(0, 1), (2, 3)])
    assert stored.nnz == len(PLAYS) + 2
    assert_same(fitted, model().fit(stored))


@pytest.mark.parametrize(
    ("strengths", "weights", "message"),
    [
        ([1, -2, 1], None, "Strengths must not be negative, got -2 at position 1: use 0 to drop a row"),
        ([0, 0, 0], None, "No row has a strength and a weight above 0"),
        ([1, 0, 0], [0, 1, 1], "No row has a strength and a weight above 0"),
        ([1, 2], None, "X has 3 rows but there are 2 strengths"),
        ([1, np.nan, 1], None, "finite numbers"),
    ],
)
@pytest.mark.parametrize("confidence", [None, "log"])
def test_wrong_strengths_are_refused(strengths, weights, message, confidence):
    with pytest.raises(ValueError, match=message):
        model(confidence=confidence).fit([[1, 7], [1, 8], [2, 7]], strengths, weights)


def test_constant_and_heavy_tailed_strengths_raise_no_warning():
    counts = np.resize([1, 1, 1, 1, 30, 10_000], len(PAIRS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model().fit(PAIRS)
        model().fit(PAIRS, counts)
    with pytest.warns(UserWarning, match="use ImplicitMFRecommender"):
        MFRecommender(2, max_iter=1).fit(PAIRS, counts)


def test_preferences_are_inner_products_near_one_where_observed(fitted):
    users, songs = (
        np.searchsorted(ids, PAIRS[name]) for ids, name in zip(fitted.categories_, PAIRS, strict=True)
    )
    products = np.sum(fitted.user_embeddings_[users] * fitted.item_embeddings_[songs], axis=1)
    np.testing.assert_allclose(fitted.predict(PAIRS), products, rtol=1e-5, atol=1e-6)
    other_half = PAIRS.assign(song=np.where(PAIRS.song % 2, PAIRS.song - 1, PAIRS.song + 1))
    assert fitted.predict(PAIRS).mean() > 0.3 > 0.1 > np.abs(fitted.predict(other_half)).mean()
    assert (fitted.intercept_, fitted.scale_) == (0, 1)


def test_recommends_unseen_songs_of_the_own_half(fitted):
    table = fitted.recommend(n=3)
    assert (table.user % 2 == table.song % 2).all()
    seen = pd.MultiIndex.from_frame(PAIRS)
    assert not pd.MultiIndex.from_frame(table[["user", "song"]]).isin(seen).any()
    np.testing.assert_allclose(fitted.predict(table[["user", "song"]]), table.score, rtol=1e-6)
    neighbors = fitted.similar_items(100, n=3).neighbor
    assert (neighbors % 2 == 0).all()


def test_score_is_the_ndcg_of_unseen_rows():
    rows, held_out = next(PerUserKFold(4, random_state=0).split(PAIRS))
    train, test = PLAYS.iloc[rows], PLAYS.iloc[held_out]
    fitted = model().fit(train)
    users = np.unique(test.user)
    expected = ndcg_at_k(test[["user", "song"]], fitted.recommend(users, 10))
    assert 0.1 < expected < 1
    assert fitted.score(test[["user", "song"]]) == fitted.score(test) == pytest.approx(expected, rel=1e-12)
    assert fitted.score(PAIRS) == pytest.approx(expected, rel=1e-12), "rows seen in fit do not count"
    assert fitted.score(pd.concat([test, test])) == pytest.approx(expected, rel=1e-12)
    assert make_ranking_scorer("ndcg")(fitted, test[["user", "song"]]) == pytest.approx(expected, rel=1e-12)
    loved = test[test.plays > 5]
    strengths = np.where(test.plays > 5, test.plays, 0)
    assert fitted.score(test[["user", "song"]], strengths) == fitted.score(loved) != expected


def test_score_is_nan_where_all_was_seen_or_there_are_no_two_fields(fitted):
    with pytest.warns(UndefinedMetricWarning, match="Fit has seen all"):
        assert np.isnan(fitted.score(PAIRS))
    with pytest.warns(UndefinedMetricWarning, match="fit saw 1 column"):
        assert np.isnan(model().fit(PAIRS[["user"]]).score(PAIRS[["user"]]))
    with pytest.raises(NotFittedError):
        model().score(PAIRS)


@pytest.mark.parametrize("X", [PAIRS, PLAYS], ids=["pairs", "plays"])
def test_searches_need_neither_y_nor_scoring(X):
    search = GridSearchCV(model(), {"alpha": [0.01, 100.0]}, cv=PerUserKFold(3, random_state=0)).fit(X)
    assert search.best_params_ == {"alpha": 0.01}
    assert search.cv_results_["mean_test_score"][0] > search.cv_results_["mean_test_score"][1] + 0.05
    scores = cross_val_score(model(), X, scoring=make_ranking_scorer("recall"), cv=PerUserKFold(3))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("bias", [False, True])
def test_folding_in_the_own_interactions_gives_the_trained_row(converged, bias):
    fitted = converged[bias]
    folded = fitted.fold_in(PLAYS)
    assert folded.ids.tolist() == fitted.user_ids_.tolist()
    np.testing.assert_allclose(folded.embeddings, fitted.user_embeddings_, atol=2e-4)
    np.testing.assert_allclose(folded.biases, fitted.user_biases_, atol=2e-4)
    assert np.ptp(fitted.user_embeddings_) > 0.1
    assert fitted.user_biases_.any() == bias


def test_lists_from_interactions_of_new_users(fitted):
    new = pd.DataFrame({"user": ["a", "a", "b", "b"], "song": [101, 103, 100, 999]})
    table = fitted.recommend(ratings=new, n=2)
    assert table.user.tolist() == ["a", "a", "b", "b"]
    assert table.song.isin([100, 101, 103]).sum() == 0
    assert (table.song % 2).tolist() == [1, 1, 0, 0]
    plays = new.assign(plays=[1.0, 30.0, 1.0, 2.0])
    assert not np.allclose(fitted.recommend(ratings=plays, n=2).score, table.score)
    pd.testing.assert_frame_equal(fitted.recommend(ratings=new.assign(plays=1), n=2), table)
    with pytest.raises(ValueError, match="must not be negative"):
        fitted.recommend(ratings=new.assign(plays=-1))


@pytest.mark.parametrize("bias", [False, True])
def test_contributions_add_up_to_the_score(converged, bias):
    mine = PLAYS[PLAYS.user == 3]
    table = explain(converged[bias], 3, 101, PLAYS)
    score = converged[bias].recommend(ratings=mine, candidates=101, exclude_seen=False)["score"][0]
    assert table.contribution.sum() == pytest.approx(score, rel=1e-9)
    assert dict(zip(table.song[1:], table.rating[1:], strict=True)) == dict(
        zip(mine.song, mine.plays, strict=True)
    )


def test_a_warm_start_continues_the_run():
    half = model(warm_start=True, tol=0).fit(PLAYS)
    ten = half.fit(PLAYS)
    assert_same(ten, model(max_iter=10, tol=0).fit(PLAYS))
    curve = model(max_iter=10, tol=0).fit(PLAYS).loss_curve_
    np.testing.assert_allclose(ten.loss_curve_, curve[5:], rtol=1e-6)
    assert (np.diff(curve) < 0).all()


def test_training_ends_by_tol():
    fitted = model(max_iter=200, tol=1e-3).fit(PLAYS)
    assert fitted.n_iter_ < 50
    falls = -np.diff(fitted.loss_curve_) / fitted.loss_curve_[:-1]
    assert falls[-1] <= 1e-3 < falls[:-1].min()


@pytest.mark.parametrize(
    "changed",
    [
        {"embedding_dim": 3},
        {"alpha": 0.1},
        {"prior_ratings": 20},
        {"unobserved_weight": 2},
        {"unobserved_weight": 0},
        {"confidence": None},
        {"fit_bias": True},
        {"max_iter": 2},
        {"tol": 0.5},
        {"positive": True},
        {"random_state": 1},
    ],
    ids=str,
)
def test_every_parameter_changes_the_result(fitted, changed):
    assert np.abs(model(**changed).fit(PLAYS).predict(PAIRS) - fitted.predict(PAIRS)).max() > 1e-4


@pytest.mark.filterwarnings("ignore:Every id of")
def test_forgotten_items_are_in_no_list():
    forgetful = model().fit(PLAYS).forget(users=[3], items=[101, 103])
    mine = PLAYS[PLAYS.user == 5]
    table = forgetful.recommend(ratings=mine[~mine.song.isin([101, 103])], n=40)
    assert not table.song.isin([101, 103]).any()
    assert table.song.max() == PLAYS.song.max()
    assert len(forgetful.recommend(3, n=1)) == 1, "an unknown user has the average row"


def test_positive_embeddings_are_positive():
    fitted = model(positive=True).fit(PLAYS)
    assert min(embeddings.min() for embeddings in fitted.embeddings_) == 0
    assert (fitted.recommend(n=3).eval("user % 2 == song % 2")).mean() > 0.9
    assert fitted.fold_in(PLAYS).embeddings.min() >= 0


@pytest.mark.filterwarnings("ignore:Every id of")
def test_unknown_ids_have_the_average_or_are_refused(fitted):
    averages, unknown = fitted.average_embeddings_, PAIRS.head(1) * 0 - 1
    assert fitted.predict(unknown)[0] == pytest.approx(averages[0] @ averages[1])
    with pytest.raises(ValueError, match="not known from fit: -1"):
        model(handle_unknown="error").fit(PLAYS).predict(unknown)


@pytest.mark.filterwarnings("ignore:Every id of")
@pytest.mark.parametrize("n_fields", [1, 3])
def test_other_numbers_of_columns_fit_the_observed_rows_alone(n_fields):
    X = np.stack([PAIRS.user, PAIRS.song, PAIRS.user % 3], axis=1)[:, :n_fields]
    fitted = model(fit_bias=True, alpha=1e-4, prior_ratings=0).fit(X, np.ones(len(X)))
    np.testing.assert_allclose(fitted.predict(X), 1, atol={1: 0.6, 3: 0.03}[n_fields])


def test_y_of_an_embedding_is_no_strength():
    outer = np.random.default_rng(0).standard_normal(len(PAIRS))
    embedding = MFEmbedding(model()).fit(PAIRS, outer)
    assert_same(embedding.recommender_, model().fit(PAIRS))
    assert embedding.transform(PAIRS).shape == (len(PAIRS), 8)
    three = MFEmbedding(model()).fit(PLAYS, outer)
    assert len(three.recommender_.categories_) == 3


def test_scorers_rank_among_samples_and_callbacks_score_training_rows():
    rows, held_out = next(PerUserKFold(4, random_state=0).split(PAIRS))
    scorer = make_ranking_scorer(["ndcg", "recall"], k=5, n_negatives=10, random_state=0)
    monitor = ScoringMonitor(scoring=make_ranking_scorer(["coverage"]))
    fitted = model().set_callbacks(monitor).fit(PAIRS.iloc[rows])
    scores = scorer(fitted, PAIRS.iloc[held_out])
    assert 0.5 < scores["ndcg"] <= scores["recall"] * 1.2
    assert len(monitor.get_logs().data_as_pandas) == 6, "five sweeps and the fit"


def test_displays(fitted):
    pytest.importorskip("matplotlib").use("Agg")
    test = interactions(seed=1)
    curves = RankingCurveDisplay.from_estimator(fitted, test[["user", "song"]], test.plays, ks=[1, 5])
    assert (curves.curves["ImplicitMFRecommender"] > curves.popularity).all()
    assert len(TrainingCurveDisplay.from_estimator(fitted).objective) == 5
    assert EmbeddingDisplay.from_estimator(fitted, field="item") is not None
    with pytest.raises(TypeError, match="predicts ratings"):
        ErrorByActivityDisplay.from_estimator(fitted, PAIRS, PLAYS.plays)
