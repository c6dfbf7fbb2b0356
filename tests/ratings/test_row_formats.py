"""A row is a rating, or an interaction with a strength."""

import numpy as np
import pandas as pd
import pytest

from sklearn_mf.ratings._row_formats import RATINGS, InteractionRows
from sklearn_mf.ratings._validation import read_ratings

TABLE = pd.DataFrame({"user": [1, 1, 2], "item": [7, 8, 7], "plays": [5.0, 0.0, 4.0]})
PAIRS = TABLE[["user", "item"]]


@pytest.mark.parametrize(
    "X", [TABLE, TABLE.to_numpy(), TABLE.to_numpy().tolist()], ids=["frame", "array", "list"]
)
def test_a_third_column_is_the_strength(X):
    read = read_ratings(X, None, None, "Model", InteractionRows(has_strengths=True))
    assert len(read.ids) == 2
    assert read.targets.tolist() == [5, 4]
    assert read.ids[0].rows.tolist() == [1, 2]
    assert np.asarray(read.X)[:, 1].tolist() == [7, 7]


@pytest.mark.parametrize("X", [PAIRS, PAIRS.to_numpy(), TABLE[["user"]], TABLE.assign(hour=3)], ids=range(4))
def test_ids_alone_have_strength_one(X):
    read = read_ratings(X, None, [1, 2, 0], "Model", InteractionRows(has_strengths=True))
    assert len(read.ids) == X.shape[1]
    assert read.targets.tolist() == [1, 1]
    assert read.weights.tolist() == [1, 2]


def test_strengths_that_do_not_count_still_drop_rows():
    read = read_ratings(PAIRS, TABLE.plays, None, "Model", InteractionRows(has_strengths=False))
    assert read.targets.tolist() == [1, 1]
    assert read.ids[1].rows.tolist() == [7, 7]


def test_three_columns_with_y_are_three_fields():
    read = read_ratings(TABLE, [1, 2, 3], None, "Model", InteractionRows(has_strengths=True))
    assert len(read.ids) == 3
    assert read.targets.tolist() == [1, 2, 3]


def test_ratings_of_zero_are_kept():
    read = read_ratings(TABLE, None, None, "Model")
    assert read.targets.tolist() == [5, 0, 4]
    assert (RATINGS.merging, InteractionRows(has_strengths=True).merging) == ("mean", "sum")


def test_interactions_raise_no_error_about_a_missing_y():
    with pytest.raises(ValueError, match="requires y to be passed"):
        RATINGS.split(PAIRS, None, "Model")
    assert InteractionRows(has_strengths=True).split(PAIRS, None, "Model")[1] is None
