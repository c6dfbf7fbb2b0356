"""The ratings as one padded array, in the places of a layout."""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.ratings._ratings import sorted_by
from sklearn_mf.solvers._rated_ids import NumberedRatings, chunks
from sklearn_mf.solvers.sgd._layout import Layout
from sklearn_mf.solvers.sgd._memory import memory_beside
from sklearn_mf.solvers.sgd._partition import Tiling


def pack_ratings(
    layout: Layout,
    tilings: list[Tiling],
    sources: list[NumberedRatings],
    intercept: float,
    scale: float,
    seed: int,
) -> NDArray[np.int32]:
    """Standardise and pad the ratings, (n_padded, n_fields + 2).

    A row holds the table row of the id of each field, the last row of the table in padding; then the bits of
    two float32: the target z = (y - m) / s, and the weight. Weights of the training ratings have mean 1,
    those of the held-out ratings are negated, in padding they are 0. All numbers of a rating lie side by
    side: visiting in random order is one access to memory per rating, or per run of ratings. Ratings that
    are visited in runs lie in a random order within their tile, which `seed` determines.
    """
    training = sources[0].ratings
    packed = memory_beside(training, (layout.n_padded, training.n_fields + 2))
    for rows in _padding(layout):
        packed[rows] = *(n - 1 for n in layout.n_tables), 0, 0
    divisors = training.mean_weight, -1.0
    for number, (source, tiling) in enumerate(zip(sources, tilings, strict=True)):
        for rows, order, places in places_of(layout, number, source, tiling):
            part = np.empty((len(order), packed.shape[1]), dtype=np.int32)
            np.floor_divide(source.codes(rows), layout.n_parts, out=part[:, :-2])
            reals = part[:, -2:].view(np.float32)
            reals[:, 0] = source.ratings.standardized(intercept, scale, rows)
            reals[:, 1] = source.ratings.weights[rows] / divisors[number]
            packed[places] = part.take(order, axis=0)
    if layout.run > 1:
        _shuffle_tiles(packed, layout, np.random.default_rng(seed))
    return packed


def _shuffle_tiles(packed: NDArray[np.int32], layout: Layout, rng: np.random.Generator) -> None:
    """Shuffle the training ratings of each tile in place."""
    for window in layout.windows:
        for block in window.blocks:
            for first, last in itertools.pairwise(window.first + block.places[:-1]):
                packed[first:last] = packed[first:last].take(rng.permutation(last - first), axis=0)


def _padding(layout: Layout) -> Iterator[slice]:
    """Padded rows after the ratings of each block that are its own or, after the last block, its window's."""
    for window, end in zip(layout.windows, layout.ends(), strict=True):
        blocks = window.blocks
        for block, after in zip(blocks, [*(block.places[0] for block in blocks[1:]), end], strict=True):
            yield slice(window.first + block.places[-1], window.first + after)


def places_of(
    layout: Layout, number: int, source: NumberedRatings, tiling: Tiling
) -> Iterator[tuple[slice, NDArray[np.int32], NDArray[np.int64]]]:
    """Some rows of a source at a time, an order of them, and their places in the padded array, (n_rows,).

    The ratings of a source have ranks by stratum and tile; those of a block follow each other.
    """
    first_ranks, shifts = _block_ranks(layout, number)
    filled = np.cumsum(counts := tiling.counts(source).ravel()) - counts
    for rows in chunks(source.ratings):
        order, starts = sorted_by(tiling.numbers(source.codes(rows)), tiling.size)
        in_tile = np.diff(starts)
        ranks = np.arange(len(order)) + np.repeat(filled - starts[:-1], in_tile)
        filled += in_tile
        yield rows, order, ranks + shifts[np.searchsorted(first_ranks, ranks, "right") - 1]


def _block_ranks(layout: Layout, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rank of the first rating of each block among those of a source, and its padded row minus the rank."""
    runs = [
        (block.stratum.number, window.first, *block.places[[0, -2, -1]])
        for window in layout.windows
        for block in window.blocks
    ]
    _, firsts, *places = np.array(sorted(runs), dtype=np.int64).T
    sizes = places[number + 1] - places[number]
    ranks = np.cumsum(sizes) - sizes
    return ranks, firsts + places[number] - ranks
