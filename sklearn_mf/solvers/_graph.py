"""TensorFlow graphs that stay graphs, however the user's process is set."""

from collections.abc import Callable
from typing import Generic, TypeVar

import tensorflow as tf

Result = TypeVar("Result")


class Graph(Generic[Result]):
    """A function as a graph, also where the user has set `tf.config.run_functions_eagerly(True)`.

    Run eagerly, it would take longer and round differently.
    """

    def __init__(self, function: Callable[..., Result], **options: object) -> None:
        self.function = tf.function(function, autograph=False, **options)

    def __call__(self, *args: object, **kwargs: object) -> Result:
        if tf.config.functions_run_eagerly():
            return self.function.get_concrete_function(*args, **kwargs)(*args, **kwargs)
        return self.function(*args, **kwargs)

    def n_traces(self) -> int:
        """How often the function has been traced: once for each kind of shapes."""
        return self.function.experimental_get_tracing_count()
