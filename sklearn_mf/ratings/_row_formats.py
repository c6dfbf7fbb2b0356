"""The two meanings of a row of data: a rating, or an interaction that has a strength."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.ratings._columns import (
    AT_POSITION,
    Place,
    check_length,
    named_columns,
    read_targets,
    read_weights,
    short_repr,
)
from sklearn_mf.ratings._derived_cells import with_values
from sklearn_mf.ratings._frames import as_table
from sklearn_mf.ratings._matrices import is_sparse
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._suspicions import time_column_hint, warn_of_implicit_feedback


class RowFormat:
    """Rows with a rating each; repeated rows are merged into their mean."""

    merging: Literal["mean", "sum"] = "mean"

    @property
    def merging_on_disk(self) -> Literal["mean", "sum"]:
        """Merging of the cells of a store, where fit makes it."""
        return self.merging

    def check_columns(self, names: list[str]) -> None:
        """Refuse a data set on disk without a column of ratings."""
        if len(names) == 2:
            raise ValueError(
                f"The data set has no column of ratings, only {names}: pass user, item and rating."
            )

    def split(self, X: object, y: object, caller: str) -> tuple[Any, Any]:
        """Split a table of user, item, rating into X and y where y is None; errors name `caller`."""
        return split_ratings(X, y, caller)

    def read_values(
        self, y: object, sample_weight: object, n_rows: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Check ratings and weights, (n_rows,) each; rows of weight 0 are to be dropped."""
        targets = read_targets(y)
        check_length(targets, n_rows, "ratings")
        return targets, read_weights(sample_weight, n_rows)

    def range_of(self, target_range: NDArray[np.float64], how: Literal["mean", "sum"]) -> NDArray[np.float64]:
        """Range of the values of the rows of a store, (2,) -> (2,); `how` says how it merged cells."""
        if how != "mean":
            raise ValueError(
                f"The store has the sum of repeated ratings (repeated={how!r}), but this estimator takes "
                "their mean: prepare it with repeated='mean'."
            )
        return target_range

    def of_cells(self, ratings: Ratings, how: Literal["mean", "sum"]) -> Ratings:
        """Make merged rows from the cells of a store."""
        return ratings

    def warn_of_suspects(self, targets: NDArray[np.float64], caller: str) -> None:
        """Warn where training ratings look like anything else."""
        warn_of_implicit_feedback(targets, caller)


@dataclass(frozen=True)
class InteractionRows(RowFormat):
    """Rows with a strength each, 1 where none is given; repeated rows add up.

    Parameters
    ----------
    has_strengths : bool
        Whether given strengths count; else each interaction has strength 1.
    """

    has_strengths: bool
    merging: Literal["mean", "sum"] = "sum"

    @property
    def merging_on_disk(self) -> Literal["mean", "sum"]:
        """As of ratings where strengths do not count: the weights of the cells are then their strengths."""
        return "sum" if self.has_strengths else "mean"

    def check_columns(self, names: list[str]) -> None:
        """Take two columns for interactions of strength 1."""

    def split(self, X: object, y: object, caller: str) -> tuple[Any, Any]:
        """Split a table of user, item, strength where y is None; a table of ids alone has no y."""
        if y is not None or is_sparse(X):
            return X, y
        table = as_table(X)
        has_three = getattr(table, "shape", ())[1:] == (3,)
        return _without_last(table) if has_three else (table, None)

    def read_values(
        self, y: object, sample_weight: object, n_rows: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Check strengths and weights, (n_rows,) each; a row of strength 0 gets weight 0."""
        strengths, weights = np.broadcast_to(1.0, n_rows), read_weights(sample_weight, n_rows)
        if y is None:
            return strengths, weights
        given = read_targets(y)
        check_length(given, n_rows, "strengths")
        check_strengths(given)
        if not (weights > 0)[given > 0].any():
            raise ValueError(
                "No row has a strength and a weight above 0: at least one row needs both, "
                "as a row without interaction is not one."
            )
        weights = weights if given.all() else np.where(given > 0, weights, 0)
        return (given if self.has_strengths else strengths), weights

    def range_of(self, target_range: NDArray[np.float64], how: Literal["mean", "sum"]) -> NDArray[np.float64]:
        """Range of the strengths of the rows of a store, (2,) -> (2,)."""
        if target_range[0] <= 0:
            raise ValueError(
                f"Strengths of a store or data set must be above 0, got {target_range[0]:g}: leave such rows "
                "out, as a row of strength 0 is no interaction."
            )
        if how == "sum" and not self.has_strengths and (target_range != 1).any():
            raise ValueError(
                "confidence=None counts the rows of a cell, but the store has the sum of their strengths "
                "(repeated='sum'): prepare it with repeated='mean'."
            )
        return target_range if self.has_strengths else np.ones(2)

    def of_cells(self, ratings: Ratings, how: Literal["mean", "sum"]) -> Ratings:
        """Sum the strengths of each cell: its weight times their mean."""
        if how == "sum":
            return ratings
        return with_values(ratings, np.multiply if self.has_strengths else _weights_of, None)

    def warn_of_suspects(self, targets: NDArray[np.float64], caller: str) -> None:
        """Do nothing: any strengths are fine."""


def _weights_of(targets: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of cells whose rows count 1 each."""
    return weights


RATINGS = RowFormat()


def check_strengths(strengths: NDArray[np.float64], place: Place = AT_POSITION) -> None:
    """Refuse negative strengths, (n,)."""
    if strengths.min(initial=0) < 0:
        row = int(np.argmin(strengths))
        raise ValueError(
            f"Strengths must not be negative, got {strengths[row]:g} {place(row)}: use 0 to drop a row."
        )


def split_ratings(X: object, y: object, caller: str) -> tuple[Any, Any]:
    """Split a table of user, item, rating into X and y where y is None; `caller` is named in the error."""
    if y is not None or is_sparse(X):
        return X, y
    table = as_table(X)
    shape = getattr(table, "shape", None)
    if shape is None or len(shape) != 2 or shape[1] != 3:
        got = short_repr(table) if shape is None else f"an input of shape {tuple(shape)}"
        is_table = isinstance(table, (np.ndarray, pd.DataFrame)) and table.ndim == 2 and len(table) > 0
        hint = time_column_hint(X, dict(named_columns(table))) if is_table else ""
        raise ValueError(
            f"This {caller} estimator requires y to be passed, but the target y is None: "
            "call it with two arguments, ids and ratings, as in fit(X, y), or with one table of exactly "
            f"three columns user, item, rating; got {got}{hint}."
        )
    return _without_last(table)


def _without_last(table: NDArray[np.generic] | pd.DataFrame) -> tuple[Any, Any]:
    """The first two columns of a table of three, and the third."""
    if isinstance(table, pd.DataFrame):
        return table.iloc[:, :2], table.iloc[:, 2]
    return table[:, :2], table[:, 2]
