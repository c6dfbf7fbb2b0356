"""The bytes of a model are those that the page on limits states."""

import numpy as np
import pytest

from sklearn_mf import ImplicitMFRecommender, MFRecommender
from sklearn_mf.datasets import make_ratings

DIM, PATTERN, N_USERS, N_ITEMS = 4, 2, 60, 40
N_IDS = N_USERS + N_ITEMS
OPTIONS = {"max_iter": 2, "random_state": 0}
CASES = {
    "default": (MFRecommender(DIM, implicit_features=PATTERN, **OPTIONS), 12 * (DIM + 1) * N_IDS, 4 * DIM),
    "alpha": (MFRecommender(DIM, alpha=0.04, **OPTIONS), 8 * (DIM + 1) * N_IDS, 0),
    "observed": (MFRecommender(DIM, alpha=0.04, unobserved_weight=0, **OPTIONS), 4 * (DIM + 1) * N_IDS, 0),
    "implicit": (ImplicitMFRecommender(DIM, **OPTIONS), 4 * (DIM + 1) * N_IDS, 0),
}


@pytest.mark.parametrize("case", CASES)
def test_bytes_of_rows(case):
    """Rows are the float32 arrays of a fitted estimator; prior means of items are counted for each item."""
    model, rows, each_item = CASES[case]
    ratings = make_ratings(N_USERS, N_ITEMS, 2_000, random_state=0)
    model.fit(ratings.assign(rating=ratings["rating"].abs() + 0.1))
    arrays = [part for value in vars(model).values() if isinstance(value, list) for part in value]
    floats = [part for part in arrays if isinstance(part, np.ndarray) and part.dtype == np.float32]
    assert len(model.user_ids_) + len(model.item_ids_) == N_IDS
    assert sum(part.nbytes for part in floats) == rows + each_item * N_ITEMS
