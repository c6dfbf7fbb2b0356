"""Partition of the ratings into strata, tiles and windows, padded so that similar fits share programs."""

import itertools
import math
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.ratings._ratings import sorted_by
from sklearn_mf.solvers._rated_ids import NumberedRatings, chunks_of_ids
from sklearn_mf.solvers.sgd._layout import Block, Layout, Stratum, Window, rounds_of
from sklearn_mf.solvers.sgd._memory import ALIGNMENT

_SMALLEST_BATCH, _LARGEST_BATCH = 64, 512
# The padded ratings make about this many steps, within the sizes above: more steps cost time, fewer make
# stale gradients.
_STEPS_AN_EPOCH = 256
# Ratings of one id of the first field that are visited together, at most, and where there are so many
# training ratings; the runs have places for about this multiple of the ratings at most.
_RUN, _RUNS_FROM, _ROOM = 8, 2**19, 1.25
# Parts per field, so that two cores learn side by side; only from this many padded ratings on, and up to so
# many fields.
_PARTS, _PARTED_FROM, _PARTED_FIELDS = 2, 2**18, 3
# Bytes of the tables above which ratings are visited by tiles of few ids; bytes of the rows of one field in
# such a tile, and ratings in a tile of all ids.
_CACHED_BYTES, _TILE_BYTES, _TILE_RATINGS = 2**24, 2**21, 2**17
# Rows of ratings and of the tables from which on memory matters more than a compilation.
_LARGE, _LARGE_TABLE = 2**20, 2**12
# Places for ratings in a window: at least the first, so many for each row of the tables, which it copies,
# and so many batches of each stratum; at most the last, whose rows int32 numbers count.
_WINDOW, _VISITS_OF_A_ROW, _BATCHES, _LARGEST_WINDOW = 2**21, 16, 8, 2**30


class Tiling(NamedTuple):
    """Strata of ratings that can be learnt from side by side, and tiles of a stratum for the cache.

    The ids of each field are divided into parts; a stratum is all ratings of one part of each field. The ids
    of a part are cut into ranges; a tile is all ratings of a stratum of one range of each field, so that it
    touches few rows of a large table. LIBMF's threads visit such strata too (Zhuang et al., RecSys 2013), but
    take whichever is free, so that their result depends on the timing; ours does not.

    Parameters
    ----------
    n_ids : tuple of int, of length n_fields
        Ids of each field.
    n_parts : int
        Parts of the ids of each field.
    n_ranges : list of int, of length n_fields
        Ranges of the ids of each part.
    run : int
        Ratings of one id of the first field that are visited together.
    n_mixed : int
        Tiles that each have ratings of all ids, where there is one range of each field.
    """

    n_ids: tuple[int, ...]
    n_parts: int
    n_ranges: list[int]
    run: int = 1
    n_mixed: int = 1

    @property
    def n_tiles(self) -> int:
        """Number of tiles of a stratum."""
        return self.n_mixed * math.prod(self.n_ranges)

    @property
    def size(self) -> int:
        """Number of tiles of all strata."""
        return self.n_parts ** len(self.n_ids) * self.n_tiles

    def numbers(self, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        """Tile of each rating, by stratum and then by tile of the stratum, (n, n_fields) -> (n,)."""
        numbers = np.zeros(len(codes), dtype=np.int32)
        for column in codes.T:
            numbers *= self.n_parts
            numbers += column % self.n_parts
        for column, n, n_ranges in zip(codes.T, self.n_ids, self.n_ranges, strict=True):
            numbers *= n_ranges
            numbers += column // (self.n_parts * -(-n // (self.n_parts * n_ranges)))
        if self.n_mixed > 1:
            numbers *= self.n_mixed
            numbers += (codes // self.n_parts).sum(axis=1) % self.n_mixed
        return numbers

    def groups(self, codes: NDArray[np.int32]) -> "Groups":
        """Groups of all ratings of some ids of the first field, (n, n_fields), in the order of these ids."""
        numbers = self.numbers(codes)
        order, _ = sorted_by(numbers, self.size)
        numbers, ids = numbers[order], codes[:, 0].take(order)
        is_first = np.append(True, (numbers[1:] != numbers[:-1]) | (ids[1:] != ids[:-1]))
        firsts = np.flatnonzero(is_first).astype(order.dtype)
        lengths = np.diff(firsts, append=order.dtype.type(len(order)))
        return Groups(order, numbers[firsts], firsts, lengths, -(-lengths // self.run))

    def counts(self, ratings: NumberedRatings) -> NDArray[np.int64]:
        """Number of runs of each tile of each stratum, (n_strata, n_tiles)."""
        counts = np.zeros(self.size, dtype=np.int64)
        for rows in chunks_of_ids(ratings.ratings):
            groups = self.groups(ratings.codes(rows))
            counts += np.bincount(groups.tiles, groups.n_runs, self.size).astype(np.int64)
        return counts.reshape(-1, self.n_tiles)

    def runs(self, codes: NDArray[np.int32]) -> tuple[NDArray[np.signedinteger], NDArray[np.int32]]:
        """Ratings in each run, (n_runs, run), and tile of each, (n_runs,), by tile; `codes` as in `groups`.

        Those of a group are dealt out to its runs in turn, so that a run has ratings from the whole range of
        the other ids; n stands in empty places.
        """
        order, tiles, firsts, lengths, n_runs = self.groups(codes)
        ends = np.repeat(firsts + lengths, n_runs)
        steps = np.repeat(n_runs, n_runs)
        places = np.repeat(firsts - np.cumsum(n_runs, dtype=firsts.dtype) + n_runs, n_runs)
        places += np.arange(len(places), dtype=firsts.dtype)
        places = places[:, None] + steps[:, None] * np.arange(self.run, dtype=firsts.dtype)
        places[places >= ends[:, None]] = len(order)
        return np.append(order, order.dtype.type(len(order)))[places], np.repeat(tiles, n_runs)


class Groups(NamedTuple):
    """Groups of the ratings of one id of the first field in one tile.

    Parameters
    ----------
    order : ndarray of shape (n,), int32
        The ratings by tile and then by id.
    tiles : ndarray of shape (n_groups,), int32
        Tile of each group.
    firsts, lengths : ndarrays of shape (n_groups,), int32
        Place of its first rating in the order, and number of its ratings.
    n_runs : ndarray of shape (n_groups,), int32
        Number of runs that hold them.
    """

    order: NDArray[np.signedinteger]
    tiles: NDArray[np.int32]
    firsts: NDArray[np.signedinteger]
    lengths: NDArray[np.signedinteger]
    n_runs: NDArray[np.signedinteger]


class Tiled(NamedTuple):
    """Ratings, their tiling, and the number of runs of each tile of each stratum, (n_strata, n_tiles)."""

    ratings: NumberedRatings
    tiling: Tiling
    counts: NDArray[np.int64]


def rounded_up(size: int, large: int) -> int:
    """Round a size up so that similar sizes, as those of folds and of all data, mostly become equal.

    The result is the next of 31/32 of the powers of four, a little under the powers, so that folds of a size
    just under one (64,000 of 80,000 ratings) lie on the side of the whole; above `large`, a power of four, it
    is the next quarter of an octave.
    """
    bits = max(size - 1, 0).bit_length()
    if size <= large - large // 32:
        power = 1 << (bits + bits % 2)
        return power - power // 32 if size <= power - power // 32 else 4 * (power - power // 32)
    quarter = 1 << (bits - 3)
    return -(-size // quarter) * quarter


def choose_batch_size(n_ratings: int) -> int:
    """Ratings in one step where the user gives no number: a power of two from 64 to 512."""
    share = rounded_up(n_ratings, _LARGE) // _STEPS_AN_EPOCH
    return min(max(1 << share.bit_length(), _SMALLEST_BATCH), _LARGEST_BATCH)


def choose_n_parts(n_fields: int, n_rows: int, batch_size: int) -> int:
    """Parts of the ids of each field: 1 where strata would have few batches or would be many."""
    worthwhile = n_rows >= max(_PARTED_FROM, 8 * batch_size * _PARTS**n_fields)
    return _PARTS if worthwhile and n_fields <= _PARTED_FIELDS else 1


def plan_layout(
    sources: list[NumberedRatings], batch_size: int | str, width: int, n_parts: int | None = None
) -> tuple[Layout, list[Tiled]]:
    """Choose the shapes, the windows, and the tiles of each source.

    `sources` are the training ratings and perhaps ratings that are only scored; they share the arrays, so
    that holding out costs no compilation. `width` is the number of floats in a row of a table, and None in
    place of `n_parts` chooses.
    """
    n_ids, n_train = sources[0].n_ids, len(sources[0])
    largest = min(rounded_up(n_train, _LARGE), _largest_batch())
    size = choose_batch_size(n_train) if isinstance(batch_size, str) else min(batch_size, largest)
    rounded = rounded_up(sum(map(len, sources)) + 1, _LARGE)
    n_parts = n_parts or choose_n_parts(len(n_ids), rounded, size)
    n_window = _choose_window(sum(n_ids), n_parts, size)
    tile = partial(_tile, sources, width, n_parts, n_window, size)
    tiled = tile(is_one=rounded <= n_window)
    if rounded <= n_window < _n_places(tiled):  # with the empty places of the runs
        tiled = tile(is_one=False)
    run, rounded, counts = tiled[0].tiling.run, _n_places(tiled), [each.counts for each in tiled]
    n_window, windows = _plan_windows(
        n_parts, len(n_ids), counts, size // run, rounded // run, n_window // run
    )
    n_tables = tuple(rounded_up(-(-n // n_parts) + 1, _LARGE_TABLE) for n in n_ids)
    return Layout(n_parts, n_tables, size // run, run, n_window, windows), tiled


def _tile(
    sources: list[NumberedRatings], width: int, n_parts: int, n_window: int, batch_size: int, is_one: bool
) -> list[Tiled]:
    """Tile the sources for one window, or for several, and count their runs."""
    n_ids, n_train = sources[0].n_ids, len(sources[0])
    training = _tile_training(n_ids, n_train, width, n_parts, n_window, is_one)
    run = _choose_run(training, n_train, batch_size)
    scored = Tiling(n_ids, n_parts, [1] * len(n_ids))
    tilings = [each._replace(run=run) for each in (training, *(scored for _ in sources[1:]))]
    return [Tiled(*pair, pair[1].counts(pair[0])) for pair in zip(sources, tilings, strict=True)]


def _n_places(tiled: list[Tiled]) -> int:
    """Places of all runs and of one of padding, rounded up."""
    n_runs = sum(int(each.counts.sum()) for each in tiled) + 1
    return rounded_up(n_runs * tiled[0].tiling.run, _LARGE)


def _choose_run(tiling: Tiling, n_ratings: int, batch_size: int) -> int:
    """Ratings of a run: a power of two that divides the batch and leaves few places of the runs empty."""
    others = math.prod(tiling.n_ranges[1:]) * tiling.n_parts ** (len(tiling.n_ids) - 1) * tiling.n_mixed
    n_groups = min(tiling.n_ids[0] * others, n_ratings)  # of the ratings of an id in a tile
    run = _RUN if n_ratings >= _RUNS_FROM else 1
    while batch_size % run or n_ratings + n_groups * (run - 1) / 2 > _ROOM * n_ratings:
        run //= 2
    return run


def _largest_batch() -> int:
    """Ratings of a batch of which a window of the largest size holds enough."""
    return _LARGEST_WINDOW // (2 * _BATCHES * _PARTS)


def _tile_training(
    n_ids: tuple[int, ...], n_ratings: int, width: int, n_parts: int, n_window: int, is_one: bool
) -> Tiling:
    """Tiles of the training ratings: of few ids where the tables do not fit into a cache.

    Otherwise, where there will be several windows and not one, of ratings of all ids: learning from one range
    of the ids after another would take more epochs.
    """
    n_bytes, one_each = [4 * width * n for n in n_ids], [1] * len(n_ids)
    n_ranges = [-(-size // (n_parts * _TILE_BYTES)) for size in n_bytes]
    few = math.prod(n_ranges) * n_parts ** len(n_ids) <= n_ratings
    if sum(n_bytes) > _CACHED_BYTES and few:
        return Tiling(n_ids, n_parts, n_ranges)
    if is_one:
        return Tiling(n_ids, n_parts, one_each)
    in_tile = n_parts ** len(n_ids) * min(_TILE_RATINGS, n_window // n_parts)
    return Tiling(n_ids, n_parts, one_each, n_mixed=-(-n_ratings // in_tile))


def _plan_windows(
    n_parts: int,
    n_fields: int,
    counts: list[NDArray[np.int64]],
    batch_size: int,
    rounded: int,
    n_window: int,
) -> tuple[int, tuple[Window, ...]]:
    """Rows of a window, and the windows: one where all ratings fit into it, else some for each round.

    `counts`, (n_strata, n_tiles) for each source, are the runs of each tile; `rounded` is their number,
    rounded up, and `batch_size` the runs of a batch.
    """
    rounds, sizes = rounds_of(n_parts, n_fields), sum(each.sum(1) for each in counts)
    if rounded <= n_window:
        n_padded = -(-rounded // batch_size) * batch_size + (len(sizes) - 1) * batch_size
        return n_padded, (_window(0, rounds, counts, (0, 1), batch_size)[0],)
    largest = max(int(sizes[[stratum.number for stratum in strata]].sum()) for strata in rounds)
    # A window needs a padding row, and each block may round its share of a stratum up.
    n_shares = -(-largest // (n_window - ALIGNMENT - n_parts * (batch_size + 2)))
    windows, first = [], 0
    for strata, share in itertools.product(rounds, range(n_shares)):
        window, first = _window(first, [strata], counts, (share, n_shares), batch_size)
        windows.append(window)
    return n_window, tuple(windows)


def _choose_window(n_ids: int, n_parts: int, batch_size: int) -> int:
    """Places for ratings in a window where they do not fit into one."""
    least = max(_WINDOW, rounded_up(_VISITS_OF_A_ROW * n_ids, _LARGE), _BATCHES * n_parts * batch_size)
    return min(least, _LARGEST_WINDOW)


def _window(
    first: int,
    rounds: list[list[Stratum]],
    counts: list[NDArray[np.int64]],
    share: tuple[int, int],
    batch_size: int,
) -> tuple[Window, int]:
    """Window from a padded row on of the share i of n of each stratum, and the row of the window after it."""
    blocks, end = {}, 0
    for stratum in sorted(itertools.chain(*rounds)):
        places = end + _places([each[stratum.number] for each in counts], *share)
        blocks[stratum] = Block(stratum, places)
        end = -(-int(places[-1]) // batch_size) * batch_size
    window = Window(first, [[blocks[stratum] for stratum in strata] for strata in rounds])
    return window, first + -(-(end + 1) // ALIGNMENT) * ALIGNMENT


def _places(counts: list[NDArray[np.int64]], part: int, n_parts: int) -> NDArray[np.int64]:
    """Places of a block that holds one of equal parts of a stratum, from 0, (n_tiles_of_the_part + 2,).

    `counts` are the runs of each tile of the stratum: of training and, perhaps, held out.
    """
    starts = np.append(0, np.cumsum(counts[0]))
    cuts = np.array([part, part + 1])
    first, last = starts[-1] * cuts // n_parts
    tiles = slice(np.searchsorted(starts[1:], first), np.searchsorted(starts[:-1], last, "right") + 1)
    inside = np.clip(starts[tiles], first, last) - first
    n_held_out = sum(int(np.diff(each.sum() * cuts // n_parts)[0]) for each in counts[1:])
    return np.append(inside, inside[-1] + n_held_out)
