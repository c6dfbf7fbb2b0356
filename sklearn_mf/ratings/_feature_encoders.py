"""Tables of features become sparse rows of numbers: encoders are learnt in fit and kept as plain values."""

from collections.abc import Hashable
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, hstack, vstack
from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler

from sklearn_mf.ratings._feature_tables import FeatureTable, as_categories, as_numbers, holds_numbers
from sklearn_mf.utils._warnings import warn_user

# Most categories of a column, and share of different values from which a column of text is like a name.
_MOST, _SHARE_OF_NAMES, _FEWEST_NAMES = 50_000, 0.9, 50
# Name of the first feature, which is 1 for every id of a table.
INTERCEPT = "intercept"


class Encoder(TypedDict):
    """How a column becomes features: plain values, so that skops can store them.

    Parameters
    ----------
    column : hashable
        Name of the column; None for a matrix.
    kind : {"numbers", "categories", "matrix"}
        Its kind.
    names : list of str
        Names of its features: the column itself, its categories, or the numbers of the columns of a matrix.
    mean, scale : float
        Numbers are standardised by them; a matrix is divided by `scale`.
    separator : str or None
        Text of categories is split at it.
    """

    column: Hashable
    kind: Literal["numbers", "categories", "matrix"]
    names: list[str]
    mean: float
    scale: float
    separator: str | None


def learn_encoders(
    table: FeatureTable, rated: NDArray[np.bool_], separator: str | None, label: str
) -> list[Encoder]:
    """Learn the encoders of the columns from the rows of ids with ratings, `rated` (n,).

    Columns without a value, or with the same one in all of these rows, are left out with a warning.
    """
    if table.matrix is not None:
        return [_learn_matrix(table.matrix[np.flatnonzero(rated)], label)]
    encoders, constant = [], []
    for name in table.columns:
        encoder = _learn_column(table, name, rated, separator, label)
        if encoder is None:
            constant.append(name)
        else:
            encoders.append(encoder)
    if constant:
        warn_user(
            f"{label} has no values or the same one for all ids with ratings in "
            f"{', '.join(map(repr, constant))}, so that a column says nothing: it is left out."
        )
    return encoders


def _learn_column(
    table: FeatureTable, name: Hashable, rated: NDArray[np.bool_], separator: str | None, label: str
) -> Encoder | None:
    """Encoder of a column; None where it is the same for all ids with ratings."""
    column, label = table.columns[name], f"Column {name!r} of {label}"
    if holds_numbers(column, label):
        numbers = as_numbers(column, label)[rated]
        present = numbers[~np.isnan(numbers)]
        if not len(present) or present.min() == present.max():
            return None
        scaler = StandardScaler().fit(present[:, None])
        mean, scale = float(scaler.mean_[0]), float(scaler.scale_[0])
        return Encoder(
            column=name, kind="numbers", names=[str(name)], mean=mean, scale=scale, separator=separator
        )
    cells = as_categories(column, separator, label)
    _check_categories(cells, label)
    names = MultiLabelBinarizer().fit([cells[row] for row in np.flatnonzero(rated)]).classes_.tolist()
    if not names or all(cells[row] == names[:1] for row in np.flatnonzero(rated)):
        return None
    return Encoder(column=name, kind="categories", names=names, mean=0.0, scale=1.0, separator=separator)


def _check_categories(cells: list[list[str]], label: str) -> None:
    """Refuse text that differs from id to id, as titles do, and too many categories."""
    distinct = len(set().union(*cells))
    n_filled = sum(map(bool, cells))
    is_single = all(len(cell) <= 1 for cell in cells)
    if is_single and n_filled >= _FEWEST_NAMES and distinct > _SHARE_OF_NAMES * n_filled:
        raise ValueError(
            f"{label} has {distinct} different values in {n_filled} rows, as titles and names have, "
            "which say nothing about other ids: drop the column."
        )
    if distinct > _MOST:
        raise ValueError(
            f"{label} has {distinct} different categories, and at most {_MOST} are possible: join rare ones."
        )


def _learn_matrix(rows: csr_array, label: str) -> Encoder:
    """Encoder of a matrix: rows of mean squared norm 1."""
    square = rows.power(2).sum() / max(rows.shape[0], 1)
    if square == 0:
        raise ValueError(f"The matrix of {label} is 0 for all ids with ratings: leave it out.")
    names = list(map(str, range(rows.shape[1])))
    scale = float(np.sqrt(square))
    return Encoder(column=None, kind="matrix", names=names, mean=0.0, scale=scale, separator=None)


def encode(table: FeatureTable, encoders: list[Encoder], label: str) -> csr_array:
    """Features of the ids of a table, (n, n_features), the first of them 1.

    Numbers are standardised, with the mean for a missing one; k categories of an id have 1 / sqrt(k) each,
    so that neither units nor the number of categories matter. Categories that fit has not seen are ignored.
    """
    check_columns(table, encoders, label)
    blocks = [csr_array(np.ones((len(table.ids), 1)))]
    blocks += [_encode_column(table, encoder, label) for encoder in encoders]
    return csr_array(hstack(blocks, format="csr"))


def check_columns(table: FeatureTable, encoders: list[Encoder], label: str) -> None:
    """Refuse a table that lacks a column of the encoders."""
    if any(encoder["kind"] == "matrix" for encoder in encoders):
        n_columns = len(encoders[0]["names"])
        if table.matrix is None or table.matrix.shape[1] != n_columns:
            raise ValueError(f"{label} must be a pair of ids and a matrix of {n_columns} columns, as in fit.")
        return
    missing = [encoder["column"] for encoder in encoders if encoder["column"] not in table.columns]
    if missing:
        raise ValueError(f"{label} lacks the columns {missing} of the features of fit: add them.")


def _encode_column(table: FeatureTable, encoder: Encoder, label: str) -> csr_array:
    """Features of one column, (n, n_names)."""
    if table.matrix is not None:
        return csr_array(table.matrix / encoder["scale"])
    column, label = table.columns[encoder["column"]], f"Column {encoder['column']!r} of {label}"
    if encoder["kind"] == "numbers":
        numbers = (as_numbers(column, label) - encoder["mean"]) / encoder["scale"]
        return csr_array(np.nan_to_num(numbers)[:, None])
    known = set(encoder["names"])
    cells = [known.intersection(cell) for cell in as_categories(column, encoder["separator"], label)]
    ones = MultiLabelBinarizer(classes=encoder["names"], sparse_output=True).fit(cells).transform(cells)
    counts = np.array(list(map(len, cells)))
    return csr_array(diags_array(1 / np.sqrt(np.maximum(counts, 1))) @ csr_array(ones, dtype=np.float64))


def feature_names(encoders: list[Encoder]) -> list[str]:
    """Names of the features, as "year" and "genres=Drama"."""
    names = [INTERCEPT]
    for encoder in encoders:
        is_category = encoder["kind"] == "categories"
        names += [f"{encoder['column']}={name}" if is_category else name for name in encoder["names"]]
    return names


def place_rows(rows: csr_array, codes: NDArray[np.integer], n_ids: int) -> csr_array:
    """Rows (n, n_features) in the places of codes (n,) among n_ids, the others empty."""
    number = np.full(n_ids, rows.shape[0])
    number[codes] = np.arange(rows.shape[0])
    return csr_array(vstack([rows, csr_array((1, rows.shape[1]))], format="csr")[number])
