"""Chains of Gibbs sampling that advance together, in threads."""

from dataclasses import replace

import numpy as np

from sklearn_mf.model._factors import Model
from sklearn_mf.model._posterior import Draw, Posterior, SampleStore, posterior_of_draws
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._executor import ThreadExecutor
from sklearn_mf.solvers._training import GibbsOptions, Solver
from sklearn_mf.solvers.als._field_tables import FieldTables
from sklearn_mf.solvers.gibbs._knowledge import Knowledge
from sklearn_mf.solvers.gibbs._noise import ChainState
from sklearn_mf.solvers.gibbs._sampler import ChainCheckpoint, Gibbs
from sklearn_mf.solvers.gibbs._start import new_state
from sklearn_mf.utils._threads import SINGLE_THREADED_BLAS, n_threads


class GibbsChains(Solver[tuple[Draw, ...]]):
    """Independent chains; `run_epoch` is one sweep of each.

    `states` are the ends of the chains that a warm start continues; None begins new chains. Draws are kept in
    `sample_store`, after the sweeps of this run in `options.kept_after`.
    """

    unit, measure, subject, start_std = "sweep", "log-likelihood", "A chain", 0.1
    remedy = "the ratings or the sample weights are out of proportion"

    def __init__(
        self,
        ratings: Ratings,
        held_out: None,
        start: Model,
        options: GibbsOptions,
        states: list[ChainState] | None = None,
    ) -> None:
        self.options, self.start = options, start
        if options.likelihood == "ordinal":  # the latent values of all ratings are in memory
            ratings = replace(ratings, field_cells=(), exchange=None)
        tables = FieldTables(ratings, start, "cholesky")
        knowledge = Knowledge.of(ratings, tables, options)
        of_chains = [replace(options, seed=seed) for seed in _seeds(options)]
        if states is None:
            states = [new_state(start, each) for each in of_chains]
        self.chains = [
            Gibbs(ratings, tables.with_rows(state.model), each, state, knowledge, f"chain {number + 1}")
            for number, (each, state) in enumerate(zip(of_chains, states, strict=True))
        ]
        self.sample_store = SampleStore(start, options.n_chains, len(options.kept_after))
        # Workers exchange rows in the same order: one chain after another.
        side_by_side = options.n_chains if ratings.exchange is None else 1
        self.threads = ThreadExecutor(n_threads(side_by_side))

    def run_epoch(self, number: int) -> tuple[float, None]:
        """Sweep each chain once; the mean of their log-likelihoods."""
        with SINGLE_THREADED_BLAS:
            values = list(self.threads.map(Gibbs.sweep, self.chains))
        if np.isfinite(values).all() and number in self.options.kept_after:
            self.sample_store.add(self.snapshot())
        return float(np.mean(values)), None

    def checkpoint(self) -> tuple[SampleStore, list[ChainCheckpoint]]:
        """The draws that are kept, and the states of all chains."""
        return self.sample_store, [chain.checkpoint() for chain in self.chains]

    def resume(self, checkpoint: tuple[SampleStore, list[ChainCheckpoint]]) -> None:
        """Continue where the same chains were at their checkpoint."""
        self.sample_store, states = checkpoint
        for chain, state in zip(self.chains, states, strict=True):
            chain.resume(state)

    def snapshot(self) -> tuple[Draw, ...]:
        """Copies of the present draws of all chains, outside TensorFlow."""
        return tuple(chain.snapshot() for chain in self.chains)

    def posterior(self) -> Posterior:
        """Posterior of the kept draws; of the present draws where none is kept."""
        if self.sample_store.n_kept:
            return self.sample_store.posterior()
        return posterior_of_draws(self.snapshot(), self.start)

    def close(self) -> None:
        """End the threads."""
        self.threads.close()


def _seeds(options: GibbsOptions) -> list[int]:
    """A seed for each chain; the first chains have the same seeds, whatever their number."""
    most = np.iinfo(np.int32).max
    return [int(np.random.default_rng([options.seed, n]).integers(most)) for n in range(options.n_chains)]
