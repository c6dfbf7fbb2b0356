"""Every private name of scikit-learn that this package uses: the one place to mend after a release."""

from sklearn.base import _fit_context
from sklearn.model_selection._split import GroupsConsumerMixin, _BaseKFold, _UnsupportedGroupCVMixin
from sklearn.utils import _safe_indexing
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._param_validation import (
    Interval,
    RealNotInt,
    StrOptions,
    validate_parameter_constraints,
    validate_params,
)
from sklearn.utils._plotting import _interval_max_min_ratio, _validate_style_kwargs
from sklearn.utils.extmath import _randomized_svd
from sklearn.utils.metadata_routing import _routing_enabled
from sklearn.utils.validation import _check_feature_names_in, _num_samples

__all__ = [
    "GroupsConsumerMixin",
    "Interval",
    "RealNotInt",
    "StrOptions",
    "_BaseKFold",
    "_UnsupportedGroupCVMixin",
    "_check_feature_names_in",
    "_fit_context",
    "_interval_max_min_ratio",
    "_num_samples",
    "_randomized_svd",
    "_routing_enabled",
    "_safe_indexing",
    "_validate_style_kwargs",
    "check_matplotlib_support",
    "validate_parameter_constraints",
    "validate_params",
]
