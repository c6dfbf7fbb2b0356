"""Sums over all items for the rows of newcomers: computed once for a fit, never taken from another one."""

import copy
import gc
import weakref

import numpy as np
import pytest

from sklearn_mf import ImplicitMFRecommender
from sklearn_mf.model._fold_in import RowPrior
from tests.conftest import low_rank_ratings

NEWCOMER = [["new", 3], ["new", 5]]


@pytest.fixture(scope="module")
def fitted():
    X = low_rank_ratings()[0].astype(object)
    return ImplicitMFRecommender(3, max_iter=3, fit_bias=True, random_state=0).fit(X)


@pytest.fixture
def sums(monkeypatch):
    """Numbers of items that sums were computed over."""
    computed, compute = [], RowPrior.with_unobserved

    def counted(prior, model, items, *arguments):
        computed.append(len(items))
        return compute(prior, model, items, *arguments)

    monkeypatch.setattr(RowPrior, "with_unobserved", counted)
    return computed


def test_they_are_computed_once_for_a_fit(fitted, sums):
    model = copy.deepcopy(fitted)
    first = model.fold_in(NEWCOMER)
    again = copy.copy(model).fold_in(NEWCOMER)
    assert sums == [30]
    np.testing.assert_array_equal(again.embeddings, first.embeddings)
    model.recommend(ratings=NEWCOMER, n=2)
    assert sums == [30]


@pytest.mark.parametrize("change", ["embeddings_", "biases_", "_id_weights", "_cell_weight", "forget"])
def test_they_follow_a_change_of_the_model(fitted, change, sums):
    model = copy.deepcopy(fitted)
    before = model.fold_in(NEWCOMER).embeddings
    if change == "forget":
        model.forget(items=[0])
    elif change == "_cell_weight":
        model._cell_weight *= 2
    else:
        users, items = getattr(model, change)
        factors = np.linspace(0, 2, len(items)).reshape(-1, *[1] * (items.ndim - 1))
        setattr(model, change, [users, items * factors])
    after = model.fold_in(NEWCOMER).embeddings
    assert len(sums) == 2
    assert (after != before).all()
    np.testing.assert_array_equal(copy.deepcopy(model).fold_in(NEWCOMER).embeddings, after)


@pytest.mark.parametrize("change", ["embeddings_", "biases_", "_id_weights"])
def test_they_follow_a_change_in_place(fitted, change, sums):
    model = copy.deepcopy(fitted)
    before = model.fold_in(NEWCOMER).embeddings
    items = getattr(model, change)[1]
    items[2:4] = 0
    after = model.fold_in(NEWCOMER).embeddings
    assert len(sums) == 2
    assert (after != before).all()
    np.testing.assert_array_equal(copy.deepcopy(model).fold_in(NEWCOMER).embeddings, after)


def test_they_do_not_keep_a_model_in_memory(fitted):
    model = copy.deepcopy(fitted)
    model.fold_in(NEWCOMER)
    items = weakref.ref(model.embeddings_[1])
    del model
    gc.collect()
    assert items() is None
