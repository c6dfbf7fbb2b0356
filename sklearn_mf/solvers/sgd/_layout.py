"""Where the ratings and the ids lie in the padded arrays, and the order in which an epoch visits them."""

import itertools
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.solvers.sgd._memory import aligned

Value = TypeVar("Value")
Scalar = TypeVar("Scalar", bound=np.generic)

# From so many ratings of a tile on, one permutation orders each of so many segments of its runs.
_SEGMENTED_FROM, _SEGMENTS = 2**17, 16


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


def rounds_of(n_parts: int, n_fields: int) -> list[list[Stratum]]:
    """Rounds of n_parts strata that share no id; together they have each stratum once."""
    shape = (n_parts,) * n_fields
    rounds = []
    for shifts in itertools.product(range(n_parts), repeat=n_fields - 1):
        members = [tuple((part + s) % n_parts for s in (0, *shifts)) for part in range(n_parts)]
        rounds.append([Stratum(int(np.ravel_multi_index(parts, shape)), parts) for parts in members])
    return rounds


class Block(NamedTuple):
    """Ratings of one stratum that stand together in a window.

    Parameters
    ----------
    stratum : Stratum
        Their stratum.
    places : ndarray of shape (n_tiles + 2,), int64
        Row of the window of the first training run of each tile and of the first held-out run, and the end of
        those. A block begins with a batch.
    """

    stratum: Stratum
    places: NDArray[np.int64]

    def batches(self, batch_size: int) -> tuple[int, int]:
        """First batch of training ratings, and the one after the last."""
        return self.places[0] // batch_size, -(-self.places[-2] // batch_size)


class Window(NamedTuple):
    """Rows of the padded ratings that one program sees at a time.

    Parameters
    ----------
    first : int
        Padded row of the first.
    rounds : list of list of Block
        Blocks in rounds whose members share no id.
    """

    first: int
    rounds: list[list[Block]]

    @property
    def blocks(self) -> list[Block]:
        """All blocks in the order of their rows."""
        return sorted(itertools.chain(*self.rounds), key=lambda block: block.stratum.number)


@dataclass(frozen=True)
class Layout:
    """Where the ratings and ids lie in the padded arrays.

    The id of code c is in row c // n_parts of the table of part c % n_parts of its field. Few ratings are in
    one window; of many, a window holds an equal share of each stratum of a round.

    Parameters
    ----------
    n_parts : int
        Parts, and so tables, of each field.
    n_tables : tuple of int, of length n_fields
        Rows of each table of a field, padding included.
    batch_size : int
        Runs in one step.
    run : int
        Ratings of a run, a row of the padded array: they share the id of the first field.
    n_window : int
        Rows of a window, of which the last that is its own is padding. Windows overlap in rows of no use to
        the earlier one.
    windows : tuple of Window
        Windows in the order of their rows.
    """

    n_parts: int
    n_tables: tuple[int, ...]
    batch_size: int
    run: int
    n_window: int
    windows: tuple[Window, ...]

    @property
    def n_padded(self) -> int:
        """Rows of the array of ratings, padding included."""
        return self.windows[-1].first + self.n_window

    def ends(self) -> list[int]:
        """Row of each window after the last that is its own, which is padding."""
        firsts = [window.first for window in self.windows[1:]]
        return [
            after - window.first for window, after in zip(self.windows, [*firsts, self.n_padded], strict=True)
        ]

    def visits(self, seed: int, epoch: int) -> list[int]:
        """Numbers of the windows in the order of an epoch."""
        n = len(self.windows)
        # A window draws from the numbers below n.
        return np.random.default_rng([seed, epoch, n]).permutation(n).tolist() if n > 1 else [0]

    def order(self, seed: int, epoch: int, number: int = 0) -> NDArray[np.int32]:
        """Visiting order of a window in an epoch, (n_window,), in rows of the window.

        In the place of each block stand its tiles in random order, the runs of each in random order, and then
        padding. The order depends on seed, epoch and window alone, so that more epochs continue the same
        training.
        """
        rng = np.random.default_rng([seed, epoch, number])
        order = aligned((self.n_window,))
        order[:] = self.ends()[number] - 1
        for _, places in self.windows[number].blocks:
            filled, n_tiles = places[0], len(places) - 2
            for tile in rng.permutation(n_tiles) if n_tiles > 1 else [0]:
                first, last = places[tile : tile + 2]
                in_segments = self.run * (last - first) >= _SEGMENTED_FROM
                _write_shuffled(order[filled : filled + last - first], first, rng, in_segments)
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


def _write_shuffled(
    order: NDArray[np.int32], first: np.int64, rng: np.random.Generator, in_segments: bool
) -> None:
    """Write the numbers from the first on in random order, in place, (n,).

    Many numbers are cut into segments of equal length. The order takes one number of each segment in turn,
    and all segments follow one permutation, each from a random place on, which is several times as fast as a
    permutation of all numbers. The few numbers that no segment has come last.
    """
    if not in_segments:
        # A permutation of int64 takes less time than a shuffle of int32, and is the same.
        order[:] = first + rng.permutation(len(order))
        return
    length = len(order) // _SEGMENTS
    within = np.tile(rng.permutation(length).astype(np.int32), 2)
    in_turn, rest = np.split(order, [length * _SEGMENTS])
    columns = in_turn.reshape(length, _SEGMENTS).T
    for segment, start in enumerate(rng.integers(length, size=_SEGMENTS)):
        np.add(within[start : start + length], np.int32(first + segment * length), out=columns[segment])
    rest[:] = first + np.arange(len(in_turn), len(order))
