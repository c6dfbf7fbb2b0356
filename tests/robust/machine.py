"""A machine of hypothesis that calls the methods of recommenders in any order, on odd tables.

Each call either succeeds and keeps the invariants, or raises an error of this package and changes nothing.
"""

import contextlib
import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import skops.io
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_mf import BayesianMFRecommender, ImplicitMFRecommender, MFRecommender
from tests.robust.checks import EXPECTED, FAILED, CheckedCalls, listed, same
from tests.robust.tables import (
    KINDS,
    chance,
    draw_matrix,
    draw_numbers,
    draw_table,
    keys,
    some_ids,
)

QUICK = {"max_iter": 2, "random_state": 0}
OBSERVED = {"unobserved_weight": 0, "prior_ratings": 0, "alpha": 0.05, **QUICK}
CHAIN = {"burn_in": 1, "n_samples": 2, "n_chains": 1, **QUICK}
# The variants that cost little come several times.
VARIANTS = {
    "als": lambda: MFRecommender(2, **OBSERVED),
    "sgd": lambda: MFRecommender(2, solver="sgd", **OBSERVED),
    "biases": lambda: MFRecommender(0, **OBSERVED),
    "no biases": lambda: MFRecommender(2, fit_bias=False, **OBSERVED),
    "held out": lambda: MFRecommender(2, early_stopping=True, validation_fraction=0.3, **OBSERVED),
    "unobserved": lambda: MFRecommender(1, alpha=0.05, **QUICK),
    "defaults": lambda: MFRecommender(2, **QUICK),
    "positive": lambda: MFRecommender(2, positive=True, **OBSERVED),
    "implicit": lambda: ImplicitMFRecommender(2, **QUICK),
    "implicit, counts": lambda: ImplicitMFRecommender(1, fit_bias=True, confidence="linear", **QUICK),
    "implicit, no strengths": lambda: ImplicitMFRecommender(2, confidence=None, **QUICK),
    "chain": lambda: BayesianMFRecommender(1, implicit_features=0, **CHAIN),
    "ordinal chain": lambda: BayesianMFRecommender(1, likelihood="ordinal", **CHAIN),
}
CHEAP = ["als", "sgd", "biases", "held out", "implicit", "implicit, counts"]
# Values of parameters, valid and invalid, for the classes that have them.
PARAMETERS = {
    "warm_start": [True, False, "yes"],
    "handle_unknown": ["error", "ignore", "drop"],
    "clip": [False, True],
    "embedding_dim": [1, 2, 3, -1, 2.5],
    "max_iter": [1, 2, 0],
    "random_state": [1, np.random.RandomState(0), None, "a"],
    "alpha": [0, 0.1, 100.0, -1.0, float("nan"), float("inf")],
    "learning_rate": [1e-3, 10.0, 0],
    "tol": [0.0, 1e10],
    "prior_ratings": [0, 1e6, float("inf")],
    "unobserved_weight": [0, 1e8],
    "unobserved_value": [None, -1e6],
    "batch_size": [1, 3, 0],
    "penalty": [None, "l2", "l3"],
    "solver": ["sgd", "als", "svd"],
    "fit_bias": [True, False],
    "confidence": ["log", "linear", None],
    "n_samples": [1, 3],
    "n_chains": [1, 2],
    "burn_in": [0, 5],
    "early_stopping": [True, False],
}
COUNTS = [1, 2, 3, 100, np.int64(2)]
ODD_COUNTS = [0, -1, 2.5, "3", None, True, float("nan"), 2**70]
ODD_IDS = [
    [],
    [None],
    [float("nan")],
    float("nan"),
    [True, False],
    [[1]],
    np.zeros((2, 2)),
    (1, 2),
    {},
    1j,
    object,
]
ODD_CHOICES = [[], "", [[]], [["a"]], [float("inf")], pd.DataFrame(), np.zeros((1, 3)), 7]
# Kinds of ids that skops can store.
SKOPS = {
    "integers",
    "text",
    "floats",
    "booleans",
    "dates",
    "categories",
    "nullable integers",
    "small integers",
}
KIND_NAMES = st.sampled_from(list(KINDS))


class Machine(CheckedCalls, RuleBasedStateMachine):
    """A recommender and the rows that it has learnt from."""

    # The start of each case.

    @initialize(data=st.data())
    def start(self, data):
        """Choose a recommender, the kinds of its ids, and fit it in most cases."""
        draw = data.draw
        self.steps = []
        self.variant = draw(st.sampled_from([*CHEAP, *CHEAP, *VARIANTS]))
        self.model = VARIANTS[self.variant]()
        self.kinds = draw(KIND_NAMES), draw(KIND_NAMES)
        self.names = draw(st.sampled_from([["user", "item"]] * 9 + [["u", "score"], [1, 0]]))
        self.has_names = draw(st.booleans())
        self._forget_all()
        self.steps.append((self.model, self.kinds, self.names))
        self._first_fit(draw)

    def _first_fit(self, draw):
        """Fit in most cases."""
        table = self._plain_table(draw)
        if not chance(draw, 40):
            self._learn("fit", table)

    # Rules that learn.

    @rule(data=st.data())
    def fit(self, data):
        self._learn("fit", self._table(data.draw))

    @precondition(lambda self: hasattr(self.model, "partial_fit"))
    @rule(data=st.data())
    def partial_fit(self, data):
        self._learn("partial_fit", self._table(data.draw))

    @precondition(lambda self: self.is_fitted)
    @rule(data=st.data())
    def warm_start(self, data):
        self.model.set_params(warm_start=True)
        self._learn("fit", self._table(data.draw))

    @rule(data=st.data())
    def set_params(self, data):
        names = sorted(set(PARAMETERS) & set(self.model.get_params()))
        name = data.draw(st.sampled_from(names))
        value = data.draw(st.sampled_from(PARAMETERS[name]))
        self.steps.append(f"set_params({name}={value!r})")
        self.model.set_params(**{name: value})

    @precondition(lambda self: self.is_fitted)
    @rule(data=st.data())
    def forget(self, data):
        which = data.draw(_mostly(["users", "items", "both"], ["nothing"]))
        users = data.draw(self._ids(0)) if which in ("users", "both") else None
        items = data.draw(self._ids(1)) if which in ("items", "both") else None
        if self._call("forget", users, items) is FAILED or self.rated is None:
            return
        gone = [set(listed(ids)) for ids in (users, items)]
        self.rated = {user: rated - gone[1] for user, rated in self.rated.items() if user not in gone[0]}
        self.spelled = [
            [each for each in ids if each not in out] for ids, out in zip(self.spelled, gone, strict=True)
        ]

    # Rules that copy.

    @rule(how=st.sampled_from(["pickle", "skops", "copy", "deepcopy"]))
    def round_trip(self, how):
        if how == "skops" and not (set(self.kinds) <= SKOPS and self._has_plain_ids()):
            return
        self.steps.append(how)
        before = self._answers()
        self.model = _copied(self.model, how)
        self._require(same(before, self._answers()), f"another answer after a copy by {how}")

    @rule()
    def clone(self):
        try:
            fresh = clone(self.model)
        except RuntimeError:  # nan as a parameter
            return
        self._require(not hasattr(fresh, "embeddings_"), "a clone is fitted")
        with contextlib.suppress(NotFittedError):
            fresh.predict([[1, 2]])
            self._require(False, "a clone predicts")

    # Rules that read.

    @rule(data=st.data())
    def predict(self, data):
        table = self._table(data.draw, with_unknown=True)
        predicted = self._call("predict", table.ids)
        if predicted is not FAILED:
            self._check_predictions(predicted, table)
        if hasattr(self.model, "score") and data.draw(st.booleans()):
            with_y = table.arguments if data.draw(st.booleans()) else table.arguments[:2]
            score = self._call("score", *with_y)
            self._require(score is FAILED or isinstance(score, float), f"a score {score!r}")

    @precondition(lambda self: not isinstance(self.model, ImplicitMFRecommender))
    @rule(data=st.data())
    def predict_uncertainty(self, data):
        table = self._table(data.draw, with_unknown=True)
        has_variances = not isinstance(self.model, MFRecommender) or hasattr(self.model, "noise_std_")
        if has_variances or chance(data.draw, 10):
            both = self._call("predict", table.ids, return_std=True)
            self._require(both is FAILED or (np.isfinite(both[1]) & (both[1] >= 0)).all(), f"std {both}")
        coverage = data.draw(_mostly([0.9, 0.5, 1e-9, 1 - 1e-9], [0, 1, "a", None, float("nan")]))
        if hasattr(self.model, "predict_interval"):
            interval = self._call("predict_interval", table.ids, coverage)
            ok = interval is FAILED or (
                np.isfinite(interval).all() and (interval[:, 0] <= interval[:, 1]).all()
            )
            self._require(ok, f"interval {interval}")
        if self.is_fitted and hasattr(self.model, "predict_distribution"):
            chances = self._call("predict_distribution", table.ids)
            self._require(chances is FAILED or np.allclose(chances.sum(axis=1), 1), "probabilities")

    @rule(data=st.data())
    def recommend(self, data):
        draw = data.draw
        options = {
            "exclude_seen": draw(st.booleans()),
            "candidates": draw(self._choices()),
            "exclude": draw(self._choices()),
        }
        if isinstance(self.model, BayesianMFRecommender):
            options["by"] = draw(_mostly(["mean", "upper", "sample"], ["worst", None]))
            options["quantile"] = draw(_mostly([0.9, 0.5], [0.0, "a", None]))
        else:
            options["rank_by"] = draw(_mostly(["auto", "rating"], ["relevance", "best", None]))
        users, n = draw(st.one_of(st.none(), self._ids(0))), draw(_mostly(COUNTS, ODD_COUNTS))
        lists = self._call("recommend", users, n, **options)
        if lists is not FAILED:
            self._check_lists(lists, n, options)
            self._check_length(lists, users, n, options)

    @rule(data=st.data())
    def recommend_to_newcomers(self, data):
        table = self._table(data.draw, with_unknown=True)
        n = data.draw(st.sampled_from([1, 3]))
        lists = self._call("recommend", None, n, ratings=table.in_three_columns)
        if lists is not FAILED:
            self._check_ranks(lists, n)
        folded = self._call("fold_in", *table.arguments)
        if folded is FAILED:
            return
        arrays = [folded["embeddings"], folded["biases"]]
        self._require(all(len(each) == len(folded["ids"]) for each in arrays), "rows of fold_in")
        self._require(all(np.isfinite(each).all() for each in arrays), f"fold_in is not finite {arrays}")

    @rule(data=st.data())
    def similar(self, data):
        field = data.draw(st.integers(0, 1))
        method = ("similar_users", "similar_items")[field]
        n, metric = (
            data.draw(_mostly(COUNTS, ODD_COUNTS)),
            data.draw(_mostly(["cosine", "dot"], ["l2", None])),
        )
        table = self._call(method, data.draw(self._ids(field)), n, metric=metric)
        if table is not FAILED:
            self._check_ranks(table, n)
            self._require(
                (table.iloc[:, 0] != table["neighbor"]).all() or KINDS[self.kinds[field]].dtype is not None,
                "its own neighbour",
            )

    @precondition(lambda self: self.is_fitted)
    @rule(data=st.data())
    def repeat(self, data):
        """Fit a clone twice: the same bits."""
        self.steps.append("fit twice")
        table = self._plain_table(data.draw)
        if not isinstance(self.model.random_state, int):
            return
        try:
            first, second = (clone(self.model) for _ in range(2))
        except RuntimeError:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                first.fit(*table.arguments)
            except EXPECTED:
                return
            second.fit(*table.arguments)
        self._require(same(vars(first)["embeddings_"], vars(second)["embeddings_"]), "two fits differ")

    # What the rules share.

    def _has_plain_ids(self):
        """Whether skops loads the ids of the last fit, which may be of other kinds than those of the case."""
        ids = [each for column in getattr(self.model, "categories_", []) for each in column.tolist()]
        return all(isinstance(each, str | int | float) for each in ids)

    def _table(self, draw, with_unknown=False):
        if chance(draw, 15):
            return draw_matrix(draw)
        kinds = (draw(KIND_NAMES), draw(KIND_NAMES)) if chance(draw, 15) else self.kinds
        has_names = self.has_names ^ chance(draw, 15)
        return draw_table(draw, kinds, self.names, has_names, with_unknown=with_unknown)

    def _plain_table(self, draw):
        """A table without faults, which every recommender takes."""
        return draw_table(draw, self.kinds, self.names, self.has_names, faults=False)

    def _ids(self, field):
        """One id or several, known and unknown, in several forms."""
        kind = self.kinds[field]

        @st.composite
        def ids(draw):
            form = draw(_mostly(["list", "id", "series", "array"], ["odd"]))
            listed = some_ids(draw_numbers(draw), kind, draw(st.sampled_from([2, 1, 4, 0])), chance(draw, 10))
            if form == "odd":
                return draw(st.sampled_from(ODD_IDS))
            if form == "id":
                return keys(some_ids(draw_numbers(draw), kind, 1))[0]
            return {"list": listed.tolist(), "series": listed, "array": listed.to_numpy()}[form]

        return ids()

    def _choices(self):
        """Items, or a table of users and items; mostly none."""

        @st.composite
        def pairs(draw):
            rng = draw_numbers(draw)
            return pd.DataFrame(
                {name: some_ids(rng, kind, 4) for name, kind in zip(self.names, self.kinds, strict=True)}
            )

        return st.one_of(st.none(), st.none(), self._ids(1), pairs(), _mostly([None], ODD_CHOICES))

    def _learn(self, method, table):
        """Fit, and note the rows."""
        was_fitted, going_on = self.is_fitted, method == "partial_fit" or bool(self.model.warm_start)
        copied = copy.deepcopy(table.arguments) if not table.faults else None
        fitted = self._call(method, *table.arguments)
        if copied is not None:
            self._require(same(copied, table.arguments), f"{method} has changed its arguments")
        if fitted is FAILED:
            self._require(not self._must_fit(method, table), "a plain table is refused")
            return
        self._require(fitted is self.model, f"{method} returned {fitted!r}")
        self._require(self._is_finite(), f"{method} gave rows that are not finite")
        if not (going_on and was_fitted):
            self._forget_all()
        self._note(table)

    def _must_fit(self, method, table):
        """Whether the first fit of a case has to succeed."""
        return (method, len(self.steps)) == ("fit", 2) and "ordinal" not in self.variant and not table.faults

    def _is_finite(self):
        parts = [*self.model.embeddings_, *self.model.biases_, [self.model.scale_, self.model.intercept_]]
        return all(np.isfinite(part).all() for part in parts)


def _mostly(usual, odd):
    """One of the usual values, and one of the odd ones in a tenth of the cases."""
    return st.integers(0, 9).flatmap(lambda place: st.sampled_from(odd if place == 4 else usual))


def _copied(model, how):
    if how == "pickle":
        return pickle.loads(pickle.dumps(model))
    if how == "skops":
        stored = skops.io.dumps(model)
        return skops.io.loads(stored, trusted=skops.io.get_untrusted_types(data=stored))
    return copy.copy(model) if how == "copy" else copy.deepcopy(model)
