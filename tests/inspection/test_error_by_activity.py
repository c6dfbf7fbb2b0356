"""Errors by the number of training ratings are those of a plain computation."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.metrics import root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from sklearn_mf import MFRecommender
from sklearn_mf.inspection import ErrorByActivityDisplay

IDS = ["user", "item"]


@pytest.mark.filterwarnings("ignore:Every id of 'user' is unknown")
@pytest.mark.parametrize("field", IDS)
def test_values_equal_a_plain_computation(train, test, models, field):
    display = ErrorByActivityDisplay.from_estimator(models, test[IDS], test["rating"], field=field, n_bins=4)
    counts = test[field].map(train[field].value_counts()).fillna(0)
    assert display.errors.columns.tolist() == list(models)
    assert display.errors.index.equals(display.bins.index)
    assert display.bins["n_rows"].sum() == len(test)
    for span, (least, most, n_rows) in display.bins.iterrows():
        rows = counts.between(least, most)
        assert rows.sum() == n_rows
        assert {counts[rows].min(), counts[rows].max()} == {least, most}
        assert span == (f"{least}-{most}" if least < most else str(least))
        for name, model in models.items():
            expected = root_mean_squared_error(test.loc[rows, "rating"], model.predict(test.loc[rows, IDS]))
            assert display.errors.loc[span, name] == pytest.approx(expected, rel=1e-12)


def test_unknown_ids_are_a_group_of_their_own(test, model):
    display = ErrorByActivityDisplay.from_estimator(model, test[IDS], test["rating"])
    assert display.bins.loc["0", "n_rows"] == (test["user"] <= 4).sum() > 0
    assert 2 <= len(display.bins) <= 9
    strangers = test[test["user"] <= 4]
    with pytest.warns(UserWarning, match="Every id of 'user' is unknown"):
        alone = ErrorByActivityDisplay.from_estimator(model, strangers[IDS], strangers["rating"])
    assert alone.bins.index.tolist() == ["0"]


def test_bins_are_of_about_equal_width_on_a_log_scale():
    counts = np.repeat(np.arange(1, 33), np.arange(1, 33))
    train = pd.DataFrame({"user": counts, "item": np.concatenate([np.arange(n) for n in range(1, 33)])})
    model = MFRecommender(0, max_iter=1, random_state=0).fit(train, np.arange(len(train)) % 5)
    display = ErrorByActivityDisplay.from_estimator(model, train, np.zeros(len(train)), n_bins=4)
    assert display.bins.index.tolist() == ["1", "2-5", "6-13", "14-32"]
    one = ErrorByActivityDisplay.from_estimator(model, train, np.zeros(len(train)), n_bins=1)
    assert one.bins.index.tolist() == ["1-32"]


def test_what_is_drawn_are_the_errors_and_the_numbers_of_rows(test, models):
    _, ax = plt.subplots()
    display = ErrorByActivityDisplay.from_estimator(
        models, test[IDS], test["rating"], ax=ax, line_kwargs={"linewidth": 3}
    )
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    for line, (_, errors) in zip(display.lines_, display.errors.items(), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), errors)
        assert line.get_linewidth() == 3
    assert [text.get_text() for text in display.texts_] == [f"{n:,} rows" for n in display.bins["n_rows"]]
    assert ax.get_legend() is not None
    again = display.plot()
    assert again.ax_ is not ax


def test_pipelines_and_other_regressors(train, test):
    y = train["rating"]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    recommender = MFRecommender(4, random_state=0)
    pipeline = make_pipeline(encoder, recommender).fit(train[IDS], y)
    mean = DummyRegressor().fit(train[IDS], y)
    plain = MFRecommender(4, random_state=0).fit(train)
    display = ErrorByActivityDisplay.from_estimator(
        {"pipeline": pipeline, "mean": mean, "plain": plain}, test[IDS], test["rating"]
    )
    assert display.bins.loc["0", "n_rows"] == (test["user"] <= 4).sum()
    np.testing.assert_allclose(display.errors["pipeline"], display.errors["plain"], rtol=1e-6)
    assert not np.allclose(display.errors["mean"], display.errors["plain"])


def test_bad_input_says_so(test, model):
    X, y = test[IDS], test["rating"]
    with pytest.raises(ValueError, match="field must be 'user' or 'item', got 'film'"):
        ErrorByActivityDisplay.from_estimator(model, X, y, field="film")
    with pytest.raises(ValueError, match="n_bins == 0"):
        ErrorByActivityDisplay.from_estimator(model, X, y, n_bins=0)
    with pytest.raises(ValueError, match="ratings"):
        ErrorByActivityDisplay.from_estimator(model, X, y[:-1])
    with pytest.raises(TypeError, match="needs a recommender, got DummyRegressor"):
        ErrorByActivityDisplay.from_estimator(DummyRegressor().fit(X, y), X, y)
    three = np.random.default_rng(0).integers(0, 5, (60, 3))
    other = MFRecommender(2, max_iter=1, random_state=0).fit(three, three.sum(1))
    with pytest.raises(ValueError, match="ErrorByActivityDisplay needs a model of two fields"):
        ErrorByActivityDisplay.from_estimator(other, three, three.sum(1))
