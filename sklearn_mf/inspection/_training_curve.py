"""Objective and validation error, pass by pass."""

from typing import Any, Self

import numpy as np
import pandas as pd

from sklearn_mf.inspection._estimators import by_name
from sklearn_mf.inspection._plotting import add_legend, draw_curves, whole_ticks
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.utils._pipeline import last_step
from sklearn_mf.utils._sklearn_compat import check_matplotlib_support

# Fitted attributes, their sign, and what the axis is called.
_CURVES = {
    "objective": ("loss_curve_", 1, "objective J"),
    "log_likelihood": ("log_likelihood_curve_", 1, "log-likelihood"),
    "validation": ("validation_scores_", -1, "validation RMSE"),
}


class TrainingCurveDisplay:
    """Training curves: what a solver minimises or samples, and the error on held-out ratings.

    Use :meth:`from_estimator` to make one. All parameters are stored as attributes.

    Parameters
    ----------
    objective : DataFrame of shape (n_passes, n_estimators)
        J after each pass over the ratings, numbered from 1; a column for each estimator, NaN where it has
        none.
    log_likelihood : DataFrame of shape (n_passes, n_estimators)
        Log-likelihood of the training ratings after each sweep of a chain.
    validation : DataFrame of shape (n_passes, n_estimators)
        RMSE of the ratings that early stopping holds out.

    Attributes
    ----------
    axes_ : ndarray of Axes
        The panels, from top to bottom: one for each of the three that has a curve.
    ax_ : Axes
        The first of them.
    figure_ : Figure
        The figure.
    lines_ : list of Line2D
        The curves, panel by panel.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores against the number of training samples.

    Examples
    --------
    >>> from sklearn_mf import MFRecommender
    >>> from sklearn_mf.datasets import make_ratings
    >>> from sklearn_mf.inspection import TrainingCurveDisplay
    >>> model = MFRecommender(early_stopping=True, random_state=0).fit(make_ratings(random_state=0))
    >>> display = TrainingCurveDisplay.from_estimator(model)
    >>> [ax.get_ylabel() for ax in display.axes_]
    ['objective J', 'validation RMSE']
    """

    def __init__(
        self, *, objective: pd.DataFrame, log_likelihood: pd.DataFrame, validation: pd.DataFrame
    ) -> None:
        self.objective = objective
        self.log_likelihood = log_likelihood
        self.validation = validation

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, line_kwargs: dict[str, Any] | None = None
    ) -> Self:
        """Draw the training curves of fitted estimators.

        Parameters
        ----------
        estimator : estimator, or dict of str -> estimator
            Fitted MFRecommender or BayesianMFRecommender, or several by name; also inside a Pipeline or a
            search that was refitted. J depends on the penalty: compare it between runs of the same one.
        ax : Axes or array-like of Axes, default=None
            As in :meth:`plot`.
        line_kwargs : dict, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : TrainingCurveDisplay
            With the curves.

        Raises
        ------
        TypeError
            Where an estimator is not a recommender.

        Examples
        --------
        >>> from sklearn_mf import MFRecommender
        >>> from sklearn_mf.datasets import make_ratings
        >>> from sklearn_mf.inspection import TrainingCurveDisplay
        >>> ratings = make_ratings(random_state=0)
        >>> models = {solver: MFRecommender(solver=solver, random_state=0) for solver in ("sgd", "als")}
        >>> fitted = {name: model.fit(ratings) for name, model in models.items()}
        >>> TrainingCurveDisplay.from_estimator(fitted).objective.shape
        (20, 2)
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        estimators = {name: last_step(each) for name, each in by_name(estimator).items()}
        for name, each in estimators.items():
            if not isinstance(each, BaseRecommender):
                raise TypeError(f"{name} is no recommender but a {type(each).__name__}: pass one fitted.")
        curves = {
            curve: _table(estimators, attribute, sign) for curve, (attribute, sign, _) in _CURVES.items()
        }
        return cls(**curves).plot(ax=ax, line_kwargs=line_kwargs)

    def plot(self, ax: Any = None, *, line_kwargs: dict[str, Any] | None = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : Axes or array-like of Axes, default=None
            One for each panel; None makes a new figure. Given ones become narrower, for the legend beside
            them.
        line_kwargs : dict, default=None
            Keyword arguments of `Axes.plot` for all curves.

        Returns
        -------
        self : TrainingCurveDisplay
            With the artists as attributes.

        Raises
        ------
        ValueError
            Where the number of axes is not that of the panels.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklearn_mf.inspection import TrainingCurveDisplay
        >>> objective = pd.DataFrame({"model": [0.5, 0.4, 0.35]}, index=[1, 2, 3])
        >>> display = TrainingCurveDisplay(
        ...     objective=objective, log_likelihood=pd.DataFrame(), validation=pd.DataFrame())
        >>> len(display.plot(line_kwargs={"color": "black"}).lines_)
        1
        """
        panels = {name: getattr(self, name) for name in _CURVES if getattr(self, name).size}
        self.axes_ = self._axes(ax, len(panels))
        self.lines_ = []
        explained: set[Any] = set()
        for panel, (name, curves) in zip(self.axes_, panels.items(), strict=True):
            lines = draw_curves(panel, curves, line_kwargs)
            panel.set(xlabel="pass over the ratings", ylabel=_CURVES[name][2])
            whole_ticks(panel)
            new = [line for line in lines if line.get_label() not in explained]
            if new:
                add_legend(panel, new)
            explained |= {line.get_label() for line in new}
            self.lines_ += lines
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.figure_.align_ylabels(self.axes_)
        return self

    def _axes(self, ax: Any, n_panels: int) -> Any:
        check_matplotlib_support(f"{type(self).__name__}.plot")
        import matplotlib.pyplot as plt

        if ax is None:
            size = 6.4, 2.4 * max(n_panels, 2)
            ax = plt.subplots(n_panels, squeeze=False, figsize=size, layout="constrained")[1]
        axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
        if len(axes) != n_panels:
            raise ValueError(f"There are {n_panels} panels to draw: pass as many axes, got {len(axes)}.")
        return axes


def _table(estimators: dict[str, Any], attribute: str, sign: int) -> pd.DataFrame:
    """A curve of all estimators, empty where none has it."""
    curves = {
        name: sign * np.asarray(getattr(each, attribute, []), dtype=float)
        for name, each in estimators.items()
    }
    longest = max(len(curve) for curve in curves.values())
    passes = pd.RangeIndex(1, longest + 1, name="pass")
    return pd.DataFrame(
        {name: pd.Series(curve).set_axis(passes[: len(curve)]) for name, curve in curves.items()},
        index=passes,
    )
