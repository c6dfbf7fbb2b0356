"""A field as a list of parts: the ratings of some of its rows, in memory, on disk or on another worker."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Self, TypeVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._field_cells import Exchange, FieldCells
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers.als._grouping import (
    BlockCuts,
    Blocks,
    RatingsByField,
    filled_up,
    row_weights_of,
    standardized,
)
from sklearn_mf.utils._threads import n_threads

Item = TypeVar("Item")

# Most ratings of a part that is read from disk, unless one id has more, and least number of parts, so that
# several workers find some.
_PART_RATINGS, _LEAST_PARTS = 2**21, 8


class Part(NamedTuple):
    """Some rows of a field and their ratings.

    Parameters
    ----------
    number : int
        Number of the part, from 0.
    rows : slice
        Its rows in the table of the field.
    ratings : RatingsByField
        The ratings in the order of the field; tensors.
    """

    number: int
    rows: slice
    ratings: RatingsByField

    def take(self, values: Tensor) -> Tensor:
        """The rows of the part, (n_rows, ...) -> (n_part_rows, ...); no copy where they are all rows."""
        is_whole = self.rows.stop - self.rows.start == len(values)
        return values if is_whole else values[self.rows]


#: Results for each row of a part, (n_part_rows,) or (n_part_rows, width) each, float32.
PartSolver = Callable[[Part], tuple[Tensor, ...]]


@dataclass(frozen=True)
class FieldParts:
    """The ratings of one field, a part at a time.

    Parameters
    ----------
    row_weights : tensor of shape (n_rows,), float32
        Summed weight of the ratings of each row.
    bounds : sequence of int, of length n_parts + 1
        First row of each part, and the end of the last.
    read : callable
        Gives the ratings of a part, by its rows.
    exchange : Exchange or None
        Workers among which the parts are divided: part p is solved by worker p modulo their number.
    """

    row_weights: Tensor
    bounds: Sequence[int]
    read: Callable[[slice], RatingsByField]
    exchange: Exchange | None = None

    @classmethod
    def in_memory(cls, ratings: RatingsByField) -> Self:
        """One part with all ratings."""
        return cls(ratings.row_weights, (0, len(ratings.row_weights)), lambda _: ratings)

    @property
    def n_parts(self) -> int:
        """Number of parts of all workers."""
        return len(self.bounds) - 1

    def with_targets(self, targets: Tensor) -> Self:
        """Ratings in memory with other targets, (n_ratings,) in the order of the field."""
        return self.in_memory(self.read(slice(None))._replace(targets=targets))

    def solve(self, solve_part: PartSolver, name: str) -> tuple[Tensor, ...]:
        """Results for all rows, part after part, (n_rows,) or (n_rows, width) each.

        `name` says which step of which sweep this is, for workers that are not at the same step.
        """
        found = zip(*map(solve_part, self._own_parts()), strict=True)
        joined = tuple(parts[0] if len(parts) == 1 else tf.concat(parts, 0) for parts in found)
        return joined if self.exchange is None else self._gathered(joined, self.exchange, name)

    def _own_parts(self) -> Iterator[Part]:
        """Read the parts of this worker, on more than two cores each while the one before is solved.

        On two cores, reading ahead took 5 % more CPU and the memory of a further part.
        """
        numbers = _own_numbers(self.n_parts, self.exchange)
        ahead = len(numbers) > 1 and n_threads(3) > 2
        return _ahead(self._part, numbers) if ahead else map(self._part, numbers)

    def _part(self, number: int) -> Part:
        rows = slice(int(self.bounds[number]), int(self.bounds[number + 1]))
        return Part(number, rows, self.read(rows))

    def _gathered(self, results: tuple[Tensor, ...], exchange: Exchange, name: str) -> tuple[Tensor, ...]:
        """Results of all workers in the order of the rows, from those of this worker."""
        columns = [result if result.shape.rank == 2 else result[:, None] for result in results]
        table = self._in_order(exchange.gather(tf.concat(columns, 1), name), exchange.n_workers)
        pieces = tf.split(table, [column.shape[1] for column in columns], 1)
        return tuple(
            piece if result.shape.rank == 2 else piece[:, 0]
            for piece, result in zip(pieces, results, strict=True)
        )

    def _in_order(self, rows: Tensor, n_workers: int) -> Tensor:
        """Rows of the parts in turn, from those of one worker after another."""
        numbers = [p for worker in range(n_workers) for p in range(worker, self.n_parts, n_workers)]
        sizes = np.diff(self.bounds)[numbers]
        # Beyond these rows are those of workers without parts of their own.
        pieces = tf.split(rows[: self.bounds[-1]], sizes, 0)
        return tf.concat([pieces[place] for place in np.argsort(numbers)], 0)


def _own_numbers(n_parts: int, exchange: Exchange | None) -> range:
    """Numbers of the parts of this worker; the first part again where it has none of its own."""
    if exchange is None:
        return range(n_parts)
    return range(exchange.worker, n_parts, exchange.n_workers) or range(1)


def _ahead(function: Callable[[int], Item], numbers: Sequence[int]) -> Iterator[Item]:
    """Call the function with each number in a thread, one call ahead of the consumer."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(function, numbers[0])
        for number in numbers[1:]:
            present, following = following, thread.submit(function, number)
            yield present.result()
        yield following.result()


def part_bounds(counts: NDArray[np.integer], on_disk: bool) -> list[int]:
    """First row of each part and the end of the last, from the numbers of ratings of all ids, (n_ids,).

    A row is an id with ratings. A part on disk has a bounded number of ratings, or one row; in memory one
    part has all rows.
    """
    counts = counts[counts > 0]
    if not on_disk:
        return [0, len(counts)]
    ends, first, bounds = np.cumsum(counts, dtype=np.int64), 0, [0]
    most = min(_PART_RATINGS, -(-int(ends[-1]) // _LEAST_PARTS))
    while first < len(ends):
        before = ends[first] - counts[first]
        first = max(first + 1, int(np.searchsorted(ends, before + most, "right")))
        bounds.append(first)
    return bounds


class CellsOnDisk(NamedTuple):
    """The ratings of a field on disk, and what turns them into those of a part.

    Parameters
    ----------
    cells : FieldCells
        Ratings in the order of the codes of the field.
    ids : ndarray of shape (n_rows,), int32
        Code of each row; those of a part are all with ratings in a range of codes.
    other_rows : ndarray of shape (n_other_ids,), int32
        Row of each id of the other field.
    row_weights : ndarray of shape (n_rows,), float32
        Summed weight of the ratings of each row, in units of `mean_weight`.
    mean_weight : float
        Mean weight of all ratings.
    start : Model
        Gives the unit of the ratings.
    cut : callable
        Cuts the rows into blocks.
    """

    cells: FieldCells
    ids: NDArray[np.int32]
    other_rows: NDArray[np.int32]
    row_weights: NDArray[np.float32]
    mean_weight: float
    start: Model
    cut: BlockCuts

    @classmethod
    def of(
        cls,
        ratings: Ratings,
        field: int,
        ids: list[NDArray[np.int32]],
        rows: list[NDArray[np.int32]],
        start: Model,
        cut: BlockCuts,
    ) -> Self:
        """Find the weights of the rows; arguments as those of `group_by_field`."""
        row_weights = row_weights_of(ratings, field, ids[field])
        cells, others = ratings.field_cells[field], rows[1 - field]
        return cls(cells, ids[field], others, row_weights, ratings.mean_weight, start, cut)

    def read(self, rows: slice) -> RatingsByField:
        """The ratings of the rows of a part. They stay in the order of the disk."""
        cells, ids = self.cells, self.ids[rows]
        first, end = int(cells.starts[ids.min()]), int(cells.starts[ids.max() + 1])
        starts, ends = ((cells.starts[each] - first).astype(np.int32) for each in (ids, ids + 1))
        blocks = self.cut(starts, ends)
        fill = filled_up if len(blocks.segments) else np.asarray
        return RatingsByField(
            other_ids=tf.constant(self.other_rows.take(fill(cells.other_codes[first:end]))[:, None]),
            targets=tf.constant(standardized(fill(cells.targets[first:end]), self.start)),
            weights=tf.constant((fill(cells.weights[first:end]) / self.mean_weight).astype(np.float32)),
            row_weights=tf.constant(self.row_weights[rows]),
            starts=tf.constant(starts),
            ends=tf.constant(ends),
            blocks=Blocks(*map(tf.constant, blocks)),
        )
