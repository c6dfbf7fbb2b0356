"""Calls of a recommender's methods, and the rules that each call and its result must keep."""

import itertools
import linecache
import pickle
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import scipy.sparse as sp
import sklearn
from sklearn.exceptions import NotFittedError

import sklearn_mf
from sklearn_mf import ImplicitMFRecommender
from tests.robust.tables import column, keys

OWN = tuple(str(Path(package.__file__).parent) for package in (sklearn_mf, sklearn))
EXPECTED = (ValueError, TypeError, NotFittedError)


class Finding(AssertionError):
    """A call that broke a rule."""


class Failed:
    """Result of a call that raised an error of this package."""


FAILED = Failed()


class CheckedCalls:
    """Calls of `model`, and what it must know: `rated`, the items of each user, and `spelled`, all ids."""

    calls: ClassVar[Counter[str]] = Counter()
    errors: ClassVar[Counter[str]] = Counter()

    @property
    def is_fitted(self):
        return hasattr(self.model, "embeddings_")

    def _forget_all(self):
        self.rated, self.spelled = {}, [[], []]

    def _note(self, table):
        """Note the rated items of each user."""
        if table.faults or not table.pairs or self.rated is None or self.model.n_features_in_ != 2:
            self.rated = None
            return
        if sp.issparse(table.X):  # its rows and columns without ratings are ids too
            for spelled, length in zip(self.spelled, table.X.shape, strict=True):
                spelled.extend(range(length))
        implicit = isinstance(self.model, ImplicitMFRecommender)
        for user, item, rating, weight in table.pairs:
            if weight > 0 and (not implicit or rating > 0):
                self.rated.setdefault(user, set()).add(item)
                self.spelled[0].append(user)
                self.spelled[1].append(item)

    def _answers(self):
        """Predictions and lists, where there is a fit."""
        if not self.is_fitted or self.model.n_features_in_ != 2 or self.model.handle_unknown == "error":
            return None
        users, items = self.model.user_ids_, self.model.item_ids_
        X = np.empty((max(len(users), len(items)), 2), dtype=object)
        X[:, 0], X[:, 1] = np.resize(users.astype(object), len(X)), np.resize(items.astype(object), len(X))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return self.model.predict(X), self.model.recommend(n=3)
            except EXPECTED:
                return None

    def _call(self, method, *arguments, **options):
        """Call a method: its result, or FAILED where it raised one of our errors and changed nothing."""
        self.steps.append((method, arguments, options))
        before = _state(self.model)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = getattr(self.model, method)(*arguments, **options)
            except Exception as error:
                result = FAILED
                self._check_error(error, method)
        self.calls[f"{method}{'' if result is not FAILED else ', refused'}"] += 1
        if result is FAILED or method not in ("fit", "partial_fit", "forget"):
            self._require(before == _state(self.model), f"{method} has changed the estimator")
        self._check_warnings(caught, method)
        return result

    def _check_warnings(self, caught, method):
        """Require that neither NumPy nor pandas warns."""
        for warning in caught:
            if issubclass(warning.category, (RuntimeWarning, FutureWarning, DeprecationWarning)):
                where = f"{warning.filename}:{warning.lineno}"
                is_ours = any(name in where for name in ("sklearn_mf", "numpy", "pandas"))
                text = f"{method} warns: {warning.category.__name__} {warning.message} {where}"
                self._require(not is_ours, text)

    def _check_error(self, error, method):
        """Require an error of this package or of scikit-learn's validation."""
        name = type(error).__name__
        self.errors[name] += 1
        frame = traceback.extract_tb(error.__traceback__)[-1]
        line = linecache.getline(frame.filename, frame.lineno).strip()
        own = frame.filename.startswith(OWN) and line.startswith("raise")
        if isinstance(error, EXPECTED) and own:
            text = str(error)
            tidy = not frame.filename.startswith(OWN[0]) or ("\n" not in text and text.endswith("."))
            self._require(tidy, f"{method} raised an untidy {name}: {text}")
            return
        where = "".join(traceback.format_tb(error.__traceback__)[-3:])
        self._require(False, f"{method} raised {name}: {error}\n{where}")

    def _check_predictions(self, predicted, table):
        self._require(predicted.dtype == np.float64 and predicted.ndim == 1, f"predictions {predicted!r}")
        self._require(np.isfinite(predicted).all(), f"predictions are not finite: {predicted}")
        if table.pairs and not table.faults:
            self._require(len(predicted) == len(table.pairs), "number of predictions")
        if getattr(self.model, "clip", False):
            low, high = self.model.target_range_
            self._require(
                ((low <= predicted) & (predicted <= high)).all(), f"{predicted} outside {low} to {high}"
            )

    def _check_ranks(self, lists, n):
        """Ranks from 1, scores that do not rise and are finite, at most n rows of each list."""
        ranks, scores = lists["rank"].to_numpy(), lists["score"].to_numpy()
        self._require(np.isfinite(scores).all(), f"scores {scores}")
        self._require(len(ranks) == 0 or (ranks[0] == 1 and ranks.max() <= n), f"ranks {ranks}")
        within = ranks[1:] != 1
        self._require((np.diff(ranks)[within] == 1).all(), f"ranks {ranks}")
        self._require((np.diff(scores)[within] <= 0).all(), f"rising scores {scores}")

    def _check_lists(self, lists, n, options):
        """Ids of the same type as in fit, none that the user has rated or that is excluded."""
        self._check_ranks(lists, n)
        if self.rated is None:
            return
        users, items = keys(lists.iloc[:, 0]), keys(lists.iloc[:, 1])
        kinds = {(type(each), each) for each in self.spelled[1]}
        strange = [each for each in items if (type(each), each) not in kinds]
        self._require(not strange, f"items of other types: {strange}")
        if options["exclude_seen"]:
            seen = [
                (user, item)
                for user, item in zip(users, items, strict=True)
                if item in self.rated.get(user, ())
            ]
            self._require(not seen, f"seen items: {seen}")
        for label in ("candidates", "exclude"):
            self._check_choice(list(zip(users, items, strict=True)), options[label], label)

    def _check_choice(self, pairs, given, label):
        """Candidates alone are shown, and nothing that is excluded."""
        if given is None:
            return
        if isinstance(given, np.ndarray) and given.ndim == 2:
            given = pd.DataFrame(given)
        if isinstance(given, pd.DataFrame):
            given, shown = (
                set(zip(*(keys(given.iloc[:, place]) for place in (0, 1)), strict=True)),
                set(pairs),
            )
        else:
            given, shown = set(listed(given)), {item for _, item in pairs}
        wrong = shown - given if label == "candidates" else shown & given
        self._require(not wrong, f"{label}: {wrong}")

    def _check_length(self, lists, users, n, options):
        """Lists of all users have as many items as there are."""
        if (
            self.rated is None
            or users is not None
            or any(options[label] is not None for label in ("candidates", "exclude"))
        ):
            return
        n_items = len(self.model.item_ids_)
        seen = [len(rated) if options["exclude_seen"] else 0 for rated in self.rated.values()]
        expected = sum(min(int(n), n_items - each) for each in seen)
        if len(self.model.user_ids_) == len(self.rated):
            self._require(len(lists) == expected, f"{len(lists)} rows in place of {expected}")

    def _require(self, condition, message):
        if not condition:
            raise Finding(f"{message}\nsteps: " + "\n  ".join(_shown(step) for step in self.steps))


def _shown(step):
    text = repr(step)
    return text if len(text) < 1500 else f"{text[:1500]}..."


def _state(model):
    """Content and identity of all attributes."""
    attributes = {name: value for name, value in vars(model).items() if "callback" not in name}
    return {name: id(value) for name, value in attributes.items()}, pickle.dumps(attributes)


def listed(ids):
    """Ids as Python objects; one id as a list of one."""
    if ids is None:
        return []
    if isinstance(ids, (list, pd.Series, np.ndarray)):
        return keys(column(list(ids)) if isinstance(ids, list) else ids)
    return keys(column([ids]))


def same(one, other):
    """Whether two values are equal, arrays and tables included."""
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(itertools.starmap(same, zip(one, other, strict=True)))
    if isinstance(one, (pd.DataFrame, pd.Series)):
        return one.equals(other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
    if sp.issparse(one):
        return np.array_equal(one.toarray(), other.toarray())
    return one == other
