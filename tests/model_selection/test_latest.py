"""Splits in time."""

import datetime
import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_mf.model_selection import ColdUserSplit, LeaveLastOut, TemporalSplit
from tests.model_selection.helpers import checked, quick, tables


def time_of(X, seed, timed):
    return np.random.default_rng(seed).integers(0, 9, len(X)) if timed else None


@quick
@given(tables(), st.integers(1, 5), st.integers(0, 99), st.booleans())
def test_the_last_ratings_of_each_user(X, n, seed, timed):
    time = time_of(X, seed, timed)
    sorted_rows = X.assign(time=0 if time is None else time).sort_values("time", kind="stable")
    many = sorted_rows.groupby("user")["item"].transform("size") > n
    expected = sorted_rows[many].groupby("user").tail(n).index.sort_values()
    if not many.any():
        with pytest.raises(ValueError, match=f"No user has more than n={n} ratings"):
            next(LeaveLastOut(n).split(X, groups=time))
        return
    tested = checked(LeaveLastOut(n).split(X, groups=time), len(X))
    assert len(tested) == 1
    np.testing.assert_array_equal(np.flatnonzero(tested[0]), expected)
    assert set(X.user[~tested[0]]) == set(X.user)


@quick
@given(tables(min_rows=2), st.floats(0.01, 0.99) | st.integers(1, 60), st.integers(0, 99), st.booleans())
def test_the_last_ratings_of_all(X, size, seed, timed):
    time = time_of(X, seed, timed)
    n_test = math.ceil(size * len(X)) if isinstance(size, float) else size
    if n_test >= len(X):
        with pytest.raises(ValueError, match=r"test_size=.*train set will be empty|test_size=.* smaller"):
            next(TemporalSplit(size).split(X, groups=time))
        return
    tested = checked(TemporalSplit(size).split(X, groups=time), len(X))
    order = np.argsort(np.zeros(len(X)) if time is None else time, kind="stable")
    np.testing.assert_array_equal(np.flatnonzero(tested[0]), np.sort(order[len(X) - n_test :]))


DAYS = [datetime.date(2020, 1, day) for day in (3, 1, 2, 1, 5)]
TIMES = {
    "numbers": [3, 1.0, 2, 1, 5],
    "array": np.array([3, 1, 2, 1, 5], np.uint8),
    "infinite": [3, -np.inf, 2, -np.inf, np.inf],
    "dates": DAYS,
    "datetime64": np.array(DAYS, "datetime64[D]"),
    "timedelta": pd.to_timedelta([3, 1, 2, 1, 5], unit="h"),
    "zone": pd.Series(pd.to_datetime(DAYS).tz_localize("Asia/Tokyo"), index=list("vwxyz")),
    "text": ["2020-01-03", "2020-01-01", "2020-01-02", "2020-01-01", "2020-01-05"],
    "objects": np.array(["c", "a", "b", "a", "e"], dtype=object),
    "nullable": pd.array([3, 1, 2, 1, 5], dtype="Int64"),
    "polars": pl.Series("t", DAYS),
    "polars numbers": pl.Series([3, 1, 2, 1, 5]),
}


@pytest.mark.parametrize("time", TIMES.values(), ids=TIMES)
def test_times_of_many_types(time):
    X = [["a", 1], ["a", 2], ["a", 3], ["a", 4], ["a", 5]]
    for cv, expected in [
        (LeaveLastOut(3), [0, 2, 4]),
        (LeaveLastOut(4), [0, 2, 3, 4]),  # of the two first the one that stands last
        (TemporalSplit(4), [0, 2, 3, 4]),
    ]:
        assert next(cv.split(X, groups=time))[1].tolist() == expected
    X += [["b", 1], ["b", 2]]
    time = list(time)
    time += [time[0], time[0]]
    tests = [test.tolist() for _, test in ColdUserSplit(2, given=1, random_state=0).split(X, groups=time)]
    assert sorted(tests) == [[0, 2, 3, 4], [6]]


@pytest.mark.parametrize("cv", [LeaveLastOut(), TemporalSplit(), ColdUserSplit(2, given=1)])
def test_times_that_make_no_sense(cv):
    X = [["a", 1], ["a", 2], ["b", 1], ["b", 2]]
    text, numbers = pd.Series(["x", None, "y", "z"]), pl.Series("t", [1, None, 2, 3])
    for missing in ([1, None, 2, 3], [1.0, np.nan, 2, 3], text, numbers):
        with pytest.raises(ValueError, match=r"groups contains a missing time .* in row 1: drop"):
            next(cv.split(X, groups=missing))
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[4, 3\]"):
        next(cv.split(X, groups=[1, 2, 3]))
    with pytest.raises(TypeError, match="groups must be times that can be put in order"):
        next(cv.split(X, groups=np.array([1, "b", 2, "c"], dtype=object)))
    with pytest.raises(ValueError, match="1-dimensional"):
        next(cv.split(X, groups=np.ones((4, 1))))
