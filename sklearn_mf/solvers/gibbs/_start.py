"""First states of new chains."""

from dataclasses import replace

import numpy as np

from sklearn_mf.model._factors import Model
from sklearn_mf.model._posterior import Noise
from sklearn_mf.solvers._training import GibbsOptions
from sklearn_mf.solvers.gibbs._noise import ChainState
from sklearn_mf.solvers.gibbs._priors import DEGREES

# Standard deviation of the embeddings, and of the logarithm of the noise precision around that of z.
_STD, _SPREAD = 0.2, 0.5


def new_state(start: Model, options: GibbsOptions) -> ChainState:
    """Random embeddings that explain nothing, no biases, and noise about as large as the spread of z.

    From here a chain learns the directions of largest variance first. A start that fits the ratings closely
    would be a region that the chain leaves slowly where ids have few ratings.
    """
    rng = np.random.default_rng([options.seed, 0])
    embeddings = [(_STD * rng.standard_normal(rows.shape)).astype(np.float32) for rows in start.embeddings]
    degrees = np.full(len(embeddings), DEGREES[-1] if options.heteroscedastic else np.inf)
    factors = [np.ones(len(rows)) for rows in embeddings]
    noise = Noise(float(np.exp(_SPREAD * rng.standard_normal())), factors, degrees)
    return ChainState(replace(start, embeddings=embeddings), noise, 0)
