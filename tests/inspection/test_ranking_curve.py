"""The curve is what the scorer gives at each k."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from sklearn_mf import MFRecommender
from sklearn_mf.inspection import RankingCurveDisplay
from sklearn_mf.metrics import make_ranking_scorer, recall_at_k

IDS = ["user", "item"]


@pytest.mark.parametrize("metric", ["ndcg", "recall", "average_precision"])
def test_values_are_those_of_the_scorer(test, models, metric):
    X, y = test[IDS], test["rating"]
    display = RankingCurveDisplay.from_estimator(
        models, X, y, metric=metric, ks=[5, 1, 20], relevance_threshold=4, popularity=False
    )
    assert display.curves.columns.tolist() == list(models)
    assert display.curves.index.tolist() == [1, 5, 20]
    assert display.popularity is None
    for k in display.curves.index:
        scorer = make_ranking_scorer(metric, k=k, relevance_threshold=4)
        for name, model in models.items():
            assert display.curves.loc[k, name] == pytest.approx(scorer(model, X, y), rel=1e-12)
    for line, name in zip(display.lines_, models, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), display.curves[name])
    assert display.ax_.get_ylabel() == f"{metric.replace('_', ' ')} at k"


def test_popularity_lists_the_most_rated_items_that_were_not_seen(train, test, model):
    display = RankingCurveDisplay.from_estimator(model, test[IDS], test["rating"], metric="recall", ks=[3, 9])
    order = train["item"].value_counts().rename_axis("item").reset_index()
    order = order.sort_values(["count", "item"], ascending=[False, True])["item"]
    seen = train.groupby("user")["item"].agg(set)
    rows = [
        (user, item)
        for user in test["user"].unique()
        for item in [item for item in order if item not in seen.get(user, set())][:9]
    ]
    lists = pd.DataFrame(rows, columns=IDS)
    for k in (3, 9):
        assert display.popularity[k] == pytest.approx(recall_at_k(test[IDS], lists, k), rel=1e-12)
    assert display.lines_[-1].get_label() == "most rated items"
    np.testing.assert_array_equal(display.lines_[-1].get_ydata(), display.popularity)


def test_pipelines_rank_as_the_recommender_inside(train, test):
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    pipeline = make_pipeline(encoder, MFRecommender(4, random_state=0)).fit(train[IDS], train["rating"])
    plain = MFRecommender(4, random_state=0).fit(train)
    known = test[test["user"].isin(train["user"])]  # the encoder makes one stranger of all
    display = RankingCurveDisplay.from_estimator({"in": pipeline, "out": plain}, known[IDS], known["rating"])
    np.testing.assert_allclose(display.curves["in"], display.curves["out"], rtol=1e-9)
    assert display.curves.to_numpy().min() > 0


def test_given_axes_and_keywords(test, model):
    _, ax = plt.subplots()
    display = RankingCurveDisplay.from_estimator(
        model, test[IDS], test["rating"], ax=ax, line_kwargs={"c": "red"}
    )
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert display.lines_[0].get_color() == "red"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "2", "5", "10", "20", "50"]
    assert len(ax.get_legend().get_texts()) == 2


@pytest.mark.parametrize("layout", [None, "constrained"])
def test_the_legend_is_beside_the_axes_and_inside_the_figure(test, models, layout):
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout=layout)
    for ax in axes:
        RankingCurveDisplay.from_estimator(models, test[IDS], test["rating"], ax=ax)
    figure.canvas.draw()
    boxes = [ax.get_window_extent() for ax in axes]
    legends = [ax.get_legend().get_window_extent() for ax in axes]
    assert not any(legend.count_overlaps(boxes) for legend in legends)
    assert legends[1].x1 <= figure.bbox.x1
    assert min(box.width for box in boxes) > 200


def test_lengths_at_equal_steps_have_a_linear_axis(test, model):
    display = RankingCurveDisplay.from_estimator(model, test[IDS], test["rating"], ks=range(1, 31))
    assert display.ax_.get_xscale() == "linear"
    assert all(float(tick).is_integer() for tick in display.ax_.get_xticks())
    many = np.unique(np.geomspace(1, 60, 30).astype(int))
    display = RankingCurveDisplay.from_estimator(model, test[IDS], test["rating"], ks=many)
    assert display.ax_.get_xscale() == "log"
    assert len(display.ax_.get_xticks()) <= 10 < len(many)


def test_bad_input_says_so(test, model):
    X, y = test[IDS], test["rating"]
    draw = RankingCurveDisplay.from_estimator
    with pytest.raises(ValueError, match=r"metric must be one of precision, .*got 'auc'"):
        draw(model, X, y, metric="auc")
    for ks in ([], [0, 1], [1.5], ["a"]):
        with pytest.raises(ValueError, match="ks must be whole numbers of at least 1"):
            draw(model, X, y, ks=ks)
    with pytest.raises(ValueError, match="lower the threshold"):
        draw(model, X, y, relevance_threshold=99)
    with pytest.raises(ValueError, match="ratings"):
        draw(model, X, y[:-1])
    with pytest.raises(TypeError, match="needs a recommender, got DummyRegressor"):
        draw(DummyRegressor().fit(X, y), X, y)


def test_training_ratings_have_no_curve(train, model):
    with pytest.raises(ValueError, match="Fit has seen all relevant ratings"):
        RankingCurveDisplay.from_estimator(model, train[["user", "item"]], train["rating"])
