"""The ratings as one padded array, in the places of a layout."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.solvers._rated_ids import chunks_of_ids
from sklearn_mf.solvers.sgd._layout import Layout
from sklearn_mf.solvers.sgd._memory import memory_beside
from sklearn_mf.solvers.sgd._partition import Tiled


def pack_ratings(layout: Layout, tiled: list[Tiled], intercept: float, scale: float) -> NDArray[np.int32]:
    """Standardise and pad the ratings, (n_padded, 1 + (n_fields + 1) * run).

    A row is a run. It holds the table row of the id of the first field; then, for all its ratings, the table
    rows of the ids of each other field, and the bits of two float32: the targets z = (y - m) / s, and the
    weights. Weights of the training ratings have mean 1, those of the held-out ratings are negated. In
    padding they are 0, and the table rows are the last. All numbers of a run lie side by side: visiting in
    random order is one access to memory per run.
    """
    training, padding = tiled[0].ratings.ratings, [n - 1 for n in layout.n_tables]
    empty = np.array([*padding[1:], 0, 0], dtype=np.int32)
    packed = memory_beside(training, (layout.n_padded, 1 + len(empty) * layout.run))
    for rows in _padding(layout):
        packed[rows] = np.append(np.int32(padding[0]), empty.repeat(layout.run))
    divisors = [training.mean_weight, -1.0][: len(tiled)]
    for number, (source, divisor) in enumerate(zip(tiled, divisors, strict=True)):
        ratings = source.ratings.ratings
        for rows, runs, places in places_of(layout, number, source):
            ids = source.ratings.codes(rows) // layout.n_parts
            numbers = np.empty((len(ids) + 1, len(empty)), dtype=np.int32)
            numbers[:-1, :-2], numbers[-1] = ids[:, 1:], empty
            reals = numbers[:-1, -2:].view(np.float32)
            reals[:, 0] = ratings.standardized(intercept, scale, rows)
            reals[:, 1] = ratings.weights[rows] / divisor
            of_runs = [column[runs] for column in numbers.T]
            packed[places] = np.column_stack([ids[runs[:, 0], 0], *of_runs])
    return packed


def _padding(layout: Layout) -> Iterator[slice]:
    """Padded rows after the runs of each block that are its own or, after the last block, its window's."""
    for window, end in zip(layout.windows, layout.ends(), strict=True):
        blocks = window.blocks
        for block, after in zip(blocks, [*(block.places[0] for block in blocks[1:]), end], strict=True):
            yield slice(window.first + block.places[-1], window.first + after)


def places_of(
    layout: Layout, number: int, tiled: Tiled
) -> Iterator[tuple[slice, NDArray[np.signedinteger], NDArray[np.int64]]]:
    """Some rows of a source at a time, their runs (n_runs, run), and the padded rows of these, (n_runs,).

    The runs of a source have ranks by stratum and tile; those of a block follow each other.
    """
    ratings, tiling, counts = tiled
    first_ranks, shifts = _block_ranks(layout, number)
    filled = np.cumsum(counts) - counts.ravel()
    for rows in chunks_of_ids(ratings.ratings):
        runs, tiles = tiling.runs(ratings.codes(rows))
        in_tile = np.bincount(tiles, minlength=tiling.size)
        ranks = np.arange(len(runs)) + np.repeat(filled - np.cumsum(in_tile) + in_tile, in_tile)
        filled += in_tile
        yield rows, runs, ranks + shifts[np.searchsorted(first_ranks, ranks, "right") - 1]


def _block_ranks(layout: Layout, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rank of the first run of each block among those of a source, and its padded row minus the rank."""
    blocks = [
        (block.stratum.number, window.first, *block.places[[0, -2, -1]])
        for window in layout.windows
        for block in window.blocks
    ]
    _, firsts, *places = np.array(sorted(blocks), dtype=np.int64).T
    sizes = places[number + 1] - places[number]
    ranks = np.cumsum(sizes) - sizes
    return ranks, firsts + places[number] - ranks
