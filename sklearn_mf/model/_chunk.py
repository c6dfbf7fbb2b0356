"""Rows of ids after further ratings; a quadratic penalty is in place of the earlier ones. NumPy only.

The row t of an id of a field minimises, field after field and the others held fixed,

    sum_n w_n (z_n - x_n' t)^2 / 2 + l2 W |t - c|^2 / 2 + (t - t_0)' (h C + Q) (t - t_0) / 2

over the further ratings of the id, of summed weight W, whose partners' rows are x. The last term stands for
the earlier ratings: t_0 is the present row, h their summed weight, and C their mean curvature, l2 included,
over all ids of the field. Q is the curvature of the terms that all rows of the field share.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.model._fold_in import LEAST, solution
from sklearn_mf.ratings._ratings import Ratings, sorted_by

Floats = NDArray[np.float64]
Tables = list[NDArray[np.float32]]  # for each field a row [embedding, bias] of each id, (n_ids[f], width)

# Numbers in the normal equations that are solved at a time.
_MOST_FLOATS = 2**22


@dataclass(frozen=True)
class Chunk:
    """Further ratings, in units where all ratings have mean weight 1.

    Parameters
    ----------
    codes : ndarray of shape (n_ratings, n_fields), int32
        Ids of each rating.
    targets, weights : ndarray of shape (n_ratings,), float64
        Ratings in units of z; weights.
    seen : list of ndarray of shape (n_ids[f],), float64
        Summed weight of the earlier ratings of each id.
    within_square_sum : float
        Weighted squared distances of repeated ratings from the mean of their cell, in units of z.
    """

    codes: NDArray[np.int32]
    targets: Floats
    weights: Floats
    seen: list[Floats]
    within_square_sum: float

    @classmethod
    def of(cls, ratings: Ratings, seen: list[Floats], mean_weight: float, model: Model) -> Self:
        """Take merged ratings in the units of a model; `seen` and `mean_weight` are in units of theirs."""
        targets = ratings.standardized(model.intercept, model.scale)
        weights = ratings.weights / mean_weight
        within = ratings.within_square_sum / (model.scale**2 * mean_weight)
        return cls(ratings.codes, targets, weights, [each / mean_weight for each in seen], within)

    def new_ids(self, field: int) -> NDArray[np.intp]:
        """Ids of a field whose first ratings are in the chunk."""
        has_ratings = np.zeros(len(self.seen[field]), dtype=bool)
        has_ratings[self.codes[:, field]] = True
        return np.flatnonzero(has_ratings & (self.seen[field] == 0))


class Memory(NamedTuple):
    """Penalties of the rows of a field, see the module.

    Parameters
    ----------
    of_rating : ndarray of shape (width, width)
        C, the curvature of an earlier rating.
    shared : ndarray of shape (width, width)
        Q.
    l2 : float
        Ridge penalty of a further rating.
    centres : ndarray of shape (n_ids, width) or (width,)
        Rows c that this penalty pulls to.
    of_new : float
        h of an id without earlier ratings.
    """

    of_rating: Floats
    shared: Floats
    l2: float
    centres: Floats
    of_new: float


def tables_of(model: Model) -> Tables:
    """Rows [embedding, bias] of all ids of each field, copied."""
    return [np.column_stack(pair) for pair in zip(model.embeddings, model.biases, strict=True)]


def model_of_tables(model: Model, tables: Tables, chunk: Chunk) -> Model:
    """The model with other rows, where the ids of the chunk count as trained."""
    epochs = [each.copy() for each in model.epochs]
    for field, of_field in enumerate(epochs):
        of_field[chunk.new_ids(field)] = 1
    return replace(
        model,
        embeddings=[np.ascontiguousarray(table[:, :-1]) for table in tables],
        biases=[table[:, -1].copy() for table in tables],
        epochs=epochs,
    )


class FieldProblems(NamedTuple):
    """Row problems of a field, see the module, with the ratings of the chunk in the order of the rows.

    Parameters
    ----------
    ids : ndarray of shape (n_rows,), intp
        Ids with ratings in the chunk.
    rows : ndarray of shape (n_rows, width)
        Present rows t_0.
    held : ndarray of shape (n_rows,)
        Weights h of the earlier ratings.
    centres : ndarray of shape (n_rows, width)
        Rows c.
    memory : Memory
        Penalties.
    starts : ndarray of shape (n_rows + 1,), int32
        First rating of each row, and the end of the last.
    X : ndarray of shape (n_ratings, width)
        Partners' rows x.
    errors, weights : ndarray of shape (n_ratings,)
        Residuals of the present rows; weights.
    uncertainty : ndarray of shape (n_ratings, width) or None
        Variances of the partners' rows: a rating of weight w adds w times these to the ridge penalty.
    """

    ids: NDArray[np.intp]
    rows: Floats
    held: Floats
    centres: Floats
    memory: Memory
    starts: NDArray[np.int32]
    X: Floats
    errors: Floats
    weights: Floats
    uncertainty: Floats | None

    @classmethod
    def of(
        cls,
        tables: Tables,
        chunk: Chunk,
        field: int,
        memory: Memory,
        fit_bias: bool = True,
        variances: Tables | None = None,
    ) -> Self:
        """Group the ratings by the ids of a field; `variances` (n_ids[f], width) are those of two fields."""
        X, y = _design(tables, chunk, field, fit_bias)
        order, starts = sorted_by(chunk.codes[:, field], len(tables[field]))
        ids = np.flatnonzero(np.diff(starts))
        starts = np.append(starts[ids], starts[-1])
        rows, X, seen = tables[field][ids].astype(np.float64), X[order], chunk.seen[field][ids]
        errors = y[order] - np.einsum("nk,nk->n", X, np.repeat(rows, np.diff(starts), axis=0))
        uncertainty = None if variances is None else _uncertainty(variances, chunk, field)[order]
        centres = np.broadcast_to(memory.centres, tables[field].shape)[ids]
        held = np.where(seen > 0, seen, memory.of_new)
        return cls(ids, rows, held, centres, memory, starts, X, errors, chunk.weights[order], uncertainty)

    def solutions(self, positive: bool = False) -> Floats:
        """Rows that minimise the objective, (n_rows, width)."""
        size = max(1, _MOST_FLOATS // self.rows.shape[1] ** 2)
        starts = range(0, len(self.rows), size)
        parts = [self._solve(range(len(self.rows))[first : first + size], positive) for first in starts]
        return np.concatenate(parts)

    def _solve(self, part: range, positive: bool) -> Floats:
        """Solutions of some rows."""
        G, r = self._normal_equations(part)
        rows = self.rows[part.start : part.stop]
        if positive:
            right = r + np.einsum("nkl,nl->nk", G, rows)
            return np.array([solution(g, of_row, True) for g, of_row in zip(G, right, strict=True)])
        changed: Floats = rows + np.linalg.solve(G, r[..., None])[..., 0]
        return changed

    def _normal_equations(self, part: range) -> tuple[Floats, Floats]:
        """G and r of the changes of some rows, (n, width, width), (n, width): G change = r."""
        chosen = slice(part.start, part.stop)
        G = self.held[chosen, None, None] * self.memory.of_rating + self.memory.shared
        r, further = np.empty((2, len(part), self.rows.shape[1]))
        for place, number in enumerate(part):
            ratings = slice(self.starts[number], self.starts[number + 1])
            X, w = self.X[ratings], self.weights[ratings]
            weighted = w[:, None] * X
            G[place] += X.T @ weighted
            r[place] = self.errors[ratings] @ weighted
            further[place] = 0.0 if self.uncertainty is None else w @ self.uncertainty[ratings]
        ridge = self.memory.l2 * self._sums(self.weights)[chosen, None]
        r -= ridge * (self.rows - self.centres)[chosen] + further * self.rows[chosen]
        diagonal = np.arange(r.shape[1])
        G[:, diagonal, diagonal] += ridge + further
        G[:, diagonal, diagonal] += LEAST * np.maximum(np.trace(G, axis1=1, axis2=2), LEAST)[:, None]
        return G, r

    def curvatures(self) -> Floats:
        """Second derivatives of the squared errors of the chunk in each coordinate, (n_rows, width)."""
        squares = self.X**2 if self.uncertainty is None else self.X**2 + self.uncertainty
        return self._sums(self.weights[:, None] * squares)

    def _sums(self, numbers: Floats) -> Floats:
        """Sums over the ratings of each row, (n_ratings, ...) -> (n_rows, ...)."""
        sums: Floats = np.add.reduceat(numbers, self.starts[:-1])
        return sums


def _design(tables: Tables, chunk: Chunk, field: int, fit_bias: bool) -> tuple[Floats, Floats]:
    """Partners' rows x of the ratings of a field, (n, width), and targets less the partners' terms, (n,)."""
    X, y = np.zeros((len(chunk.targets), tables[field].shape[1])), chunk.targets.copy()
    for other in range(len(tables)):
        if other != field:
            rows = tables[other][chunk.codes[:, other]].astype(np.float64)
            y -= rows[:, -1] + np.einsum("nk,nk->n", X[:, :-1], rows[:, :-1])
            X[:, :-1] += rows[:, :-1]
    X[:, -1] = float(fit_bias)
    return X, y


def _uncertainty(variances: Tables, chunk: Chunk, field: int) -> Floats:
    """Variances of the partners of the ratings of one of two fields, 0 for the bias, (n, width)."""
    rows = variances[1 - field][chunk.codes[:, 1 - field]].astype(np.float64)
    rows[:, -1] = 0.0
    return rows
