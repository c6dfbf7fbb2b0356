"""First state of a new chain."""

import numpy as np

from sklearn_mf.model._factors import Model
from sklearn_mf.model._posterior import Noise
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._training import GibbsOptions, Penalty
from sklearn_mf.solvers.als._field_tables import FieldTables
from sklearn_mf.solvers.gibbs._noise import ChainState, WithinCellVariation
from sklearn_mf.solvers.gibbs._priors import DEGREES, draw_noise_precision

# A new chain begins with some sweeps of alternating least squares, with this ridge penalty.
_SWEEPS, _PENALTY = 10, Penalty(l1=0.0, l2=0.02, positive=False, fit_bias=True)


def new_state(ratings: Ratings, field_tables: FieldTables, options: GibbsOptions) -> ChainState:
    """Run some sweeps of alternating least squares, and draw the noise from their squared errors."""
    undamped = [np.zeros(len(ids), dtype=np.float32) for ids in field_tables.ids]
    for _ in range(_SWEEPS):
        loss = field_tables.minimise(undamped, _PENALTY)
    model = field_tables.model(0)
    n_rows = tuple(map(len, field_tables.ids))
    within_cells = WithinCellVariation.of(ratings, field_tables.rows, n_rows, model.scale)
    squares = 2 * ratings.mean_weight * loss + within_cells.total
    precision = draw_noise_precision(squares, ratings.total_weight, np.random.default_rng([options.seed, 0]))
    return ChainState(model, first_noise(model, precision, options.heteroscedastic), 0)


def first_noise(model: Model, precision: float, heteroscedastic: bool) -> Noise:
    """Noise that does not yet differ between ids."""
    degrees = np.full(len(model.biases), DEGREES[-1] if heteroscedastic else np.inf)
    return Noise(precision, [np.ones(len(biases)) for biases in model.biases], degrees)
