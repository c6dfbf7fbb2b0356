"""Whether a chain has converged; NumPy only."""

import numpy as np
from numpy.typing import NDArray

# Share of the watched quantities whose R-hat is at most the one returned.
_SHARE = 0.95


def split_r_hat(draws: NDArray[np.float64]) -> float:
    """Split R-hat along one chain, the 95th percentile over quantities, (n_quantities, n_samples) -> scalar.

    Gelman et al., "Bayesian Data Analysis" (3rd edition, section 11.4), with the two halves of the chain in
    the place of several chains. It is 1 where nothing varies and nan with fewer than 4 draws.
    """
    n = draws.shape[1] // 2
    if n < 2:
        return float("nan")
    halves = np.stack([draws[:, :n], draws[:, -n:]])
    within = halves.var(axis=2, ddof=1).mean(axis=0)
    between = halves.mean(axis=2).var(axis=0, ddof=1)
    moves = within > 0
    ratios = np.ones(len(draws))
    ratios[moves] = np.sqrt((n - 1) / n + between[moves] / within[moves])
    return float(np.quantile(ratios, _SHARE))
