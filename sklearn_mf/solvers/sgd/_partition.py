"""Partition of the ratings into strata and tiles, padded so that similar fits share a compilation."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.ratings._ratings import Ratings, sorted_by

_SMALLEST_BATCH, _LARGEST_BATCH = 64, 512
# The padded ratings make about this many steps, within the sizes above: more steps cost time, fewer make
# stale gradients.
_STEPS_AN_EPOCH = 256
# Parts per field, so that two cores learn side by side; only from this many padded ratings on, and up to so
# many fields.
_PARTS, _PARTED_FROM, _PARTED_FIELDS = 2, 2**18, 3
# Bytes of the tables above which ratings are visited by tiles; bytes of the rows of one field in a tile.
_CACHED_BYTES, _TILE_BYTES = 2**24, 2**21
# TensorFlow takes over memory that begins at a multiple of this many bytes, and aborts on other memory.
_ALIGNMENT = 64
# Rows of ratings and of the tables from which on memory matters more than a compilation.
_LARGE, _LARGE_TABLE = 2**20, 2**12

Value = TypeVar("Value")
Scalar = TypeVar("Scalar", bound=np.generic)


class Stratum(NamedTuple):
    """The ratings of one part of the ids of each field.

    Parameters
    ----------
    number : int
        Place among all strata.
    parts : tuple of int, of length n_fields
        The part of each field.
    """

    number: int
    parts: tuple[int, ...]

    def pick(self, values: list[list[Value]]) -> list[Value]:
        """Values of the parts of the stratum, by field, from values by field and part."""
        return [parts[part] for parts, part in zip(values, self.parts, strict=True)]


@dataclass(frozen=True)
class Layout:
    """Where the ratings and ids lie in the padded arrays.

    The id of code c is in row c // n_parts of the table of part c % n_parts of its field.

    Parameters
    ----------
    n_parts : int
        Parts, and so tables, of each field.
    n_tables : tuple of int, of length n_fields
        Rows of each table of a field, padding included.
    n_padded : int
        Rows of the arrays of ratings, padding included.
    batch_size : int
        Ratings in one step.
    places : ndarray of shape (n_strata, n_tiles + 2), int64
        Padded row of the first training rating of each tile of each stratum, of its first held-out rating,
        and the end of those. A stratum begins with a batch.
    """

    n_parts: int
    n_tables: tuple[int, ...]
    n_padded: int
    batch_size: int
    places: NDArray[np.int64]

    def rounds(self) -> Iterator[list[Stratum]]:
        """Rounds of n_parts strata that share no id; together they have each stratum once."""
        n_fields = len(self.n_tables)
        shape = (self.n_parts,) * n_fields
        for shifts in itertools.product(range(self.n_parts), repeat=n_fields - 1):
            members = [tuple((part + s) % self.n_parts for s in (0, *shifts)) for part in range(self.n_parts)]
            yield [Stratum(int(np.ravel_multi_index(parts, shape)), parts) for parts in members]

    def batches(self, stratum: Stratum, held_out: bool) -> tuple[int, int]:
        """First batch of a stratum, and the one after the last, with or without held-out ratings."""
        places = self.places[stratum.number]
        return places[0] // self.batch_size, -(-places[-1 if held_out else -2] // self.batch_size)

    def order(self, seed: int, epoch: int) -> NDArray[np.int32]:
        """Visiting order of an epoch, (n_padded,).

        In the place of each stratum stand its tiles in random order, the ratings of each in random order, and
        then padding. It depends on seed and epoch alone, so that more epochs continue the same run.
        """
        rng = np.random.default_rng([seed, epoch])
        order = aligned((self.n_padded,))
        order[:] = self.n_padded - 1
        for places in self.places:
            filled, n_tiles = places[0], len(places) - 2
            for number in rng.permutation(n_tiles) if n_tiles > 1 else [0]:
                first, last = places[number : number + 2]
                part = order[filled : filled + last - first]
                part[:] = np.arange(first, last, dtype=np.int32)
                rng.shuffle(part)
                filled += last - first
        return order

    def scatter_to_parts(self, field: int, values: NDArray[Scalar]) -> list[NDArray[Scalar]]:
        """Rows of the ids of a field as in its tables, (n_ids, ...) -> n_parts times (n_table, ...)."""
        shape = self.n_tables[field], *values.shape[1:]
        parts = [np.zeros(shape, dtype=values.dtype) for _ in range(self.n_parts)]
        for number, part in enumerate(parts):
            scattered = values[number :: self.n_parts]
            part[: len(scattered)] = scattered
        return parts


class Segment(NamedTuple):
    """Ratings that stand together in the padded arrays.

    Parameters
    ----------
    source : int
        0 for training ratings, 1 for held-out ones.
    rows : ndarray of shape (n,), int32
        Their rows among the ratings of the source.
    place : int
        Padded row of the first.
    """

    source: int
    rows: NDArray[np.int32]
    place: int


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


def partition_ratings(
    ratings: Ratings, n_parts: int, n_ranges: list[int]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Group ratings into strata that can be learnt from side by side, and these into tiles for the cache.

    The ids of each field are divided into parts; a stratum is all ratings of one part of each field. The ids
    of a part are cut into ranges; a tile is all ratings of a stratum of one range of each field, so that it
    touches few rows of a large table. LIBMF's threads visit such strata too (Zhuang et al., RecSys 2013), but
    take whichever is free, so that their result depends on the timing; ours does not.

    Returns the order, (n_ratings,), that sorts the ratings by stratum and tile, and the starts,
    (n_strata, n_tiles + 1), of the tiles in that order and the end of the last.
    """
    codes = list(ratings.codes.T)
    n_strata, n_tiles = n_parts ** len(codes), math.prod(n_ranges)
    sizes = [-(-n // (n_parts * parts)) for n, parts in zip(ratings.n_ids, n_ranges, strict=True)]
    digits = [column % n_parts for column in codes]
    digits += [column // (n_parts * size) for column, size in zip(codes, sizes, strict=True)]
    tiles = np.ravel_multi_index(digits, [n_parts] * len(codes) + n_ranges).astype(np.int32)
    order, starts = sorted_by(tiles, n_strata * n_tiles)
    bounds = np.arange(n_strata)[:, None] * n_tiles + np.arange(n_tiles + 1)
    return order, starts[bounds]


def plan_layout(
    sources: list[Ratings], batch_size: int | str, width: int, n_parts: int | None = None
) -> tuple[Layout, list[Segment]]:
    """Choose the shapes, and the place of each rating in the padded arrays.

    `sources` are the training ratings and perhaps ratings that are only scored; they share the arrays, so
    that holding out costs no compilation. `width` is the number of floats in a row of a table, and None in
    place of `n_parts` chooses.
    """
    train, n_rows = sources[0], sum(len(source.targets) for source in sources)
    rounded, largest = rounded_up(n_rows + 1, _LARGE), rounded_up(len(train.targets), _LARGE)
    size = choose_batch_size(len(train.targets)) if isinstance(batch_size, str) else min(batch_size, largest)
    n_parts = n_parts or choose_n_parts(train.n_fields, rounded, size)
    ranges = [_n_ranges(train, width, n_parts), [1] * train.n_fields]
    sorted_ = [partition_ratings(source, n_parts, n) for source, n in zip(sources, ranges, strict=False)]
    places = _places([starts for _, starts in sorted_], size)
    layout = Layout(
        n_parts=n_parts,
        n_tables=tuple(rounded_up(-(-n // n_parts) + 1, _LARGE_TABLE) for n in train.n_ids),
        n_padded=-(-rounded // size) * size + (len(places) - 1) * size,
        batch_size=size,
        places=places,
    )
    segments = [
        Segment(source, order[bounds[0] : bounds[-1]], int(place))
        for source, (order, starts) in enumerate(sorted_)
        for bounds, place in zip(starts, places[:, [0, -2][source]], strict=True)
    ]
    return layout, segments


def _n_ranges(train: Ratings, width: int, n_parts: int) -> list[int]:
    """Ranges of the ids of a part of each field; one each where all tables fit into a cache."""
    n_bytes = [4 * width * n for n in train.n_ids]
    n_ranges = [-(-size // (n_parts * _TILE_BYTES)) for size in n_bytes]
    few = math.prod(n_ranges) * n_parts**train.n_fields <= len(train.targets)
    return n_ranges if sum(n_bytes) > _CACHED_BYTES and few else [1] * train.n_fields


def _places(starts: list[NDArray[np.int32]], batch_size: int) -> NDArray[np.int64]:
    """Places of a layout, (n_strata, n_tiles + 2), from the starts of the tiles of each source."""
    counts = [bounds[:, -1] - bounds[:, 0] for bounds in starts]
    n_batches = -(-sum(counts) // batch_size)
    first = (np.cumsum(n_batches) - n_batches) * np.int64(batch_size)
    tiles = first[:, None] + starts[0] - starts[0][:, :1]
    return np.column_stack([tiles, first + sum(counts)])


def aligned(shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Uninitialised memory that TensorFlow can take over without a copy."""
    n_bytes = 4 * math.prod(shape)
    memory = np.empty(n_bytes + _ALIGNMENT, dtype=np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + n_bytes].view(np.int32).reshape(shape)


def pack_ratings(
    layout: Layout, segments: list[Segment], sources: list[Ratings], intercept: float, scale: float
) -> NDArray[np.int32]:
    """Standardise and pad the ratings, (n_padded, n_fields + 2).

    A row holds the table row of the id of each field, the last row of the table in padding; then the bits of
    two float32: the target z = (y - m) / s, and the weight. Weights of the training ratings have mean 1,
    those of the held-out ratings are negated, in padding they are 0. All numbers of a rating lie side by
    side: visiting in random order is one access to memory per rating.
    """
    divisors = sources[0].mean_weight, -1.0
    packed = aligned((layout.n_padded, sources[0].n_fields + 2))
    packed[:] = *(n - 1 for n in layout.n_tables), 0, 0
    for number, rows, place in segments:
        source, part = sources[number], packed[place : place + len(rows)]
        # take: with brackets, int32 rows of a 2-D array cost several times as much.
        np.floor_divide(source.codes.take(rows, axis=0), layout.n_parts, out=part[:, :-2])
        reals = part[:, -2:].view(np.float32)
        reals[:, 0] = source.standardized(intercept, scale, rows)
        reals[:, 1] = source.weights[rows] / divisors[number]
    return packed
