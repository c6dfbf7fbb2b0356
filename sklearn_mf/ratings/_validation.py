"""What the user passes becomes columns of ids, ratings and weights; an error says why it cannot."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_array

from sklearn_mf.ratings._columns import (
    IdColumn,
    IdType,
    check_id,
    named_columns,
    read_id_column,
    short_repr,
)
from sklearn_mf.ratings._frames import as_table
from sklearn_mf.ratings._matrices import is_sparse, read_cells
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._row_formats import RATINGS, RowFormat
from sklearn_mf.ratings._statistics import RatingStatistics
from sklearn_mf.ratings._suspicions import warn_of_third_column

Table = NDArray[np.generic] | pd.DataFrame


@dataclass(frozen=True)
class TrainingInput:
    """Checked input of fit.

    Parameters
    ----------
    ids : list of IdColumn
        One column of ids for each field.
    dtypes : list of str or dict
        The type of each column, to give ids back in.
    known : list of ndarray or None
        Ids that a field has whether or not they were rated: all row and column numbers of a matrix.
    targets : ndarray of shape (n_samples,), float64
        The ratings.
    weights : ndarray of shape (n_samples,), float64
        Positive sample weights.
    X : ndarray or DataFrame of shape (n_samples, n_fields)
        The id columns as callbacks get them.
    """

    ids: list[IdColumn]
    dtypes: list[IdType]
    known: list[NDArray[np.integer] | None]
    targets: NDArray[np.float64]
    weights: NDArray[np.float64]
    X: Table

    def without_zero_weights(self) -> "TrainingInput":
        """The rows of positive weight."""
        keep = self.weights > 0
        if keep.all():
            return self
        return replace(
            self,
            ids=[column.take(keep) for column in self.ids],
            targets=self.targets[keep],
            weights=self.weights[keep],
            X=self.X[keep],
        )

    def for_callbacks(self, weighted: bool) -> dict[str, object]:
        """Arguments `X`, `y` and `metadata` of scikit-learn's callbacks, with or without the weights."""
        metadata = {"sample_weight": self.weights} if weighted else None
        return {"X": self.X, "y": self.targets, "metadata": metadata}

    def merged(self, codes: list[NDArray[np.int32]], n_ids: tuple[int, ...], rows: RowFormat) -> Ratings:
        """The merged ratings of rows with codes (n_samples,) of each field."""
        return Ratings.merge(codes, self.targets, self.weights, n_ids, rows.merging)

    def statistics(
        self, codes: list[NDArray[np.int32]], n_ids: tuple[int, ...], rows: RowFormat
    ) -> RatingStatistics | None:
        """Statistics of the merged ratings, where they are known already."""
        return None

    def folder_of_items(self, ratings: Ratings) -> str | None:
        """Folder of a store that has the rated items during training, or None to copy them before."""
        return None


@dataclass(frozen=True)
class IdTable:
    """A checked table of ids.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_samples, n_fields)
        The table as checked.
    columns : list of IdColumn
        One column of ids for each field.
    dtypes : list of str or dict
        The type of each column, to give ids back in.
    """

    X: Table
    columns: list[IdColumn]
    dtypes: list[IdType]


def read_ratings(
    X: object, y: object, sample_weight: object, caller: str, rows: RowFormat = RATINGS, suspect: bool = True
) -> TrainingInput:
    """Check the input of fit and drop rows of weight 0; `caller` is the estimator's name, for errors.

    Where `suspect`, warn of ratings that look like anything else.
    """
    if is_sparse(X):
        read = _read_matrix(X, y, sample_weight, rows)
    else:
        read = _read_rows(X, y, sample_weight, caller, rows)
    read = read.without_zero_weights()
    if suspect:
        rows.warn_of_suspects(read.targets, caller)
    return read


def read_ids(X: object) -> IdTable:
    """Check a table of ids, (n_samples, n_fields), and number the ids of each column."""
    X = read_table(X)
    pairs = [read_id_column(column, f"Column {name!r}") for name, column in named_columns(X)]
    return IdTable(X, [pair[0] for pair in pairs], [pair[1] for pair in pairs])


def read_table(X: object) -> Table:
    """Check that X is a table, and make it an ndarray or DataFrame of shape (n_rows, n_columns)."""
    if is_sparse(X):
        raise TypeError(
            "A sparse matrix is not a table of ids: pass one row for each (user, item) pair and a column "
            "for each field; only fit takes ratings as a sparse matrix, alone, as in fit(A)."
        )
    X = as_table(X)
    return _check_frame(X) if isinstance(X, pd.DataFrame) else _read_array(X)


def check_known(codes: NDArray[np.integer], ids: NDArray[np.generic], label: str) -> None:
    """Refuse ids, (n,), that fit has not seen, those of code -1; `label` names them in the error."""
    unknown = pd.unique(ids[np.asarray(codes) < 0])
    if len(unknown):
        listed = ", ".join(repr(item) for item in pd.Series(unknown[:5]).tolist())  # dates as dates
        raise ValueError(
            f"{label} not known from fit: {listed}{', and others' if len(unknown) > 5 else ''}; "
            "pass ids that fit has seen."
        )


def _read_rows(X: object, y: object, sample_weight: object, caller: str, rows: RowFormat) -> TrainingInput:
    ids, y = rows.split(X, y, caller)
    table = read_ids(ids)
    targets, weights = rows.read_values(y, sample_weight, len(table.X))
    warn_of_third_column(table.columns, targets)
    known: list[NDArray[np.integer] | None] = [None] * len(table.columns)
    return TrainingInput(table.columns, table.dtypes, known, targets, weights, table.X)


def _read_matrix(A: object, y: object, sample_weight: object, rows: RowFormat) -> TrainingInput:
    if y is not None or sample_weight is not None:
        raise ValueError(
            "A sparse matrix holds the ratings itself: call fit(A) with neither y nor sample_weight, "
            "or fit(X, y, sample_weight) with a table of ids."
        )
    cells = read_cells(A)
    table = read_ids(np.stack(cells.coords, axis=1).astype(np.int64))
    known: list[NDArray[np.integer] | None] = [np.arange(size) for size in cells.shape]
    targets, weights = rows.read_values(cells.data, None, cells.nnz)
    return TrainingInput(table.columns, table.dtypes, known, targets, weights, table.X)


def _check_frame(X: pd.DataFrame) -> pd.DataFrame:
    if 0 in X.shape:
        raise ValueError(
            f"Found array with {X.shape[0]} sample(s) and {X.shape[1]} feature(s) (shape={X.shape}) "
            "while a minimum of 1 is required: pass at least one row and one column of ids."
        )
    if not X.columns.is_unique:
        raise ValueError(
            f"Column {X.columns[X.columns.duplicated()][0]!r} stands in X more than once: rename it."
        )
    return X


def _read_array(X: Any) -> NDArray[np.generic]:
    array = X if hasattr(X, "shape") else np.asarray(X)
    if len(array.shape) != 2:
        got = f"an array of shape {tuple(array.shape)}" if array.shape else short_repr(array[()])
        raise ValueError(
            f"Expected a table of ids, 2D, got {got}: Reshape your data to one row for each rating "
            "and one column for each field."
        )
    if np.iscomplexobj(array) and np.size(array):
        check_id(np.ravel(array)[0], 0, "Column 0")
    return check_array(array, dtype=None, ensure_all_finite=False)
