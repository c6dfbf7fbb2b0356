"""Warnings about input that is valid but probably not meant."""

import warnings

import numpy as np
import pandas as pd
import pytest

from sklearn_mf import BayesianMFRecommender, MFRecommender
from sklearn_mf.ratings._row_formats import split_ratings
from sklearn_mf.ratings._suspicions import warn_of_implicit_feedback

RNG = np.random.default_rng(0)
COUNTS = {
    "log-normal plays": np.exp(RNG.normal(5, 2.5, 300)).round() + 1,
    "Zipf check-ins": np.minimum(RNG.zipf(1.7, 3000), 5000),
    "mostly zeros": np.append(np.zeros(500), [1, 1, 2, 3, 15, 4000]),
    "a handful": [1, 3, 2, 500, 12000, 45, 7, 1],
}
SCALES = {
    "stars": RNG.integers(1, 6, 300),
    "half stars": RNG.integers(1, 11, 300) / 2,
    "percent": RNG.integers(1, 101, 300),
    "percent, mostly low": np.append(np.ones(400), RNG.integers(1, 101, 30)),
    "points": RNG.integers(0, 1001, 300),
    "jokes": RNG.uniform(-10, 10, 300),
    "a typing error": np.append(RNG.integers(1, 6, 300), 999),
    "prices": np.exp(RNG.normal(3, 1, 300)).round(2),
    "logarithms of plays": np.log1p(COUNTS["log-normal plays"]),
    "hundreds and thousands": RNG.integers(1, 30, 300) * 100,
    "binary": RNG.integers(0, 2, 300),
    "one rating": [4.0],
}


def warned(ratings):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_implicit_feedback(np.asarray(ratings, dtype=float), "MFRecommender")
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("ratings", COUNTS.values(), ids=COUNTS)
def test_counts_warn(ratings):
    (message,) = warned(ratings)
    assert f"whole numbers from {min(ratings):g} to {max(ratings):g} with median" in message
    assert "MFRecommender fits ratings on a scale" in message
    assert "np.log1p(y), or use ImplicitMFRecommender." in message


@pytest.mark.parametrize("ratings", SCALES.values(), ids=SCALES)
def test_scales_do_not_warn(ratings):
    assert not warned(ratings)


def test_equal_ratings_warn():
    assert warned([3.5, 3.5]) == [
        "All 2 ratings are 3.5: MFRecommender learns from ratings that differ, so there is nothing to learn; "
        "if a row only says that a user chose an item, as a click does, use ImplicitMFRecommender."
    ]


def test_fit_warns_at_the_line_of_the_caller():
    X = [[0, 0], [0, 1], [1, 1]]
    for estimator in (MFRecommender(2, max_iter=1), BayesianMFRecommender(2, max_iter=2)):
        with pytest.warns(UserWarning, match=f"All 3 ratings are 1: {type(estimator).__name__}") as caught:
            estimator.fit(X, [1, 1, 1])
        assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="whole numbers from 1 to 90000 with median 30"):
        MFRecommender(2, max_iter=1).fit(X, [1, 30, 90_000])


# ---------------------------------------------------------------------- a column too many

TABLE = pd.DataFrame({"user": [1, 2], "item": ["a", "b"], "rating": [5.0, 3.0]})
DAYS = pd.to_datetime(["1997-12-04", "2024-02-29"])
SECONDS = np.array([874724710, 1709164800])
TIMES = {
    "dates": DAYS,
    "dates with a zone": DAYS.tz_localize("UTC"),
    "objects": DAYS.date,
    "text": ["1997-12-04 10:00", "2024-02-29 11:00"],
    "Arrow": pd.Series(DAYS).astype("timestamp[us][pyarrow]"),
    "seconds": SECONDS,
    "float seconds": SECONDS + 0.5,
    "milliseconds": SECONDS * 10**3,
    "nanoseconds": SECONDS * 10**9,
}


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("place", [0, 3])
def test_a_column_that_holds_times_is_named(times, place):
    pytest.importorskip("pyarrow")
    table = TABLE.copy()
    table.insert(place, "x", times)
    message = (
        r"got an input of shape \(2, 4\), where column 'x' looks like a time: drop it, "
        r"pass ratings\[\['user', 'item', 'rating'\]\]\.$"
    )
    with pytest.raises(ValueError, match=message):
        split_ratings(table, None, "Model")


@pytest.mark.parametrize("name", ["timestamp", "Date", "rated_time", "unixReviewTime", "ts"])
def test_a_column_is_a_time_by_its_name(name):
    with pytest.raises(ValueError, match=f"where column '{name}' looks like a time"):
        split_ratings(TABLE.assign(**{name: [1, 2]}), None, "Model")


@pytest.mark.parametrize("name", ["candidate", "times_played_x", "hour", "update"])
def test_other_columns_are_not_called_times(name):
    with pytest.raises(ValueError, match=r"got an input of shape \(2, 4\)\.$"):
        split_ratings(TABLE.assign(**{name: [1, 2]}), None, "Model")


def test_a_time_in_an_array_is_named_by_its_number():
    table = np.column_stack([[1, 2], [3, 4], [5, 3], SECONDS])
    for ratings in (table, table.tolist()):
        with pytest.raises(
            ValueError, match=r"where column 3 looks like a time: drop it, keep columns 0, 1 and 2"
        ):
            split_ratings(ratings, None, "Model")


def test_a_time_in_a_frame_of_another_library():
    pl = pytest.importorskip("polars")
    frame = pl.from_pandas(TABLE.assign(at=DAYS))
    with pytest.raises(ValueError, match=r"pass ratings\.select\(\['user', 'item', 'rating'\]\)"):
        split_ratings(frame, None, "Model")


def test_missing_text_beside_a_time_is_no_trouble():
    table = TABLE[["user", "rating"]].assign(title=["a", None], timestamp=SECONDS)
    for titles in (table.title, table.title.astype(object), pd.Series([None, None], dtype=object)):
        with pytest.raises(ValueError, match="where column 'timestamp' looks like a time"):
            split_ratings(table.assign(title=titles), None, "Model")
        with pytest.raises(ValueError, match="where column 'x' looks like a time"):
            split_ratings(table.assign(title=titles).rename(columns={"timestamp": "x"}), None, "Model")


def test_two_columns_too_many_are_not_explained():
    with pytest.raises(ValueError, match=r"got an input of shape \(2, 5\)\.$"):
        split_ratings(TABLE.assign(timestamp=DAYS, title="x"), None, "Model")
