"""Training curves are those of fit."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_mf import MFRecommender
from sklearn_mf.inspection import TrainingCurveDisplay


def test_curves_of_several_models(models):
    display = TrainingCurveDisplay.from_estimator(models)
    sgd, als, bayesian = models.values()
    for table, histories in (
        (display.objective, [sgd.loss_curve_, als.loss_curve_, []]),
        (display.validation, [-np.array(sgd.validation_scores_), [], []]),
        (display.log_likelihood, [[], [], bayesian.log_likelihood_curve_]),
    ):
        assert table.columns.tolist() == list(models)
        assert table.index.tolist() == list(range(1, 1 + max(map(len, histories))))
        for name, history in zip(models, histories, strict=True):
            np.testing.assert_array_equal(table[name].dropna(), history)
    assert [ax.get_ylabel() for ax in display.axes_] == ["objective J", "log-likelihood", "validation RMSE"]
    assert display.ax_ is display.axes_[0]
    assert len(display.lines_) == 4
    np.testing.assert_array_equal(display.lines_[1].get_xdata(), range(1, 8))
    np.testing.assert_array_equal(display.lines_[1].get_ydata(), als.loss_curve_)


def test_a_model_has_one_colour_in_all_panels_and_stands_in_one_legend(models):
    display = TrainingCurveDisplay.from_estimator(models)
    objective, _, likelihood, validation = display.lines_
    assert objective.get_color() == validation.get_color() != likelihood.get_color()
    legends = [ax.get_legend() for ax in display.axes_]
    texts = [[text.get_text() for text in legend.get_texts()] for legend in legends if legend]
    assert texts == [["early stopping", "alternating least\nsquares of sixteen\ndimensions"], ["Bayesian"]]


def test_one_model_alone_inside_a_pipeline_or_a_search(train, models):
    als = models["alternating least squares of sixteen dimensions"]
    display = TrainingCurveDisplay.from_estimator(als)
    assert display.objective.columns.tolist() == ["MFRecommender"]
    assert len(display.axes_) == 1
    pipeline = make_pipeline(MFRecommender(2, max_iter=3, random_state=0))
    search = GridSearchCV(pipeline, {"mfrecommender__alpha": [0.1]}, cv=2)
    search.fit(train[["user", "item"]], train["rating"])
    display = TrainingCurveDisplay.from_estimator({"a search": search})
    assert display.objective["a search"].tolist() == search.best_estimator_[-1].loss_curve_


def test_given_axes_are_drawn_on(models):
    _, axes = plt.subplots(1, 3)
    display = TrainingCurveDisplay.from_estimator(models, ax=axes, line_kwargs={"lw": 3})
    assert list(display.axes_) == list(axes)
    assert display.figure_ is axes[0].figure
    assert {line.get_linewidth() for line in display.lines_} == {3}
    with pytest.raises(ValueError, match="3 panels to draw: pass as many axes, got 1"):
        display.plot(axes[0])


def test_what_has_no_curve_says_so(train):
    with pytest.raises(TypeError, match="DummyRegressor is no recommender"):
        TrainingCurveDisplay.from_estimator(DummyRegressor().fit([[0]], [1]))
    with pytest.raises(ValueError, match="no estimator to show in an empty dict"):
        TrainingCurveDisplay.from_estimator({})
