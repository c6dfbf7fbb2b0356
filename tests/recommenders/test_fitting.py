"""The one fit of all recommenders: attributes of one fit at a time, and warnings about its use."""

import copy
import threading

import numpy as np
import pandas as pd
import pytest

from sklearn_mf import BayesianMFRecommender, MFRecommender
from tests.conftest import low_rank_ratings

X, Y = low_rank_ratings(n_ratings=300)


class FitInThread(threading.Thread):
    """Refits an estimator, and waits at the end of its first pass until it is told to go on."""

    def __init__(self, model):
        super().__init__()
        self.model, self.reached, self.go_on = model, threading.Event(), threading.Event()

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name != "fit":
            self.reached.set()
            self.go_on.wait(60)

    def run(self):
        self.model.set_callbacks(self).fit(X + 1000, 10 * Y)


def test_another_thread_sees_the_last_fit_until_the_new_one_is_complete():
    model = MFRecommender(3, max_iter=3, random_state=0).fit(X, Y)
    before, expected = copy.copy(model), model.predict(X)
    refit = FitInThread(model)
    refit.start()
    assert refit.reached.wait(60)
    try:
        np.testing.assert_array_equal(model.predict(X), expected)
        pd.testing.assert_frame_equal(model.recommend(n=2), before.recommend(n=2))
        assert vars(model).keys() - {"_skl_callbacks_to_teardown", "_callback_fit_ctx"} == (
            vars(before).keys() | {"_skl_callbacks"}
        )
    finally:
        refit.go_on.set()
        refit.join()
    assert model.user_ids_.min() >= 1000
    alone = MFRecommender(3, max_iter=3, random_state=0).fit(X + 1000, 10 * Y)
    np.testing.assert_array_equal(model.predict(X + 1000), alone.predict(X + 1000))


def test_a_call_reads_the_attributes_of_one_fit(monkeypatch):
    """The fit of another thread that ends in the middle of a call does not change what the call reads."""
    model = MFRecommender(3, max_iter=2, random_state=0).fit(X, Y)
    other = MFRecommender(5, max_iter=2, random_state=0).fit(X + 1000, 10 * Y)
    expected, read_codes = model.predict(X), MFRecommender._read_codes

    def replaced_meanwhile(self, ids):
        codes = read_codes(self, ids)
        model.__dict__ = dict(vars(other))
        return codes

    monkeypatch.setattr(MFRecommender, "_read_codes", replaced_meanwhile)
    np.testing.assert_array_equal(model.predict(X), expected)


def test_a_refit_on_other_data_leaves_nothing_of_the_last_fit():
    frame = pd.DataFrame(X, columns=["user", "item"])
    model = MFRecommender(3, max_iter=2, random_state=0).fit(frame, Y)
    model.fit(X[:, :1], Y)
    fresh = MFRecommender(3, max_iter=2, random_state=0).fit(X[:, :1], Y)
    assert vars(model).keys() == vars(fresh).keys()


@pytest.mark.parametrize("model", [MFRecommender(3), BayesianMFRecommender(2, max_iter=6)], ids=repr)
@pytest.mark.filterwarnings("ignore:The chains have not converged")
def test_score_takes_the_weights_that_fit_takes(model):
    column = pd.DataFrame({"weight": np.ones(len(Y))})
    with pytest.raises(ValueError, match=r"Sample weights must be a 1d array, got .* shape \(300, 1\)"):
        model.fit(X, Y, column)
    model.fit(X, Y)
    with pytest.raises(ValueError, match=r"Sample weights must be a 1d array, got .* shape \(300, 1\)"):
        model.score(X, Y, column)
    assert model.score(X, Y, column["weight"]) == pytest.approx(model.score(X, Y))


@pytest.fixture(scope="module")
def complete():
    """Every user but the last has rated every item."""
    users, items = (part.ravel() for part in np.mgrid[:5, :4])
    kept = (users < 4) | (items < 2)
    ids = np.column_stack([users, items])[kept]
    return MFRecommender(2, max_iter=2, random_state=0).fit(ids, 1.0 + ids.sum(axis=1) % 5)


def test_lists_without_an_item_warn(complete):
    with pytest.warns(UserWarning, match="nothing for 4 of 5 users, the first is 0, who has no candidate"):
        table = complete.recommend(n=3)
    assert table["user"].tolist() == [4, 4]
    with pytest.warns(UserWarning, match="nothing for 1 of 1 users, the first is 4"):
        assert len(complete.recommend(4, candidates=[0, 1])) == 0


@pytest.mark.filterwarnings("error")
def test_short_lists_and_seen_items_do_not_warn(complete):
    assert complete.recommend(4, n=3)["item"].tolist()
    assert len(complete.recommend(0, n=3, exclude_seen=False)) == 3


def test_ids_of_another_type_warn_wherever_ids_are_read(complete):
    other = [["new", "0", 5.0], ["new", "1", 1.0]]
    calls = {
        "'user' is unknown, the first is '1' while fit saw 0": lambda: complete.recommend(["1", "2"]),
        "'item' is unknown, the first is '0' while fit saw 0": lambda: complete.recommend(ratings=other),
        "'item' is unknown, the first is '0' while": lambda: complete.fold_in(other),
        "'item' is unknown, the first is '0'": lambda: complete.predict([[1, "0"]]),
    }
    for message, call in calls.items():
        with pytest.warns(UserWarning, match=f"Every id of {message}"):
            call()


def test_a_score_against_ratings_that_are_no_numbers_says_so():
    model = MFRecommender(2, max_iter=1, alpha=0.05, unobserved_weight=0, random_state=0).fit(X, Y)
    with pytest.raises(ValueError, match=r"Ratings must be numbers, got 1j at position 0"):
        model.score(X[:2], [1j, 2.0])
