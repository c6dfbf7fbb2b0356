"""Objective, log-likelihood and validation RMSE against the pass over the ratings."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sklearn_mf.inspection._estimators import by_name
from sklearn_mf.inspection._plotting import Style, add_legend, draw_curves, whole_ticks
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.utils._pipeline import last_step
from sklearn_mf.utils._sklearn_compat import check_matplotlib_support

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Fitted attribute, its sign in the picture, and the label of the axis.
_CURVES = {
    "objective": ("loss_curve_", 1, "objective J"),
    "log_likelihood": ("log_likelihood_curve_", 1, "log-likelihood"),
    "validation": ("validation_scores_", -1, "validation RMSE"),
}


class TrainingCurveDisplay:
    """Training curves: objective or log-likelihood, and the error on held-out ratings.

    Use :meth:`from_estimator` to create a display. All parameters are stored as attributes. Names are drawn
    as they are: a dollar sign does not start mathematics.

    Parameters
    ----------
    objective : DataFrame of shape (n_passes, n_estimators)
        Objective J after each pass over the ratings. The index numbers the passes from 1; the values of an
        estimator without this curve are NaN.
    log_likelihood : DataFrame of shape (n_passes, n_estimators)
        Log-likelihood of the training ratings after each sweep of a Markov chain.
    validation : DataFrame of shape (n_passes, n_estimators)
        RMSE of the ratings held out for early stopping.

    Attributes
    ----------
    axes_ : ndarray of Axes
        The panels from top to bottom, one for each table that has a curve.
    ax_ : Axes
        The first panel.
    figure_ : Figure
        The figure.
    lines_ : list of Line2D
        The curves in the order of the panels.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores against the number of training samples.

    Examples
    --------
    >>> from sklearn_mf import MFRecommender
    >>> from sklearn_mf.datasets import make_ratings
    >>> from sklearn_mf.inspection import TrainingCurveDisplay
    >>> model = MFRecommender(8, early_stopping=True, random_state=0).fit(make_ratings(random_state=0))
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
        cls,
        estimator: BaseEstimator | Mapping[str, BaseEstimator],
        *,
        ax: "Axes | Sequence[Axes] | NDArray[np.object_] | None" = None,
        line_kwargs: Style | None = None,
    ) -> Self:
        """Draw the training curves of fitted estimators.

        Parameters
        ----------
        estimator : estimator, or dict of str -> estimator
            Fitted MFRecommender or BayesianMFRecommender, or several by name. Pipelines and refitted searches
            that contain one are possible too. J depends on the penalty: do not compare J between estimators
            of different penalties.
        ax : Axes or array-like of Axes, default=None
            As in :meth:`plot`.
        line_kwargs : dict, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : TrainingCurveDisplay
            Display that holds the curves.

        Raises
        ------
        TypeError
            If an estimator is not a recommender.

        Examples
        --------
        >>> from sklearn_mf import MFRecommender
        >>> from sklearn_mf.datasets import make_ratings
        >>> from sklearn_mf.inspection import TrainingCurveDisplay
        >>> ratings = make_ratings(random_state=0)
        >>> models = {solver: MFRecommender(8, solver=solver, random_state=0) for solver in ("sgd", "als")}
        >>> fitted = {name: model.fit(ratings) for name, model in models.items()}
        >>> TrainingCurveDisplay.from_estimator(fitted).objective.shape
        (20, 2)
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        estimators = {name: last_step(each) for name, each in by_name(estimator).items()}
        for name, each in estimators.items():
            if not isinstance(each, BaseRecommender):
                raise TypeError(
                    f"{name} is no recommender but a {type(each).__name__}: pass a fitted recommender."
                )
        curves = {
            curve: _table(estimators, attribute, sign) for curve, (attribute, sign, _) in _CURVES.items()
        }
        return cls(**curves).plot(ax=ax, line_kwargs=line_kwargs)

    def plot(
        self,
        ax: "Axes | Sequence[Axes] | NDArray[np.object_] | None" = None,
        *,
        line_kwargs: Style | None = None,
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : Axes or array-like of Axes, default=None
            Axes to draw on, one for each panel; they become narrower for the legend beside them. None
            creates a new figure.
        line_kwargs : dict, default=None
            Keyword arguments of `Axes.plot` for every curve.

        Returns
        -------
        self : TrainingCurveDisplay
            The display, with the artists as attributes.

        Raises
        ------
        ValueError
            If the number of axes differs from the number of panels.

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
        explained: set[object] = set()
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

    def _axes(self, ax: object, n_panels: int) -> NDArray[np.object_]:
        """The given axes, or those of a new figure, (n_panels,)."""
        check_matplotlib_support(f"{type(self).__name__}.plot")
        import matplotlib.pyplot as plt

        if ax is None:
            size = 6.4, 2.4 * max(n_panels, 2)
            ax = plt.subplots(n_panels, squeeze=False, figsize=size, layout="constrained")[1]
        axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
        if len(axes) != n_panels:
            raise ValueError(f"There are {n_panels} panels to draw: pass as many axes, got {len(axes)}.")
        return axes


def _table(estimators: dict[str, BaseEstimator], attribute: str, sign: int) -> pd.DataFrame:
    """One curve of each estimator, (n_passes, n_estimators); no rows if no estimator has it."""
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
