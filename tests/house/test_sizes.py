"""Limits on the length of files and functions, on untyped values, and on the depth of inheritance."""

import ast
import re
import statistics
from itertools import pairwise

import pytest
from sklearn.base import BaseEstimator

import sklearn_mf
from tests.house.tree import docstrings, functions, modules

MODULES = modules()
BODIES = dict(found for module in MODULES for found in functions(module))
RECOMMENDERS = [
    each
    for each in map(vars(sklearn_mf).get, sklearn_mf.__all__)
    if isinstance(each, type) and issubclass(each, BaseEstimator) and hasattr(each, "recommend")
]


def test_files_are_short():
    lines = {module.name: module.text.count("\n") for module in MODULES}
    assert {name: n for name, n in lines.items() if n > 450} == {}


def test_functions_are_short():
    assert {name: n for name, n in BODIES.items() if n > 35} == {}
    assert statistics.median(BODIES.values()) <= 6


def untyped(module):
    """Number of places that say `Any`, also inside an annotation that is text."""
    texts = docstrings(module)
    nodes = list(ast.walk(module.tree))
    names = sum(isinstance(node, ast.Name) and node.id == "Any" for node in nodes)
    quoted = [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts
    ]
    return names + sum(len(re.findall(r"(?:^|[\[, |])Any(?=$|[\], |])", text)) for text in quoted)


def test_few_values_are_untyped():
    counts = {module.name: untyped(module) for module in MODULES}
    assert sum(counts.values()) <= 100, {name: n for name, n in counts.items() if n}


def own_bases(recommender):
    """Classes of this package between a recommender and those of scikit-learn."""
    return [each for each in recommender.__mro__[1:] if each.__module__.startswith("sklearn_mf")]


def test_every_recommender_is_found():
    assert {each.__name__ for each in RECOMMENDERS} >= {"MFRecommender", "BayesianMFRecommender"}


@pytest.mark.parametrize("recommender", RECOMMENDERS)
def test_one_base_and_at_most_two_mixins_stand_under_a_recommender(recommender):
    """The mixins stand in one line, or beside each other without bases of their own.

    The base has a mixin too, which all recommenders share: its methods of export.
    """
    names = [each.__name__ for each in own_bases(recommender)]
    assert names[-2:] == ["BaseRecommender", "ExportMixin"]
    mixins = [each for each in own_bases(recommender)[:-2] if each.__name__.endswith("Mixin")]
    assert len(mixins) <= 2
    assert all(issubclass(upper, lower) or not own_bases(upper) for upper, lower in pairwise(mixins))
    assert set(names[:-2]) == {each.__name__ for each in mixins}
