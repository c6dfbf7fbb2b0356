"""A run that is saved and continued by another solver gives the bits of one that was not interrupted."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from sklearn_mf.solvers._training import (
    ALSOptions,
    GibbsOptions,
    Stopping,
    Unobserved,
    VariationalOptions,
    train,
)
from sklearn_mf.solvers.als._solver import ALS
from sklearn_mf.solvers.gibbs._chains import GibbsChains
from sklearn_mf.solvers.variational._solver import Variational
from tests.solvers.problems import Silent, features_of, problem
from tests.solvers.test_parts import as_tree

CELLS = Unobserved(weight=0.2, value=-1.0)
#: Solver and options. Draws of "gibbs" are kept before and after the checkpoint.
RUNS = {
    "ridge": (ALS, ALSOptions(0.0, 0.05, False, True)),
    "lasso": (ALS, ALSOptions(0.02, 0.02, False, True)),
    "features": (ALS, ALSOptions(0.0, 0.05, False, True)),
    "unobserved cells": (ALS, ALSOptions(0.0, 0.05, False, True, unobserved=CELLS, prior_ratings=3.0)),
    "variational": (Variational, VariationalOptions(CELLS, l2=0.01, prior_ratings=5.0, implicit_features=2)),
    "variational, features": (Variational, VariationalOptions(CELLS, l2=0.01, prior_ratings=5.0)),
    "gibbs": (GibbsChains, GibbsOptions(3, True, (1, 2, 4), n_chains=2)),
    "gibbs, features": (GibbsChains, GibbsOptions(3, False, (1, 4), n_chains=1)),
    "gibbs, ordinal": (GibbsChains, GibbsOptions(3, False, (1, 4), n_chains=1, likelihood="ordinal")),
}
SWEEPS, SAVED_AFTER = 5, 3


class Saved:
    """Keeps the checkpoint of one sweep, as bytes."""

    def __init__(self, content=None):
        self.content = content

    def load(self):
        return None if self.content is None else pickle.loads(self.content)

    def save(self, course, solver):
        if course.history.n_iter == SAVED_AFTER:
            self.content = pickle.dumps((course, solver.checkpoint()))


def run(name, checkpoints, stopping=None):
    solver, options = RUNS[name]
    ratings, start = problem()
    if "ordinal" in name:
        levels, ones = np.clip(ratings.targets.round(), 1, 5), np.ones(len(ratings.targets))
        ratings = replace(ratings, targets=levels, weights=ones, within_squares=0 * ones)
    if "features" in name:
        options = replace(options, features=tuple(features_of(n) for n in ratings.n_ids))
    with solver(ratings, None, start, options) as training:
        state, history = train(training, SWEEPS, Silent(), stopping, checkpoints)
        posterior = training.posterior() if solver is GibbsChains else ()
    tree = [as_tree(state), as_tree(posterior)]
    return [part for part in tf.nest.flatten(tree) if isinstance(part, np.ndarray)], history.curve


@pytest.mark.parametrize("name", RUNS)
def test_a_continued_run_gives_the_bits_of_one_without_interruption(name):
    saved = Saved()
    numbers, curve = run(name, saved)
    continued, continued_curve = run(name, Saved(saved.content))
    assert continued_curve == curve
    assert len(curve) == SWEEPS
    assert len(continued) == len(numbers) > 3
    for ours, theirs in zip(continued, numbers, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_continued_run_stops_after_the_same_sweep():
    saved = Saved()
    # Nothing counts as an improvement: three sweeps after the first one.
    stopping = Stopping(tol=10.0, n_iter_no_change=3)
    _, curve = run("ridge", saved, stopping)
    assert len(curve) == 4
    assert run("ridge", Saved(saved.content), stopping)[1] == curve
