"""NumPy arrays into TensorFlow."""

from typing import Any

import tensorflow as tf
from numpy.typing import NDArray


def tensor(array: NDArray[Any]) -> Any:
    """Copy an array into TensorFlow.

    Parameters
    ----------
    array : ndarray
        Any array.

    Returns
    -------
    tensor : tensor of the same shape and dtype
        Its only copy: `tf.constant` keeps a second one until the tensor is first used.
    """
    return tf.identity(tf.constant(array))


def shared(array: NDArray[Any]) -> Any:
    """Give an array to TensorFlow without a copy.

    Parameters
    ----------
    array : ndarray
        One of `batches.aligned`; not to be written to any more.

    Returns
    -------
    tensor : tensor of the same shape and dtype
        The same memory.
    """
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
