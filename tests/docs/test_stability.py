"""Every public name has a stability label, and what the page names exists."""

import inspect
import re
from pathlib import Path

import sklearn_mf
from sklearn_mf.recommenders._exports import ExportMixin
from tests.docs.test_docs import PACKAGES

PAGE = (Path(__file__).parents[2] / "docs" / "stability.rst").read_text(encoding="utf-8")
PUBLIC, PROVISIONAL = PAGE.split("Of the stable estimators", 1)
ROW = r"   \* - ``([\w.]+)``\n     - (.+)\n     - (stable|provisional)\n"
PART = r"   \* - ``(\w+)``\n     - (.+)\n"
NAME = r"``(\w+)``"


def labelled(table, pattern):
    return [(row[1], name) for row in re.finditer(pattern, table) for name in re.findall(NAME, row[2])]


def test_every_public_name_has_exactly_one_label():
    public = [
        (package.__name__, name)
        for package in PACKAGES
        for name in package.__all__
        if not name.startswith("_")
    ]
    assert sorted(labelled(PUBLIC, ROW)) == sorted(public)


def test_provisional_methods_and_parameters_exist():
    parts = labelled(PROVISIONAL, PART)
    assert len(parts) > 10
    missing = [
        (estimator, name)
        for estimator, name in parts
        if name not in inspect.signature(getattr(sklearn_mf, estimator)).parameters
        and not callable(getattr(getattr(sklearn_mf, estimator), name, None))
    ]
    assert missing == []


def test_exports_of_each_estimator_are_provisional():
    parts = set(labelled(PROVISIONAL, PART))
    exports = [name for name in vars(ExportMixin) if not name.startswith("_") and name != "target_range_"]
    assert len(exports) == 5
    recommenders = ["MFRecommender", "ImplicitMFRecommender", "BayesianMFRecommender"]
    assert {(recommender, name) for recommender in recommenders for name in exports} <= parts
