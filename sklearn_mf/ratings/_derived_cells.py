"""Merged ratings made from others: with other codes, targets or weights; on disk where the others are."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_mf.ratings._field_cells import FieldCells
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._temporary_arrays import array_on_disk

Floats = NDArray[np.float64]
#: Values of cells from their targets and weights, (n,), (n,) -> (n,); None stands for 1 in each cell.
CellFunction = Callable[[Floats, Floats], Floats] | None

# Cells that are computed at a time: bounds the memory.
_CHUNK = 2**20


def with_values(ratings: Ratings, targets: CellFunction, weights: CellFunction) -> Ratings:
    """The same cells with targets and weights that are functions of the old ones, and no spread within."""
    on_disk = len(ratings.field_cells) > 0
    pair = [_values(function, ratings.targets, ratings.weights, on_disk) for function in (targets, weights)]
    cells = ratings.field_cells
    if on_disk:  # the ratings have the order of the first field
        others = [
            [_values(function, part.targets, part.weights, on_disk) for function in (targets, weights)]
            for part in cells[1:]
        ]
        cells = tuple(
            part._replace(targets=values[0], weights=values[1])
            for part, values in zip(cells, [pair, *others], strict=True)
        )
    within_squares = np.broadcast_to(0.0, len(ratings.targets))
    return replace(
        ratings, targets=pair[0], weights=pair[1], within_squares=within_squares, field_cells=cells
    )


def renumbered(ratings: Ratings, codes: list[NDArray[np.int32]], n_ids: tuple[int, ...]) -> Ratings:
    """The same cells of a store among more ids: each code becomes `codes[field][code]`, which rise."""
    if n_ids == ratings.n_ids:
        return ratings
    columns = [_renumbered(column, new) for column, new in zip(ratings.codes.T, codes, strict=True)]
    of_users, of_items = ratings.field_cells
    cells = (
        of_users._replace(other_codes=columns[1], starts=_starts(of_users, codes[0], n_ids[0])),
        of_items._replace(
            other_codes=_renumbered(of_items.other_codes, codes[0]),
            starts=_starts(of_items, codes[1], n_ids[1]),
        ),
    )
    both = array_on_disk((len(ratings.codes), 2), np.int32)
    for part in gen_batches(len(both), _CHUNK):
        both[part] = np.column_stack([column[part] for column in columns])
    return replace(ratings, codes=both, n_ids=n_ids, field_cells=cells)


def _values(function: CellFunction, targets: Floats, weights: Floats, to_disk: bool) -> Floats:
    """Values of all cells, (n,), (n,) -> (n,)."""
    if function is None:
        return np.broadcast_to(1.0, len(targets))
    if not to_disk:
        return function(targets, weights)
    values = array_on_disk((len(targets),), np.float64)
    for part in gen_batches(len(values), _CHUNK):
        values[part] = function(targets[part], weights[part])
    return values


def _renumbered(codes: NDArray[np.int32], new: NDArray[np.int32]) -> NDArray[np.int32]:
    """New code of each cell, (n,), (n_ids,) -> (n,)."""
    renumbered = array_on_disk((len(codes),), np.int32)
    for part in gen_batches(len(codes), _CHUNK):
        renumbered[part] = new[codes[part]]
    return renumbered


def _starts(cells: FieldCells, codes: NDArray[np.int32], n_ids: int) -> NDArray[np.int64]:
    """First rating of each of n_ids ids, and the end, (n_ids + 1,); those that are new have none."""
    counts = np.zeros(n_ids + 1, dtype=np.int64)
    counts[codes + 1] = np.diff(cells.starts)
    return np.cumsum(counts)
