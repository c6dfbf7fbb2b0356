"""Slices of a number of rows."""


def batches(n: int, size: int) -> list[slice]:
    """Cut n rows into slices of a size.

    This is `sklearn.utils.gen_batches` for n = 0 too, and without the check of its parameters at each call,
    which takes 15 microseconds where a whole search takes 500.
    """
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]
