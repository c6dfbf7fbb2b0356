"""Whether the Gibbs sampler draws from the posterior: Geweke's test and simulation-based calibration.

    python docs/benchmarks/sampler.py [--sweeps 20000] [--sets 200]

Geweke, "Getting it right: joint distribution tests of posterior simulators", JASA 2004: unknowns and ratings
drawn from their joint distribution have the same moments as a chain that in turn sweeps once and draws new
ratings given the unknowns. A line is a function of both, passed through arctan: its z-statistic, with
standard errors by the means of batches, and the p-value. The precisions of the priors have a Wishart
distribution of as few degrees of freedom as possible, so the joint distribution of unknowns and ratings has
tails that no chain of this kind visits in a reasonable time. This test therefore runs the same sampler with
other numbers: six more degrees of freedom, noise from Gamma(2, 2), and three degrees of freedom of its
factors.

Talts et al., "Validating Bayesian inference algorithms with simulation-based calibration", 2018: where
unknowns are drawn from the prior and ratings given them, the rank of an unknown among the draws of its
posterior is uniform. A line is an unknown: the p-value of the chi-square test of its ranks over all data
sets, and the number of independent draws that the draws of a chain are worth, in the median.

The second test has the priors of the sampler. It has 30 x 20 ids and 300 rated cells, the first one 6 x 5 ids
and 20 cells; embeddings have length 2, and cells are rated up to three times. A chain of the second test
starts from standard normal rows and noise of variance 1.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from data import environment
from scipy import stats
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[2]))
from sklearn_mf.model._posterior import Noise
from sklearn_mf.solvers.gibbs import _priors as priors
from tests.solvers.gibbs.test_sampler import Simulation, Tame, Unknowns

DIM, N_BATCHES = 2, 50
# Functions that change with the rotation and the order of the coordinates, which the ratings leave open.
OPEN = "coordinate"
BURN_IN, N_DRAWS, THIN = 120, 19, 6

Values = dict[str, float]


class JointSimulation(Simulation):
    """Chain, simulator of unknowns and ratings, and functions of them."""

    def from_prior(self, rng: np.random.Generator) -> Unknowns:
        """Rows, priors and noise from the prior of the sampler."""
        drawn, tables, factors, degrees = [], [], [], np.full(len(self.n_ids), np.inf)
        for field, n in enumerate(self.n_ids):
            prior = self.simulate_prior(n, rng)
            root = np.linalg.cholesky(np.linalg.inv(prior.precision))
            drawn.append(prior)
            tables.append(prior.mean + rng.normal(size=(n, self.dim + 1)) @ root.T)
            degrees[field] = rng.choice(priors.DEGREES)
            factors.append(rng.gamma(degrees[field] / 2, 2 / degrees[field], n))
        precision = rng.gamma(priors.SHAPE, 1 / priors.RATE)
        return Unknowns(drawn, tables, Noise(precision, factors, degrees))

    def simulate_prior(self, n_ids: int, rng: np.random.Generator) -> priors.Prior:
        """Mean and precision of a field of so many ids."""
        width = self.dim + 1
        prior = priors.precision_prior(width, n_ids)
        precision = stats.wishart.rvs(prior.degrees, np.diag(1 / prior.inverse_scale), random_state=rng)
        root = np.linalg.cholesky(np.linalg.inv(precision))
        return priors.Prior(root @ rng.normal(size=width) / np.sqrt(priors.BETA0), precision)

    def dispersed_start(self, rng: np.random.Generator) -> Unknowns:
        """Standard normal rows and noise of variance 1."""
        tables = [rng.normal(size=(n, self.dim + 1)) for n in self.n_ids]
        degrees = np.full(len(tables), priors.DEGREES[-1])
        return Unknowns([], tables, Noise(1.0, [np.ones(n) for n in self.n_ids], degrees))

    def functions(self, unknowns: Unknowns, means: np.ndarray, within_squares: np.ndarray) -> Values:
        """Named functions of unknowns and ratings."""
        values: Values = {"log noise precision": float(np.log(unknowns.noise.precision))}
        expected, precisions = self.expected(unknowns.tables), self.precisions(unknowns.noise)
        values |= {f"expected rating of cell {cell}": expected[cell] for cell in (0, 1, 2)}
        values["log precision of a rating of cell 0"] = float(np.log(precisions[0]))
        for field, (prior, table) in enumerate(zip(unknowns.priors, unknowns.tables, strict=True)):
            factors, degrees = unknowns.noise.factors[field], unknowns.noise.degrees[field]
            values |= {
                f"field {field}: prior mean of the bias": prior.mean[-1],
                f"field {field}: prior mean of coordinate 0": prior.mean[0],
                f"field {field}: log prior precision of the bias": np.log(prior.precision[-1, -1]),
                f"field {field}: log prior precision of coordinate 0": np.log(prior.precision[0, 0]),
                f"field {field}: prior precision of coordinate and bias": prior.precision[0, -1],
                f"field {field}: mean of the biases": table[:, -1].mean(),
                f"field {field}: log spread of coordinate 0": np.log(table[:, 0].std()),
                f"field {field}: log noise factor of an id": np.log(factors[0]),
                f"field {field}: log mean noise factor": np.log(factors.mean()),
                f"field {field}: log degrees of freedom": np.log(degrees / 40),
            }
        values["mean expected rating of all cells"] = float(expected.mean())
        for field, rows in enumerate(self.rows):
            values[f"field {field}: mean expected rating of an id"] = float(expected[rows == 0].mean())
        values["log-likelihood"] = self.log_likelihood(expected, precisions, means, within_squares)
        return values

    def log_likelihood(
        self, expected: np.ndarray, precisions: np.ndarray, means: np.ndarray, within_squares: np.ndarray
    ) -> float:
        """Mean log density of the means and within-cell squares of the ratings."""
        weights = self.ratings.weights
        squares = weights * (means - expected) ** 2 + within_squares
        return float((weights * np.log(precisions) - precisions * squares).sum() / weights.sum())


def simulation(sizes: tuple[int, int], n_cells: int) -> JointSimulation:
    """Chain over random cells."""
    return JointSimulation(2, DIM, True, n_cells=n_cells, sizes=sizes)


@contextmanager
def lighter_tails() -> Iterator[None]:
    """Other numbers in the hyperpriors of the sampler."""
    names = ("SHAPE", "RATE", "DEGREES", "precision_prior")
    with patch.multiple(priors, **{name: getattr(Tame, name) for name in names}):
        yield


@lighter_tails()
def geweke(n_sweeps: int) -> dict[str, tuple[float, float]]:
    """z-statistic and p-value of each function."""
    joint, rng = simulation((6, 5), 20), np.random.default_rng(0)
    independent, successive = [], []
    for _ in range(n_sweeps):
        unknowns = joint.simulate_unknowns(rng)
        independent.append(joint.functions(unknowns, *joint.simulate_cells(unknowns, rng)))
    joint.put_unknowns(unknowns)
    for _ in range(n_sweeps):
        joint.put_cells(*(cells := joint.simulate_cells(joint.unknowns(), rng)))
        joint.chain.sweep()
        successive.append(joint.functions(joint.unknowns(), *cells))
    names = list(independent[0])
    one, two = (np.arctan([list(each.values()) for each in runs]) for runs in (independent, successive))
    batches = two[: len(two) // N_BATCHES * N_BATCHES].reshape(N_BATCHES, -1, len(names)).mean(axis=1)
    error = np.sqrt(one.var(axis=0) / len(one) + batches.var(axis=0, ddof=1) / N_BATCHES)
    z = (one.mean(axis=0) - two.mean(axis=0)) / error
    return {
        name: (each, 2 * stats.t.sf(abs(each), N_BATCHES - 1)) for name, each in zip(names, z, strict=True)
    }


def effective_size(values: np.ndarray) -> float:
    """Number of independent draws that a chain (n,) is worth: Geyer's initial positive sequence."""
    centred = values - values.mean()
    covariances = np.correlate(centred, centred, "full")[len(values) - 1 :]
    pairs = (covariances[:-1:2] + covariances[1::2])[: len(values) // 2]
    positive = np.cumprod(pairs > 0).astype(bool)
    return float(len(values) * covariances[0] / max(2 * pairs[positive].sum() - covariances[0], 1e-12))


def calibration(n_sets: int) -> dict[str, tuple[float, float]]:
    """p-value of each unknown and its effective number of draws."""
    joint, rng = simulation((30, 20), 300), np.random.default_rng(1)
    ranks, sizes = [], []
    for number in range(n_sets):
        truth = joint.from_prior(rng)
        cells = joint.simulate_cells(truth, rng)
        joint.put_cells(*cells)
        joint.put_unknowns(joint.dispersed_start(rng))
        joint.chain.options = replace(joint.chain.options, seed=number)
        draws = []
        for sweep in range(BURN_IN + N_DRAWS * THIN):
            joint.chain.sweep()
            if sweep >= BURN_IN and sweep % 3 == 0:
                draws.append(joint.functions(joint.unknowns(), *cells))
        chain = np.array([list(draw.values()) for draw in draws])
        kept = chain[THIN // 3 - 1 :: THIN // 3]
        true = joint.functions(truth, *cells)
        ranks.append((kept < list(true.values())).sum(axis=0))
        sizes.append([effective_size(column) for column in chain.T])
    counts = [np.bincount(column, minlength=N_DRAWS + 1) for column in np.transpose(ranks)]
    tests = [stats.chisquare(count).pvalue for count in counts]
    table = dict(zip(true, zip(tests, np.median(sizes, axis=0), strict=True), strict=True))
    return {name: row for name, row in table.items() if OPEN not in name}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sweeps", type=int, default=20_000, help="0: no joint-distribution test")
    parser.add_argument("--sets", type=int, default=200, help="0: no calibration")
    arguments = parser.parse_args()
    print(environment())
    with threadpool_limits(1, "blas"):
        if arguments.sweeps:
            start = time.perf_counter()
            table = geweke(arguments.sweeps)
            print(f"\nGeweke, {arguments.sweeps} sweeps, {time.perf_counter() - start:.0f} s: z, p")
            for name, (z, p) in table.items():
                print(f"{name:<52}{z:+6.2f}  {p:.3f}")
            print(f"least p-value of {len(table)}: {min(p for _, p in table.values()):.3f}")
        if arguments.sets:
            start = time.perf_counter()
            ranks = calibration(arguments.sets)
            print(f"\ncalibration, {arguments.sets} data sets, {time.perf_counter() - start:.0f} s: p, draws")
            for name, (p, size) in ranks.items():
                print(f"{name:<52}{p:.3f}  {size:6.0f}")
            print(f"least p-value of {len(ranks)}: {min(p for p, _ in ranks.values()):.3f}")


if __name__ == "__main__":
    main()
