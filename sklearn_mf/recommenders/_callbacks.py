"""Who hears of each epoch: scikit-learn's callbacks and, with `verbose`, the screen."""

import time
from collections.abc import Callable
from typing import Any


class Progress:
    """Report of a fit, epoch by epoch.

    Parameters
    ----------
    estimator : estimator
        The one in fit.
    context : sklearn.callback.CallbackContext
        Its root task; each epoch is a task below it.
    task_arguments : dict
        What the callbacks get: `X`, `y` and `metadata`.
    attributes : callable
        What the solver copies out -> fitted attributes of the estimator; called only where a callback wants
        them.
    unit : str
        What one pass over the data is called.
    measure : str, default="objective"
        What the number of each pass is called.
    """

    def __init__(
        self,
        estimator: Any,
        context: Any,
        task_arguments: dict[str, Any],
        attributes: Callable[[Any], dict[str, Any]],
        unit: str,
        measure: str = "objective",
    ) -> None:
        self.estimator, self.context, self.unit, self.measure = estimator, context, unit, measure
        self.task_arguments, self.attributes = task_arguments, attributes

    def begin(self, epoch: int, model: Callable[[], Any]) -> None:
        """Open the task of an epoch.

        Parameters
        ----------
        epoch : int
            Counted from 0.
        model : callable
            Copies the present model out of the solver.
        """
        self.started = time.perf_counter()
        self.task = self.context.subcontext(task_name=self.unit)
        self.task.call_on_fit_task_begin(**self._arguments(model))

    def end(self, epoch: int, loss: float, rmse: float | None, model: Callable[[], Any]) -> bool:
        """Close the task of an epoch.

        Parameters
        ----------
        epoch : int
            Counted from 0.
        loss : float
            Objective J.
        rmse : float or None
            Of the held-out ratings, in their units.
        model : callable
            Copies the present model out of the solver.

        Returns
        -------
        stop : bool
            Whether a callback asks to stop.
        """
        if self.estimator.verbose:
            validation = "" if rmse is None else f", validation RMSE {rmse:.5g}"
            seconds = time.perf_counter() - self.started
            line = f"{self.unit.capitalize()} {epoch + 1}: {self.measure} {loss:.6g}{validation}"
            print(f"{line}, {seconds:.3f} s")
        return self.task.call_on_fit_task_end(**self._arguments(model))

    def _arguments(self, model: Callable[[], Any]) -> dict[str, Any]:
        return {
            "estimator": self.estimator,
            **self.task_arguments,
            "reconstruction_attributes": lambda: self.attributes(model()),
        }
