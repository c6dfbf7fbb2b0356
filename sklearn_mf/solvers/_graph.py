"""TensorFlow graphs that stay graphs, however the user's process is set."""

import functools
from collections.abc import Callable
from typing import Generic, TypeVar

import tensorflow as tf

from sklearn_mf.solvers._tensors import Tensor

Result = TypeVar("Result")


class Graph(Generic[Result]):
    """A function as a graph for each kind of shapes, also where the user has set eager functions.

    With `tf.config.run_functions_eagerly(True)` it would take longer and round differently.
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


class SingleGraph(Graph[Result]):
    """A function as one graph, for arguments of a given signature: tensors, and tuples and lists of them.

    The graph is called as an operation. `tf.function` compares all arguments with the signature first, which
    takes longer than a sweep over few ratings.
    """

    def __init__(self, function: Callable[..., Result], signature: list[Tensor]) -> None:
        super().__init__(
            lambda *flat: function(*tf.nest.pack_sequence_as(signature, flat)),
            input_signature=tf.nest.flatten(signature),
        )

    @functools.cached_property
    def _concrete(self) -> Tensor:
        return self.function.get_concrete_function()

    @functools.cached_property
    def _types(self) -> list[Tensor]:
        """Types of the flat results."""
        return [result.dtype for result in tf.nest.flatten(self._concrete.structured_outputs)]

    def __call__(self, *args: object, **_: object) -> Result:
        results = tf.raw_ops.PartitionedCall(args=tf.nest.flatten(args), Tout=self._types, f=self._concrete)
        return tf.nest.pack_sequence_as(self._concrete.structured_outputs, results)

    def n_traces(self) -> int:
        """0 before the first call, then 1."""
        return int("_concrete" in vars(self))
