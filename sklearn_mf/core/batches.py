"""Shapes of mini-batches, and arrays padded to them, so that runs of similar size share a compilation."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_mf._ratings import Ratings, sorted_by

_SMALLEST_BATCH, _LARGEST_BATCH = 64, 4096
# The padded ratings make about this many steps, within the sizes above: more steps cost time, fewer make
# stale gradients.
_STEPS_AN_EPOCH = 256
# Bytes of the table above which ratings are visited by tiles; of the rows of one field that a tile touches.
_CACHED_BYTES, _TILE_BYTES = 2**24, 2**21
# Rows of ratings and of the table from which on memory matters more than a compilation.
_LARGE, _LARGE_TABLE = 2**20, 2**16


@dataclass(frozen=True)
class Layout:
    """Where the ratings and ids lie in the padded arrays.

    Parameters
    ----------
    offsets : ndarray of shape (n_fields + 1,), intp
        First row of each field in the table.
    n_table : int
        Rows of the table of embeddings, padding included.
    n_train, n_rows : int
        Number of training ratings; of training and held-out ratings together.
    n_padded : int
        Rows of the arrays of ratings, padding included.
    batch_size : int
        Ratings in one step.
    tiles : ndarray of shape (n_tiles + 1,), integer
        First training rating of each tile, see :func:`tile`, and the end of the last.
    """

    offsets: NDArray[np.intp]
    n_table: int
    n_train: int
    n_rows: int
    n_padded: int
    batch_size: int
    tiles: NDArray[np.integer]

    def order(self, seed: int, epoch: int) -> NDArray[np.int32]:
        """Visiting order of one epoch.

        Parameters
        ----------
        seed, epoch : int
            The order depends on nothing else, so that more epochs continue the same run.

        Returns
        -------
        order : ndarray of shape (n_padded,), int32
            The tiles in random order, the ratings of each in random order; then padding.
        """
        rng, n_tiles = np.random.default_rng([seed, epoch]), len(self.tiles) - 1
        order, filled = np.full(self.n_padded, self.n_padded - 1, dtype=np.int32), 0
        for number in rng.permutation(n_tiles) if n_tiles > 1 else [0]:
            first, last = self.tiles[number : number + 2]
            part = order[filled : filled + last - first]
            part[:] = np.arange(first, last)
            rng.shuffle(part)
            filled += last - first
        return order


class Arrays(NamedTuple):
    """Ratings in the padded form that the compiled epoch reads.

    Parameters
    ----------
    codes : list of ndarray of shape (n_padded,), int32
        Row of the table for the ids of each field; the last row of the table in padding.
    targets : ndarray of shape (n_padded,), float32
        Standardised ratings z.
    weights : ndarray of shape (n_padded,), float32
        Weights of the training ratings, with mean 1; of the held-out ratings, negated; 0 in padding.
    id_weights : ndarray of shape (n_table,), float32
        Summed training weight of each id.
    """

    codes: list[NDArray[np.int32]]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    id_weights: NDArray[np.float32]


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
        A power of two from 64 to 4096.
    """
    share = rounded_up(n_ratings, _LARGE) // _STEPS_AN_EPOCH
    return min(max(1 << share.bit_length(), _SMALLEST_BATCH), _LARGEST_BATCH)


def tile(ratings: Ratings, width: int) -> tuple[NDArray[np.integer] | None, NDArray[np.integer]]:
    """Group the ratings so that those of a group touch few rows of a large table.

    Ids of each field are cut into ranges of about equal size; a tile is all ratings of one range of each
    field. LIBMF visits ratings in such blocks too (Zhuang et al., RecSys 2013), though for the sake of its
    threads.

    Parameters
    ----------
    ratings : Ratings
        Training ratings.
    width : int
        Floats in a row of the table.

    Returns
    -------
    order : ndarray of shape (n_ratings,), int32, or None
        Puts the ratings in the order of their tiles; None where one tile holds all.
    starts : ndarray of shape (n_tiles + 1,), integer
        First rating of each tile in that order, and the end of the last.
    """
    n_bytes = [4 * width * n for n in ratings.n_ids]
    n_ranges = [-(-size // _TILE_BYTES) for size in n_bytes]
    n_tiles = math.prod(n_ranges)
    if sum(n_bytes) <= _CACHED_BYTES or n_tiles > len(ratings.targets):
        return None, np.array([0, len(ratings.targets)])
    tiles = np.zeros(len(ratings.targets), dtype=np.int32)
    for codes, n, n_ids in zip(ratings.codes.T, n_ranges, ratings.n_ids, strict=True):
        tiles = tiles * n + codes // -(-n_ids // n)
    return sorted_by(tiles, n_tiles)


def lay_out(
    train: Ratings,
    held_out: Ratings | None,
    batch_size: int | str,
    tiles: NDArray[np.integer] | None = None,
) -> Layout:
    """Choose the shapes.

    Parameters
    ----------
    train : Ratings
        Ratings to learn from.
    held_out : Ratings or None
        Ratings that are only scored; they share the arrays, so that holding out costs no compilation.
    batch_size : int or "auto"
        Ratings in one step.
    tiles : ndarray of shape (n_tiles + 1,), integer, default=None
        First rating of each tile, and the end of the last; None is one tile.

    Returns
    -------
    layout : Layout
        Shapes and offsets.
    """
    n_train = len(train.targets)
    n_rows = n_train + (0 if held_out is None else len(held_out.targets))
    largest = rounded_up(n_train, _LARGE)
    size = choose_batch_size(n_train) if batch_size == "auto" else min(int(batch_size), largest)
    offsets = np.cumsum([0, *train.n_ids])
    return Layout(
        offsets=offsets,
        n_table=rounded_up(int(offsets[-1]) + 1, _LARGE_TABLE),
        n_train=n_train,
        n_rows=n_rows,
        n_padded=-(-rounded_up(n_rows + 1, _LARGE) // size) * size,
        batch_size=size,
        tiles=np.array([0, n_train]) if tiles is None else tiles,
    )


def arrange(
    layout: Layout,
    train: Ratings,
    held_out: Ratings | None,
    intercept: float,
    scale: float,
    order: NDArray[np.integer] | None = None,
    convert: Callable[[NDArray[Any]], Any] = np.asarray,
) -> Arrays:
    """Standardise and pad the ratings.

    Parameters
    ----------
    layout : Layout
        Shapes.
    train : Ratings
        Ratings to learn from, first in the arrays.
    held_out : Ratings or None
        Ratings that are only scored.
    intercept, scale : float
        m and s of z = (y - m) / s.
    order : ndarray of shape (n_train,), int32, default=None
        Order of the training ratings; None leaves them as they are.
    convert : callable, default=np.asarray
        Called with each array as soon as it is made, so that two copies never stand side by side.

    Returns
    -------
    arrays : Arrays
        Padded arrays.
    """
    parts = [train] if held_out is None else [train, held_out]
    mean_weight = train.total_weight / layout.n_train
    id_weights = [train.id_weights(field) for field in range(train.n_fields)]
    orders = [slice(None) if order is None else order, slice(None)]
    centred = ((part.targets[o] - intercept, scale) for part, o in zip(parts, orders, strict=False))
    divisors = [mean_weight, -1.0]
    weights = ((part.weights[o], by) for part, o, by in zip(parts, orders, divisors, strict=False))
    return Arrays(
        codes=[
            convert(
                _padded(
                    np.add,
                    ((part.codes[o, field], first) for part, o in zip(parts, orders, strict=False)),
                    layout.n_padded,
                    layout.n_table - 1,
                )
            )
            for field, first in enumerate(layout.offsets[:-1])
        ],
        targets=convert(_padded(np.divide, centred, layout.n_padded, 0.0)),
        weights=convert(_padded(np.divide, weights, layout.n_padded, 0.0)),
        id_weights=convert(
            _padded(np.divide, [(part, mean_weight) for part in id_weights], layout.n_table, 0.0)
        ),
    )


def _padded(
    operation: np.ufunc, parts: Iterable[tuple[NDArray[Any], Any]], size: int, filler: float
) -> NDArray[Any]:
    """The results of an operation on the parts one after another, then filler; no copy of a part is made."""
    padded = np.full(size, filler, dtype=np.int32 if isinstance(filler, int) else np.float32)
    first = 0
    for part, operand in parts:
        operation(part, operand, out=padded[first : first + len(part)], casting="same_kind")
        first += len(part)
    return padded
