"""Who hears of each epoch: scikit-learn's callbacks and, with `verbose`, the screen."""

import time
from collections.abc import Callable
from typing import Any

from sklearn_mf._model import Model


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
        Model -> fitted attributes of the estimator; called only where a callback wants them.
    unit : str
        What one pass over the data is called.
    """

    def __init__(
        self,
        estimator: Any,
        context: Any,
        task_arguments: dict[str, Any],
        attributes: Callable[[Model], dict[str, Any]],
        unit: str,
    ) -> None:
        self.estimator, self.context, self.unit = estimator, context, unit
        self.task_arguments, self.attributes = task_arguments, attributes

    def begin(self, epoch: int, model: Callable[[], Model]) -> None:
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

    def end(self, epoch: int, loss: float, rmse: float | None, model: Callable[[], Model]) -> bool:
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
            print(f"{self.unit.capitalize()} {epoch + 1}: objective {loss:.6g}{validation}, {seconds:.3f} s")
        return self.task.call_on_fit_task_end(**self._arguments(model))

    def _arguments(self, model: Callable[[], Model]) -> dict[str, Any]:
        return {
            "estimator": self.estimator,
            **self.task_arguments,
            "reconstruction_attributes": lambda: self.attributes(model()),
        }
