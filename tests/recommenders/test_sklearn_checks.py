"""scikit-learn's own checks: every one passes, none is skipped, none is expected to fail."""

import os
from collections import Counter

import pytest
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_estimator,
    check_global_output_transform_pandas,
    check_global_set_output_transform_polars,
    check_param_validation,
    check_set_output_transform,
    check_set_output_transform_pandas,
    check_set_output_transform_polars,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    estimator_checks_generator,
    parametrize_with_checks,
)

from sklearn_mf import BayesianMFRecommender, MFEmbedding, MFRecommender

PENALTIES = ["l2", "l1", "elasticnet", None]
# With 30 and 10 columns of ids: the alternating solver spends most of the time on its graph.
WIDE = {"check_sample_weight_equivalence_on_dense_data", "check_dtype_object"}


class Untagged(MFRecommender):
    """Without the tags of an estimator that takes categories and text, as a subclass may be."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = False
        tags.input_tags.string = False
        return tags


@pytest.mark.filterwarnings("ignore:The chain has not converged")
@parametrize_with_checks([MFRecommender(), BayesianMFRecommender(max_iter=20)])
def test_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "estimator",
    [
        *[MFRecommender(penalty=penalty) for penalty in PENALTIES],
        MFRecommender(early_stopping=True),
        MFRecommender(fit_bias=False, solver="sgd"),
        MFRecommender(embedding_dim=0),
        MFRecommender(positive=True),
        Untagged(),
        BayesianMFRecommender(max_iter=6),
        BayesianMFRecommender(max_iter=6, heteroscedastic=False, embedding_dim=2),
        BayesianMFRecommender(max_iter=6, embedding_dim=0),
        MFEmbedding(),
        MFEmbedding(BayesianMFRecommender(max_iter=6, embedding_dim=2, random_state=0)),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings(
    "ignore:early_stopping needs", "ignore:Every id of", "ignore:The chain has not converged"
)
def test_all_checks_pass_and_none_is_skipped(estimator):
    assert os.environ["SCIPY_ARRAY_API"] == "1", "without it scikit-learn skips its array API check"
    results = check_estimator(estimator, on_fail=None, on_skip=None, expected_failed_checks={})
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] != "passed"}
    assert failed == {}
    passed = Counter(result["status"] for result in results)["passed"]
    assert passed >= (55 if isinstance(estimator, MFEmbedding) else 59)


@pytest.mark.parametrize(
    "parameters",
    [
        {"embedding_dim": 32},
        *[{"penalty": penalty} for penalty in PENALTIES],
        {"early_stopping": True},
        {"fit_bias": False},
        {"embedding_dim": 0},
        {"positive": True},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:early_stopping needs", "ignore:Every id of")
def test_checks_of_the_alternating_solver(parameters):
    names = set()
    small = MFRecommender(**{"solver": "als", "embedding_dim": 2, "max_iter": 2, **parameters})
    for estimator, check in estimator_checks_generator(small):
        names.add(check.func.__name__)
        if check.func.__name__ not in WIDE:
            check(estimator)
    assert names > WIDE


@pytest.mark.parametrize("estimator", [MFRecommender(), MFEmbedding()], ids=repr)
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
