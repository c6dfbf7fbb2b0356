"""The type of a tensor, and NumPy arrays as tensors."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

# TensorFlow has no types.
Tensor = Any


def tensor(array: NDArray[np.generic]) -> Tensor:
    """Copy an array into TensorFlow."""
    # tf.constant keeps the NumPy buffer alive as well; tf.identity drops it.
    return tf.identity(tf.constant(array))


def shared(array: NDArray[np.int32]) -> Tensor:
    """Give an array of `aligned` memory to TensorFlow without a copy; nobody may write to it afterwards."""
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
