"""Agreement of the chains of a Bayesian recommender: the watched quantities, their summary, and a warning.

Coordinates of embeddings rotate from draw to draw, and the biases of one field can grow at the expense of
those of another: only quantities that the ratings identify are watched.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from sklearn_mf.model._diagnostics import ess_bulk, ess_tail, r_hat
from sklearn_mf.model._posterior import Posterior
from sklearn_mf.recommenders._catalog import column_names
from sklearn_mf.recommenders._chain_state import n_chains_of, posterior_of
from sklearn_mf.utils._warnings import warn_user

Floats = NDArray[np.float64]

# Cells, drawn at random, whose expected ratings are watched.
_N_CELLS = 1000
# Quantile over the cells of a diagnostic, from its good end.
_SHARE = 0.95
# R-hat above which fit warns. Predictions depend little on the noise, which moves more slowly.
_POOR = {"expected_rating": 1.2, "noise_std": 1.5}


def store_diagnostics(fitted: Any, seed: int) -> None:
    """Set the diagnostics of the draws, with a warning where the chains disagree."""
    posterior, n_chains = posterior_of(fitted), n_chains_of(fitted)
    rng = np.random.default_rng(seed)
    cells = np.stack([rng.integers(len(ids), size=_N_CELLS) for ids in fitted.categories_], axis=1)
    fitted.diagnostics_ = {
        name: _summary(values.reshape(len(values), n_chains, -1))
        for name, values in _watched(posterior, cells, column_names(fitted)).items()
    }
    fitted.r_hat_ = fitted.diagnostics_["expected_rating"]["r_hat"]
    values = {name: fitted.diagnostics_[name]["r_hat"] for name in _POOR}
    poor = [f"R-hat of {name} is {value:.2f}" for name, value in values.items() if value > _POOR[name]]
    if poor:
        warn_user(
            f"The chains have not converged, {' and '.join(poor)} after {fitted._n_sweeps} sweeps: "
            f"raise max_iter={fitted.max_iter} and burn_in={fitted.burn_in}.",
            ConvergenceWarning,
        )


def summary_table(diagnostics: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Table of stored diagnostics with a row for each quantity."""
    return pd.DataFrame.from_dict(diagnostics, orient="index")


def _watched(posterior: Posterior, cells: NDArray[np.integer], names: list[object]) -> dict[str, Floats]:
    """Draws of the watched quantities, (n_quantities, n_samples) for each name."""
    found = {"expected_rating": posterior.expected(cells)}
    found["noise_std"] = posterior.scale / np.sqrt(posterior.noise_precisions)[None]
    means = posterior.prior_means
    covariances = np.asarray(np.linalg.inv(posterior.prior_precisions), dtype=np.float64)
    for field, name in enumerate(names[: means.shape[1]]):
        found[f"{name}_std"] = posterior.scale * np.sqrt(_effect_variance(means, covariances, field))[None]
    if len(names) > 1 and means.shape[2] > 1:
        found["interaction_std"] = posterior.scale * np.sqrt(_interaction_variance(covariances))[None]
    return found


def _effect_variance(means: Floats, covariances: Floats, field: int) -> Floats:
    """Prior variance of the effect of an id beside average ids of all other fields, (n_samples,)."""
    gradient = means.sum(axis=1) - means[:, field]
    gradient[:, -1] = 1.0
    variance: Floats = np.einsum("si,sij,sj->s", gradient, covariances[:, field], gradient)
    return variance


def _interaction_variance(covariances: Floats) -> Floats:
    """Prior variance of the inner products around the prior means, (n_samples,)."""
    embeddings = covariances[:, :, :-1, :-1]
    total = embeddings.sum(axis=1)
    squares = np.square(total).sum(axis=(1, 2)) - np.square(embeddings).sum(axis=(1, 2, 3))
    variance: Floats = squares / 2
    return variance


def _summary(draws: Floats) -> dict[str, float]:
    """Summary of quantities, (n_quantities, n_chains, n_draws): means, and diagnostics of the worst.

    The worst is the 95th percentile of R-hat and the 5th percentile of the effective sample sizes.
    """
    low, high = np.quantile(draws, [0.05, 0.95], axis=(1, 2)).mean(axis=1)
    return {
        "mean": float(draws.mean()),
        "sd": float(draws.std(axis=(1, 2)).mean()),
        "5%": float(low),
        "95%": float(high),
        "r_hat": float(np.quantile(r_hat(draws), _SHARE)),
        "ess_bulk": float(np.quantile(ess_bulk(draws), 1 - _SHARE)),
        "ess_tail": float(np.quantile(ess_tail(draws), 1 - _SHARE)),
    }
