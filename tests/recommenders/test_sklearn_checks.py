"""scikit-learn's own checks: every one passes, none is skipped, none is expected to fail."""

import os
from unittest import SkipTest, mock

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_global_output_transform_pandas,
    check_global_set_output_transform_polars,
    check_param_validation,
    check_set_output_transform,
    check_set_output_transform_pandas,
    check_set_output_transform_polars,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    estimator_checks_generator,
)

from sklearn_mf import BayesianMFRecommender, ImplicitMFRecommender, MFEmbedding, MFRecommender
from sklearn_mf.ratings._feature_tables import FeatureTable
from sklearn_mf.recommenders import _fitting, _partial_fit
from sklearn_mf.recommenders._features import FieldFeatures
from tests.conftest import OBSERVED_ALONE


class Untagged(MFRecommender):
    """Without the tags of an estimator that takes categories and text, as a subclass may be."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = False
        tags.input_tags.string = False
        return tags


def features_of_any_ids(features, observed, names, known=None):
    """In the place of `read_features`: a number and a category for each id of the first column."""
    ids = observed.ids[0].ids
    ranks = pd.Series(pd.factorize(ids, sort=True)[0])
    table = FeatureTable(ids, {"rank": ranks, "half": (ranks % 2).map("{}|both".format)})
    tables = [FieldFeatures(table, "T", np.ones(len(ids), dtype=bool))]
    return tables + [None] * (len(observed.ids) - 1)


class Featured(MFRecommender):
    """With features of the ids of the first column, whatever they are."""

    def fit(self, X, y=None, sample_weight=None):
        with mock.patch.object(_fitting, "read_features", features_of_any_ids):
            return super().fit(X, y, sample_weight)

    def partial_fit(self, X, y=None, sample_weight=None):
        with mock.patch.object(_partial_fit, "read_features", features_of_any_ids):
            return super().partial_fit(X, y, sample_weight)


def als(**parameters):
    return MFRecommender(**{"solver": "als", "embedding_dim": 2, "max_iter": 2} | parameters)


def bayesian(**parameters):
    return BayesianMFRecommender(max_iter=6, **parameters)


def implicit(**parameters):
    return ImplicitMFRecommender(**{"embedding_dim": 2, "max_iter": 2} | parameters)


# Each estimator, each solver of MFRecommender, features, and no tags: these have all checks.
MAIN = [
    MFRecommender(),
    MFRecommender(2, penalty="l1", early_stopping=True, max_iter=5, **OBSERVED_ALONE),
    Untagged(2, positive=True, alpha=0.05, max_iter=3),
    Featured(2, max_iter=3),
    als(embedding_dim=32),
    bayesian(),
    ImplicitMFRecommender(),
    MFEmbedding(),
]
# With those of MAIN, every value of every parameter that changes what fit does, for each solver. They read
# ids, columns and weights by the same code as those of MAIN, so they have the checks of LEARNT alone.
VARIANTS = [
    MFRecommender(2, early_stopping=True, max_iter=5),
    MFRecommender(2, penalty="elasticnet", fit_bias=False, max_iter=3),
    MFRecommender(penalty=None, embedding_dim=0, max_iter=3),
    MFRecommender(2, features={}, max_iter=3),
    Featured(2, solver="als", alpha=0.05, max_iter=2),
    als(penalty="l1", early_stopping=True),
    als(penalty="elasticnet", fit_bias=False, **OBSERVED_ALONE),
    als(positive=True),
    bayesian(heteroscedastic=False, embedding_dim=2),
    bayesian(embedding_dim=0),
    implicit(fit_bias=True, confidence=None),
    implicit(positive=True, confidence="linear", unobserved_weight=0),
    MFEmbedding(implicit(random_state=0)),
    MFEmbedding(bayesian(embedding_dim=2, random_state=0)),
]
# Checks of what a solver learns and of the fitted estimator. That whole weights equal repetition is checked
# for each solver with MAIN, and for more parameters in tests/ratings/test_ways_in.py.
LEARNT = {
    "check_dict_unchanged",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_non_transformer_estimators_n_iter",
    "check_sample_weights_not_overwritten",
    "check_transformer_general",
    "check_transformer_n_iter",
}
# With 30 and 10 columns of ids: the alternating solver spends most of the time on its graph.
WIDE = {"check_sample_weight_equivalence_on_dense_data", "check_dtype_object"}


def is_made(estimator, name):
    """Whether an estimator has a check, by the name of the check."""
    is_slow = getattr(estimator, "solver", None) == "als"
    return not (is_slow and name in WIDE) and (estimator in MAIN or name in LEARNT)


CHECKS = [
    pytest.param(estimator, check, id=f"{' '.join(repr(estimator).split())}-{number}-{check.func.__name__}")
    for estimator in [*MAIN, *VARIANTS]
    for number, (_, check) in enumerate(estimator_checks_generator(estimator))
    if is_made(estimator, check.func.__name__)
]


@pytest.mark.filterwarnings(
    "ignore:early_stopping needs",
    "ignore:Every id of",
    "ignore:The chains have not converged",
    "ignore:score ranks items",
)
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_check(estimator, check):
    try:
        check(estimator)
    except SkipTest as reason:
        pytest.fail(f"skipped: {reason}")


def test_all_checks_are_made():
    assert os.environ["SCIPY_ARRAY_API"] == "1", "without it scikit-learn skips its array API check"
    kinds = {MFEmbedding: 55, ImplicitMFRecommender: 48}  # no regressors
    all_names = set()
    for estimator in MAIN:
        names = [check.func.__name__ for _, check in estimator_checks_generator(estimator)]
        assert len(names) >= kinds.get(type(estimator), 59)
        assert set(names) > WIDE
        all_names.update(names)
    assert all_names > LEARNT


@pytest.mark.filterwarnings("ignore:score ranks items")
@pytest.mark.parametrize("estimator", [MFRecommender(), ImplicitMFRecommender(), MFEmbedding()], ids=repr)
def test_columns_and_parameters(estimator):
    check_dataframe_column_names_consistency(type(estimator).__name__, estimator)
    check_param_validation(type(estimator).__name__, estimator)


@pytest.mark.filterwarnings("ignore:X does not have valid", "ignore:X has feature names")
@pytest.mark.parametrize(
    "check",
    [
        check_transformer_get_feature_names_out,
        check_transformer_get_feature_names_out_pandas,
        check_set_output_transform,
        check_set_output_transform_pandas,
        check_set_output_transform_polars,
        check_global_output_transform_pandas,
        check_global_set_output_transform_polars,
    ],
)
def test_names_and_containers_of_features(check):
    check("MFEmbedding", MFEmbedding())
