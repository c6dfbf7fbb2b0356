"""The comparison is that of the tables, and the picture shows it."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from sklearn_mf import MFRecommender
from sklearn_mf.inspection import RankingComparisonDisplay
from sklearn_mf.metrics import compare

IDS = ["user", "item"]
OPTIONS = {"n_resamples": 199, "random_state": 0}


@pytest.fixture(scope="module")
def display(test, models):
    return RankingComparisonDisplay.from_estimator(
        models, test[IDS], test["rating"], k=5, relevance_threshold=4, **OPTIONS
    )


def test_estimators_are_compared_by_their_lists(test, models, display):
    liked = test.loc[test["rating"] >= 4, IDS]
    lists = {name: model.recommend(test["user"].unique(), n=5) for name, model in models.items()}
    expected = compare(liked, lists, k=5, **OPTIONS)
    pd.testing.assert_frame_equal(display.comparison, expected)
    assert (display.metric, display.k) == ("ndcg", 5)


def test_tables_are_compared_as_in_metrics(test, models):
    lists = {name: model.recommend(test["user"].unique(), n=5) for name, model in models.items()}
    display = RankingComparisonDisplay.from_tables(test[IDS], lists, metric="recall", k=5, **OPTIONS)
    pd.testing.assert_frame_equal(display.comparison, compare(test[IDS], lists, "recall", 5, **OPTIONS))
    assert display.ax_.get_xlabel() == "difference of recall at 5, with 95 % intervals"


def test_the_picture_shows_differences_intervals_and_p_values(display):
    table = display.plot().comparison
    points, _, (bars,) = display.errorbar_
    np.testing.assert_array_equal(points.get_xdata(), table["difference"])
    ends = np.array([segment[:, 0] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, table[["low", "high"]], atol=1e-12)
    assert list(display.line_.get_xdata()) == [0, 0]
    texts = [text.get_text() for text in display.texts_]
    assert texts == ["p < 0.001" if p < 0.001 else f"p = {p:.3f}" for p in table["p_value"]]
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels[0] == "early stopping\nminus alternating least\nsquares of sixteen\ndimensions"
    low, high = display.ax_.get_ylim()
    assert low > len(table) - 1 and high < 0, "the first pair is at the top"


def test_small_p_values_are_not_shown_as_0():
    row = {"first": "a", "second": "b", "difference": 0.1, "low": 0.05, "high": 0.2, "p_value": 0.0002}
    display = RankingComparisonDisplay(comparison=pd.DataFrame([row]), metric="ndcg", k=10).plot()
    assert display.texts_[0].get_text() == "p < 0.001"


def test_pipelines_with_other_ids_are_matched_by_row(train, test, model):
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    pipeline = make_pipeline(encoder, MFRecommender(4, early_stopping=True, random_state=0))
    pipeline.fit(train[IDS], train["rating"])
    known = test[test["user"].isin(train["user"])].sample(frac=1, random_state=0)
    shifted = {"in": pipeline, "out": model}  # the encoder numbers user 5 as 0
    table = RankingComparisonDisplay.from_estimator(
        shifted, known[IDS], known["rating"], **OPTIONS
    ).comparison
    assert table["mean_first"][0] > 0
    row = table[["mean_first", "difference", "low", "high", "p_value"]].iloc[0]
    np.testing.assert_allclose(row, [table["mean_second"][0], 0, 0, 0, 1], atol=1e-9)


def test_a_user_counts_if_all_estimators_have_a_relevant_item(train, test, model):
    some = test[test["user"] != 7]
    other = MFRecommender(2, random_state=0).fit(pd.concat([train, test[test["user"] == 7]]))
    tables = [
        RankingComparisonDisplay.from_estimator(
            {"a": model, "b": other}, part[IDS], part["rating"], **OPTIONS
        ).comparison
        for part in (test, some)
    ]
    assert 7 in set(test["user"])
    pd.testing.assert_frame_equal(*tables)


def test_given_axes_and_keywords(display):
    _, ax = plt.subplots()
    shown = RankingComparisonDisplay(comparison=display.comparison, metric="ndcg", k=5)
    assert shown.plot(ax, errorbar_kwargs={"c": "red"}) is shown
    assert shown.ax_ is ax and shown.figure_ is ax.figure
    assert shown.errorbar_[0].get_color() == "red"


def test_bad_input_says_so(train, test, model):
    X, y = test[IDS], test["rating"]
    draw = RankingComparisonDisplay.from_estimator
    two = {"a": model, "b": model}
    for one in (model, {"a": model}):
        with pytest.raises(ValueError, match="at least 2 estimators, got"):
            draw(one, X, y)
    with pytest.raises(ValueError, match=r"metric must be one of precision, .*got 'coverage'"):
        draw(two, X, y, metric="coverage")
    with pytest.raises(ValueError, match=r"'k' parameter of .* must be an int in the range"):
        draw(two, X, y, k=0)
    with pytest.raises(ValueError, match="n_resamples == 0, must be >= 1"):
        draw(two, X, y, n_resamples=0)
    with pytest.raises(ValueError, match="Fit has seen all relevant ratings"):
        draw(two, train[IDS], train["rating"])
    with pytest.raises(TypeError, match="RankingComparisonDisplay needs a recommender, got DummyRegressor"):
        draw({"a": model, "b": DummyRegressor().fit(X, y)}, X, y)


def test_without_matplotlib_tables_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"RankingComparisonDisplay\.from_tables requires matplotlib"):
        RankingComparisonDisplay.from_tables([[1, 2]], {})
