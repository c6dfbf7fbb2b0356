"""Shapes of mini-batches, and arrays padded to them, so that runs of similar size share a compilation."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.ratings._ratings import Ratings, sorted_by

_SMALLEST_BATCH, _LARGEST_BATCH = 64, 512
# The padded ratings make about this many steps, within the sizes above: more steps cost time, fewer make
# stale gradients.
_STEPS_AN_EPOCH = 256
# Into so many parts the ids of a field are dealt out, from so many padded ratings on and up to so many
# fields: blocks of ratings that share no id are learnt from at the same time, one on each of two cores.
_PARTS, _PARTED_FROM, _PARTED_FIELDS = 2, 2**18, 3
# Bytes of the tables above which ratings are visited by tiles; of the rows of one field that a tile touches.
_CACHED_BYTES, _TILE_BYTES = 2**24, 2**21
# Memory that TensorFlow takes over must begin at a multiple of so many bytes: it aborts where it does not.
_ALIGNMENT = 64
# Rows of ratings and of the tables from which on memory matters more than a compilation.
_LARGE, _LARGE_TABLE = 2**20, 2**12


class Stratum(NamedTuple):
    """The ratings of one part of the ids of each field.

    Parameters
    ----------
    number : int
        Counts the blocks.
    parts : tuple of int, of length n_fields
        The part of each field.
    """

    number: int
    parts: tuple[int, ...]

    def of(self, values: list[list[Any]]) -> list[Any]:
        """Pick what belongs to the block.

        Parameters
        ----------
        values : list of list
            By field and part.

        Returns
        -------
        picked : list, of length n_fields
            By field.
        """
        return [parts[part] for parts, part in zip(values, self.parts, strict=True)]


@dataclass(frozen=True)
class Layout:
    """Where the ratings and ids lie in the padded arrays.

    The id of code c is in row c // n_parts of the table of part c % n_parts of its field.

    Parameters
    ----------
    n_parts : int
        Tables of each field.
    n_tables : tuple of int, of length n_fields
        Rows of each table of a field, padding included.
    n_padded : int
        Rows of the arrays of ratings, padding included.
    batch_size : int
        Ratings in one step.
    places : ndarray of shape (n_blocks, n_tiles + 2), int64
        Padded row of the first training rating of each tile of each block, of its first held-out rating, and
        the end of those. A block begins with a batch.
    """

    n_parts: int
    n_tables: tuple[int, ...]
    n_padded: int
    batch_size: int
    places: NDArray[np.int64]

    def rounds(self) -> Iterator[list[Stratum]]:
        """List the blocks; those of a round have no id in common.

        Yields
        ------
        blocks : list of Block, of length n_parts
            The rounds together have every block once.
        """
        n_fields = len(self.n_tables)
        for shifts in itertools.product(range(self.n_parts), repeat=n_fields - 1):
            members = [tuple((part + s) % self.n_parts for s in (0, *shifts)) for part in range(self.n_parts)]
            yield [Stratum(_mixed(parts, [self.n_parts] * n_fields), parts) for parts in members]

    def batches(self, block: Stratum, held_out: bool) -> tuple[int, int]:
        """Find the batches of a block.

        Parameters
        ----------
        block : Block
            Any.
        held_out : bool
            Whether to count those of held-out ratings too.

        Returns
        -------
        first, last : int
            The first batch, and the one after the last.
        """
        places = self.places[block.number]
        return places[0] // self.batch_size, -(-places[-1 if held_out else -2] // self.batch_size)

    def order(self, seed: int, epoch: int) -> NDArray[np.int32]:
        """Visiting order of one epoch.

        Parameters
        ----------
        seed, epoch : int
            The order depends on nothing else, so that more epochs continue the same run.

        Returns
        -------
        order : ndarray of shape (n_padded,), int32
            In the place of each block its tiles in random order, the ratings of each in random order; else
            padding.
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

    def scatter_to_parts(self, field: int, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Lay out what belongs to the ids of a field as the tables are.

        Parameters
        ----------
        field : int
            Number of the field.
        values : ndarray of shape (n_ids, ...)
            A row for each id.

        Returns
        -------
        parts : list of ndarray of shape (n_tables[field], ...), of length n_parts
            0 in padding.
        """
        shape = self.n_tables[field], *values.shape[1:]
        parts = [np.zeros(shape, dtype=values.dtype) for _ in range(self.n_parts)]
        for number, part in enumerate(parts):
            dealt = values[number :: self.n_parts]
            part[: len(dealt)] = dealt
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

    Parameters
    ----------
    size : int
        Number of rows.
    large : int
        A power of four from which on rounding is finer.

    Returns
    -------
    rounded : int
        The next of 31/32 of the powers of four, a little under the powers, so that folds of a size just under
        one (64,000 of 80,000 ratings) lie on the side of the whole; above `large` the next quarter of an
        octave.
    """
    bits = max(size - 1, 0).bit_length()
    if size <= large - large // 32:
        power = 1 << (bits + bits % 2)
        return power - power // 32 if size <= power - power // 32 else 4 * (power - power // 32)
    quarter = 1 << (bits - 3)
    return -(-size // quarter) * quarter


def choose_batch_size(n_ratings: int) -> int:
    """Ratings in one step where the user leaves it to us.

    Parameters
    ----------
    n_ratings : int
        Number of training ratings.

    Returns
    -------
    batch_size : int
        A power of two from 64 to 512.
    """
    share = rounded_up(n_ratings, _LARGE) // _STEPS_AN_EPOCH
    return min(max(1 << share.bit_length(), _SMALLEST_BATCH), _LARGEST_BATCH)


def partition_ratings(
    ratings: Ratings, n_parts: int, n_ranges: list[int]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Group the ratings into blocks that can be learnt from side by side, and these into tiles for the cache.

    The ids of each field are dealt out to parts; a block is all ratings of one part of each field. The ids of
    a part are cut into ranges; a tile is all ratings of a block of one range of each field: it touches few
    rows of a large table. LIBMF's threads visit such blocks too (Zhuang et al., RecSys 2013), but whichever
    is free, so that their result depends on the timing; ours does not.

    Parameters
    ----------
    ratings : Ratings
        Ratings.
    n_parts : int
        Parts of the ids of a field.
    n_ranges : list of int, of length n_fields
        Ranges of the ids of a part.

    Returns
    -------
    order : ndarray of shape (n_ratings,), int32
        Puts the ratings in the order of blocks and tiles.
    starts : ndarray of shape (n_blocks, n_tiles + 1), int32
        First rating of each tile in that order, and the end of the last.
    """
    codes = list(ratings.codes.T)
    n_blocks, n_tiles = n_parts ** len(codes), math.prod(n_ranges)
    sizes = [-(-n // (n_parts * parts)) for n, parts in zip(ratings.n_ids, n_ranges, strict=True)]
    blocks = _mixed([column % n_parts for column in codes], [n_parts] * len(codes))
    ranges = [column // (n_parts * size) for column, size in zip(codes, sizes, strict=True)]
    order, starts = sorted_by(_mixed([blocks, *ranges], [n_blocks, *n_ranges]), n_blocks * n_tiles)
    bounds = np.arange(n_blocks)[:, None] * n_tiles + np.arange(n_tiles + 1)
    return order, starts[bounds]


def _mixed(digits: Any, bases: list[int]) -> Any:
    """Number whose digits in mixed bases are given, the last the fastest; an int or an ndarray."""
    number = digits[0]
    for digit, base in zip(digits[1:], bases[1:], strict=True):
        number = number * base + digit
    return number


def plan_layout(sources: list[Ratings], batch_size: int | str, width: int) -> tuple[Layout, list[Segment]]:
    """Choose the shapes and say which rating goes where.

    Parameters
    ----------
    sources : list of Ratings, of length 1 or 2
        Ratings to learn from and perhaps ratings that are only scored; they share the arrays, so that holding
        out costs no compilation.
    batch_size : int or "auto"
        Ratings in one step.
    width : int
        Floats in a row of a table.

    Returns
    -------
    layout : Layout
        Shapes and places.
    runs : list of Run
        All ratings.
    """
    train, n_rows = sources[0], sum(len(source.targets) for source in sources)
    n_train, rounded = len(train.targets), rounded_up(n_rows + 1, _LARGE)
    size = (
        choose_batch_size(n_train)
        if batch_size == "auto"
        else min(int(batch_size), rounded_up(n_train, _LARGE))
    )
    n_parts = _n_parts(train.n_fields, rounded, size)
    ranges = [_n_ranges(train, width, n_parts), [1] * train.n_fields]
    dealt = [partition_ratings(source, n_parts, n) for source, n in zip(sources, ranges, strict=False)]
    places = _places([starts for _, starts in dealt], size)
    layout = Layout(
        n_parts=n_parts,
        n_tables=tuple(rounded_up(-(-n // n_parts) + 1, _LARGE_TABLE) for n in train.n_ids),
        n_padded=-(-rounded // size) * size + (len(places) - 1) * size,
        batch_size=size,
        places=places,
    )
    runs = [
        Segment(source, order[bounds[0] : bounds[-1]], int(place))
        for source, (order, starts) in enumerate(dealt)
        for bounds, place in zip(starts, places[:, [0, -2][source]], strict=True)
    ]
    return layout, runs


def _n_parts(n_fields: int, n_rows: int, batch_size: int) -> int:
    """Parts of the ids of each field: one where blocks would be few batches, or many blocks."""
    worthwhile = n_rows >= max(_PARTED_FROM, 8 * batch_size * _PARTS**n_fields)
    return _PARTS if worthwhile and n_fields <= _PARTED_FIELDS else 1


def _n_ranges(train: Ratings, width: int, n_parts: int) -> list[int]:
    """Ranges of the ids of a part of each field; one each where all tables fit into a cache."""
    n_bytes = [4 * width * n for n in train.n_ids]
    n_ranges = [-(-size // (n_parts * _TILE_BYTES)) for size in n_bytes]
    few = math.prod(n_ranges) * n_parts**train.n_fields <= len(train.targets)
    return n_ranges if sum(n_bytes) > _CACHED_BYTES and few else [1] * train.n_fields


def _places(starts: list[NDArray[np.int32]], batch_size: int) -> NDArray[np.int64]:
    """Places of a layout, (n_blocks, n_tiles + 2), from the starts of the tiles of each source."""
    counts = [bounds[:, -1] - bounds[:, 0] for bounds in starts]
    n_batches = -(-sum(counts) // batch_size)
    first = (np.cumsum(n_batches) - n_batches) * np.int64(batch_size)
    tiles = first[:, None] + starts[0] - starts[0][:, :1]
    return np.column_stack([tiles, first + sum(counts)])


def aligned(shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Memory that TensorFlow can take over without a copy.

    Parameters
    ----------
    shape : tuple of int
        Shape.

    Returns
    -------
    array : ndarray of that shape, int32
        Not initialised.
    """
    n_bytes = 4 * math.prod(shape)
    memory = np.empty(n_bytes + _ALIGNMENT, dtype=np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + n_bytes].view(np.int32).reshape(shape)


def pack_ratings(
    layout: Layout, runs: list[Segment], sources: list[Ratings], intercept: float, scale: float
) -> NDArray[np.int32]:
    """Standardise and pad the ratings.

    Parameters
    ----------
    layout : Layout
        Shapes.
    runs : list of Run
        Which ratings go where.
    sources : list of Ratings, of length 1 or 2
        Ratings to learn from, and perhaps ratings that are only scored.
    intercept, scale : float
        m and s of z = (y - m) / s.

    Returns
    -------
    packed : ndarray of shape (n_padded, n_fields + 2), int32
        Row of the table for the id of each field, the last row of the table in padding; then the bits of two
        float32: the target z, and the weight. Weights of the training ratings have mean 1, those of the
        held-out ratings are negated, in padding they are 0. All of a rating lies side by side: visiting in
        random order is one walk to the memory a rating.
    """
    divisors = sources[0].total_weight / len(sources[0].targets), -1.0
    packed = aligned((layout.n_padded, sources[0].n_fields + 2))
    packed[:] = *(n - 1 for n in layout.n_tables), 0, 0
    for number, rows, place in runs:
        source, part = sources[number], packed[place : place + len(rows)]
        # take: with brackets, int32 rows of a 2-D array cost several times as much.
        np.floor_divide(source.codes.take(rows, axis=0), layout.n_parts, out=part[:, :-2])
        reals = part[:, -2:].view(np.float32)
        reals[:, 0] = (source.targets.take(rows) - intercept) / scale
        reals[:, 1] = source.weights[rows] / divisors[number]
    return packed
