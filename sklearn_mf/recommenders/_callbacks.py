"""Report each pass of a fit to scikit-learn's callbacks and, if verbose, to stdout."""

import time
from collections.abc import Callable
from typing import Any


class Progress:
    """Report of a fit, pass by pass.

    Parameters
    ----------
    estimator : estimator
        The one in fit.
    context : sklearn.callback.CallbackContext
        Its root task; each pass is a task below it.
    arguments : dict
        Arguments of the callbacks: `X`, `y` and `metadata`.
    attributes : callable
        Makes fitted attributes of a state of the solver; called only where a callback wants them.
    unit, measure : str
        Names of a pass over the data and of the number that describes it.
    """

    def __init__(
        self,
        estimator: Any,
        context: Any,
        arguments: dict[str, object],
        attributes: Callable[[object], dict[str, object]],
        unit: str,
        measure: str,
    ) -> None:
        self.estimator, self.context, self.unit, self.measure = estimator, context, unit, measure
        self.arguments, self.attributes = arguments, attributes
        self.started, self.task = 0.0, context

    def begin(self, number: int, snapshot: Callable[[], object]) -> None:
        """Open the task of a pass, counted from 0; `snapshot` copies the state of the solver."""
        self.started = time.perf_counter()
        self.task = self.context.subcontext(task_name=self.unit)
        self.task.call_on_fit_task_begin(**self._arguments(snapshot))

    def end(self, number: int, value: float, rmse: float | None, snapshot: Callable[[], object]) -> bool:
        """Close the task of a pass; whether a callback asks to stop."""
        if self.estimator.verbose:
            validation = "" if rmse is None else f", validation RMSE {rmse:.5g}"
            seconds = time.perf_counter() - self.started
            line = f"{self.unit.capitalize()} {number + 1}: {self.measure} {value:.6g}{validation}"
            print(f"{line}, {seconds:.3f} s")
        stop: bool = self.task.call_on_fit_task_end(**self._arguments(snapshot))
        return stop

    def _arguments(self, snapshot: Callable[[], object]) -> dict[str, object]:
        return {
            "estimator": self.estimator,
            **self.arguments,
            "reconstruction_attributes": lambda: self.attributes(snapshot()),
        }
