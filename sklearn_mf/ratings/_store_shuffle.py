"""Rows grouped by ranges of codes, on disk: each range is then sorted in memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.ratings._ratings import sorted_by

Item = TypeVar("Item")
Result = TypeVar("Result")

# Rows of a bucket, but for an id with more; bounds the memory.
_BUCKET_ROWS = 2**19
# Buckets that are sorted at the same time.
_THREADS = 2


class Bucket(NamedTuple):
    """The rows of a range of codes.

    Parameters
    ----------
    codes : range
        The codes.
    rows : ndarray of shape (n_rows,), structured
        All rows with these codes, in the order in which they came.
    """

    codes: range
    rows: NDArray[np.void]


class Buckets:
    """Rows on disk, grouped by ranges of the codes of one field.

    Parameters
    ----------
    path : Path
        Scratch file; it is removed at the end of the block.
    dtype : dtype
        Structured type of the rows.
    field : str
        Name of the code by which rows are grouped.
    counts : ndarray of shape (n_ids,), int64
        Number of rows that each code will have.
    """

    def __init__(self, path: Path, dtype: np.dtype, field: str, counts: NDArray[np.int64]) -> None:
        starts = np.append(0, np.cumsum(counts))
        # Codes whose rows would start in the same stretch of the file form a bucket.
        first_codes = np.unique(starts[:-1] // _BUCKET_ROWS, return_index=True)[1]
        self._edges = np.append(first_codes, len(counts))
        self._starts = starts[self._edges]
        self._bucket_of_code = np.repeat(np.arange(len(first_codes), dtype=np.int32), np.diff(self._edges))
        self._ends = self._starts[:-1].copy()  # of the rows written so far
        self.dtype, self._field, self._path = dtype, field, path
        self._file = path.open("w+b")

    def add(self, rows: NDArray[np.void]) -> None:
        """Write rows (n,) to their buckets."""
        buckets = self._bucket_of_code[rows[self._field]]
        order, starts = sorted_by(buckets, len(self._ends))
        rows = take_rows(rows, order)
        for bucket in np.flatnonzero(np.diff(starts)):
            part = rows[starts[bucket] : starts[bucket + 1]]
            self._file.seek(self._ends[bucket] * self.dtype.itemsize)
            self._file.write(part.data)
            self._ends[bucket] += len(part)

    def __iter__(self) -> Iterator[Bucket]:
        self._file.flush()
        for first, end, start, stop in zip(
            self._edges, self._edges[1:], self._starts, self._starts[1:], strict=False
        ):
            self._file.seek(start * self.dtype.itemsize)
            yield Bucket(range(first, end), np.fromfile(self._file, self.dtype, stop - start))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def take_rows(rows: NDArray[np.void], order: NDArray[np.integer]) -> NDArray[np.void]:
    """Structured rows (n,) in an order, (n,) -> (n,); as plain bytes, since NumPy copies these faster."""
    plain = np.dtype((np.void, rows.dtype.itemsize))
    return rows.view(plain).take(order).view(rows.dtype)


def in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Results of a function in the order of the items; a few are computed at the same time."""
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > _THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
