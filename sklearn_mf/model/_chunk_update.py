"""Models after a chunk of further ratings: rows alone, or rows with variances."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.model._chunk import Chunk, FieldProblems, Floats, Memory, Tables, model_of_tables, tables_of
from sklearn_mf.model._factors import Model, has_features
from sklearn_mf.model._fold_in import LEAST, solution
from sklearn_mf.model._rated_cells import indicator
from sklearn_mf.model._uncertain import UncertainModel
from sklearn_mf.ratings._features import Features


class Moments(NamedTuple):
    """Weighted moments of the rows [embedding, bias] of a field.

    Parameters
    ----------
    weight : float
        Sum of the weights.
    mean : ndarray of shape (width,)
        Mean row.
    squares : ndarray of shape (width, width)
        Mean outer product of a row with itself.
    """

    weight: float
    mean: Floats
    squares: Floats

    @classmethod
    def of(cls, table: NDArray[np.float32], weights: Floats) -> Self:
        """Moments of the rows (n_ids, width) that have a weight, (n_ids,); zeros if none has."""
        rated = np.flatnonzero(weights)
        rows, shares = table[rated].astype(np.float64), weights[rated]
        weight = float(shares.sum())
        shares = shares / (weight or 1.0)
        return cls(weight, shares @ rows, (rows * shares[:, None]).T @ rows)

    def of_design(self, fit_bias: bool) -> tuple[Floats, Floats]:
        """Mean of x, (width,), and of x x', (width, width), where x is a row with `fit_bias` as its bias."""
        mean, squares = self.mean.copy(), self.squares.copy()
        mean[-1] = float(fit_bias)
        squares[-1] = squares[:, -1] = mean * mean[-1]
        return mean, squares


def mean_curvature(moments: list[Moments], field: int, fit_bias: bool) -> Floats:
    """Mean of x x' over the earlier ratings of a field, (width, width), from the moments of the fields.

    With more than two fields, the ids of the others count as independent.
    """
    width = len(moments[field].mean)
    mean, covariance = np.zeros(width), np.zeros((width, width))
    for other in (*moments[:field], *moments[field + 1 :]):
        mean += other.mean
        covariance += other.squares - np.outer(other.mean, other.mean)
    covariance[-1], covariance[:, -1], mean[-1] = 0.0, 0.0, float(fit_bias)
    return covariance + np.outer(mean, mean)


def _moments(tables: Tables, weights: list[Floats]) -> list[Moments]:
    """Moments of the rows of each field, (n_ids[f], width), with weights (n_ids[f],)."""
    return list(map(Moments.of, tables, weights))


@dataclass(frozen=True)
class RowUpdate:
    """Settings of the update of rows without variances.

    Parameters
    ----------
    l2 : float
        Ridge penalty of one rating.
    prior_ratings : float
        Number of ratings of mean weight that the penalty of each id counts beyond its own.
    fit_bias, positive : bool
        Form of the model, as in fit.
    of_new : float
        Number of ratings that the first row of a new id counts, which is its prior mean or the average.
    around_mean : bool
        Whether the penalty is on the distance from the average row of the field.
    unobserved : tuple of two floats or None
        Weight and value of each cell of users x items, as one more rating. The first row of a new id is then
        what these ratings and the penalty give.
    features : tuple of csr_array of shape (n_ids[f], n_features[f]), float64, or None
        Features of the ids of each field; empty where no field has any.
    """

    l2: float
    prior_ratings: float = 0.0
    fit_bias: bool = True
    positive: bool = False
    of_new: float = 0.0
    around_mean: bool = False
    unobserved: tuple[float, float] | None = None
    features: Features = ()

    def apply(self, model: Model, chunk: Chunk) -> Model:
        """Rows after a chunk: one pass, field after field."""
        tables, n_fields = tables_of(model), len(model.biases)
        moments = _moments(tables, chunk.seen)
        partners = self._partners(tables, chunk)
        memories = [self._memory(model, moments, partners, field) for field in range(n_fields)]
        for field, memory in enumerate(memories[: len(partners)]):
            new = chunk.new_ids(field)
            centres = np.broadcast_to(memory.centres, tables[field].shape)[new]
            tables[field][new] = self._first_rows(memory.shared, centres, partners[field])
        for field, memory in enumerate(memories):
            problems = FieldProblems.of(tables, chunk, field, memory, self.fit_bias)
            tables[field][problems.ids] = problems.solutions(self.positive)
        return model_of_tables(model, tables, chunk)

    def _partners(self, tables: Tables, chunk: Chunk) -> list[Moments]:
        """Moments of the partners of the unobserved cells of both fields, each row once; none without."""
        if self.unobserved is None:
            return []
        return _moments(tables, [(seen > 0).astype(np.float64) for seen in chunk.seen])[::-1]

    def _memory(self, model: Model, moments: list[Moments], partners: list[Moments], field: int) -> Memory:
        of_rating = mean_curvature(moments, field, self.fit_bias)
        identity = np.eye(len(of_rating))
        shared = self._ridge(*partners[field : field + 1]) * identity
        if self.unobserved is not None:
            of_cells, weight = partners[field], self.unobserved[0]
            shared += weight * of_cells.weight * of_cells.of_design(self.fit_bias)[1]
            shared += LEAST * max(np.trace(shared), LEAST) * identity
        centres = self._centres(model, field)
        return Memory(of_rating + self.l2 * identity, shared, self.l2, centres, self.of_new)

    def _ridge(self, partners: Moments | None = None) -> float:
        """Penalty of the row of an id without ratings."""
        weight = 0.0 if self.unobserved is None else self.unobserved[0]
        return self.l2 * (self.prior_ratings + (0.0 if partners is None else weight * partners.weight))

    def _first_rows(self, shared: Floats, centres: Floats, partners: Moments) -> Floats:
        """Rows of new ids as the unobserved cells and the penalty give them, (n_new, width) both."""
        assert self.unobserved is not None
        weight, value = self.unobserved
        mean, _ = partners.of_design(self.fit_bias)
        of_biases = partners.squares[-1].copy()
        of_biases[-1] = self.fit_bias * partners.mean[-1]
        shift = weight * partners.weight * (value * mean - of_biases)
        right = shift + self._ridge(partners) * centres
        if self.positive:
            return np.array([solution(shared, row, True) for row in right]).reshape(right.shape)
        return np.linalg.solve(shared, right.T).T.astype(np.float64, copy=False)

    def _centres(self, model: Model, field: int) -> Floats:
        """Rows that the penalty pulls to, (n_ids, width) or (width,)."""
        average = np.append(model.average_embeddings[field], model.average_biases[field])
        centre = average if self.around_mean else np.zeros(len(average))
        table = self.features[field] if self.features else None
        coefficients = model.coefficients[field] if model.coefficients else None
        if table is None or coefficients is None:
            return centre
        return np.where(has_features(table)[:, None], table @ coefficients, centre)


def update_uncertain(
    before: UncertainModel, chunk: Chunk, item_means: NDArray[np.float32], features: Features
) -> UncertainModel:
    """Rows and variances after a chunk, and the noise.

    The prior means of new items are their rows of `item_means`, (n_items, embedding_dim).
    """
    tables, variances = tables_of(before.model), [each.copy() for each in before.variances]
    for field, means in enumerate(_prior_means(before, chunk, item_means, features)):
        new = chunk.new_ids(field)
        tables[field][new], variances[field][new] = means, 1 / before.precisions[field]
    moments, spreads = _moments(tables, chunk.seen), _moments(variances, chunk.seen)
    memories = [_memory(before, moments, spreads[1 - field].mean, field) for field in (0, 1)]
    for field, memory in enumerate(memories):
        problems = FieldProblems.of(tables, chunk, field, memory, True, variances)
        tables[field][problems.ids] = problems.solutions()
        precisions = before.noise / variances[field][problems.ids] + problems.curvatures()
        variances[field][problems.ids] = before.noise / precisions
    prior_means = before.item_means.copy()
    prior_means[chunk.new_ids(1)] = item_means[chunk.new_ids(1)]
    model = model_of_tables(before.model, tables, chunk)
    after = replace(before, model=model, variances=variances, item_means=prior_means)
    return replace(after, noise=_noise(after, chunk))


def _prior_means(
    before: UncertainModel, chunk: Chunk, item_means: NDArray[np.float32], features: Features
) -> list[Floats]:
    """Prior means of the new ids of both fields, (n_new[f], width)."""
    users, items = chunk.new_ids(0), chunk.new_ids(1)
    means = [
        np.tile(before.user_mean, (len(users), 1)),
        np.column_stack([item_means[items], np.zeros(len(items))]).astype(np.float64),
    ]
    if before.pattern is not None:
        cells = indicator(chunk.codes, tuple(map(len, chunk.seen)))
        means[0] += before.pattern.features(0, cells[users])
    for field, (table, ids) in enumerate(zip(features, (users, items), strict=False)):
        coefficients = before.coefficients[field] if before.coefficients else None
        if table is not None and coefficients is not None:
            means[field] += table[ids] @ coefficients[: table.shape[1]]
    return means


def _memory(before: UncertainModel, moments: list[Moments], spread: Floats, field: int) -> Memory:
    """Penalties of the rows of a field in units of the noise; `spread` (width,) are its partners' variances.

    A new row has the prior alone.
    """
    uncertainty = np.append(spread[:-1], 0.0)
    shared = before.noise * np.diag(before.precisions[field])
    of_rating = mean_curvature(moments, field, True) + np.diag(uncertainty)
    return Memory(of_rating, shared, 0.0, np.zeros(len(shared)), 0.0)


def _noise(model: UncertainModel, chunk: Chunk) -> float:
    """Noise over the earlier ratings and those of the chunk."""
    earlier, weight = chunk.seen[0].sum(), chunk.weights.sum()
    unit = replace(model.model, intercept=0.0, scale=1.0)
    predicted = unit.predict(chunk.codes)
    of_rows = replace(model, model=unit).variance(chunk.codes, chunk.seen) - model.noise
    squares = chunk.weights @ ((chunk.targets - predicted) ** 2 + of_rows) + chunk.within_square_sum
    return float((earlier * model.noise + squares) / (earlier + weight))
