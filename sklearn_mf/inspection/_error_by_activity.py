"""RMSE against the number of training ratings of a user or an item."""

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils import check_scalar

from sklearn_mf.inspection._estimators import by_name, field_number, recommender_in
from sklearn_mf.inspection._plotting import (
    LITERAL,
    Style,
    add_legend,
    draw_curves,
    label_axes,
    make_room_below,
    new_axes,
)
from sklearn_mf.recommenders._catalog import Catalog
from sklearn_mf.recommenders._held_out import HeldOut, read_held_out
from sklearn_mf.utils._sklearn_compat import check_matplotlib_support

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ErrorByActivityDisplay:
    """RMSE of held-out ratings against the number of training ratings of their user or item.

    Use :meth:`from_estimator` to create a display. All parameters are stored as attributes. Names are drawn
    as they are: a dollar sign does not start mathematics.

    Parameters
    ----------
    errors : DataFrame of shape (n_bins, n_estimators)
        RMSE in each group of held-out ratings. The index gives the number of training ratings of the ids in
        the group, such as "10-19".
    bins : DataFrame of shape (n_bins, 3)
        For each group, the smallest ("least") and largest ("most") number of training ratings and the number
        of held-out ratings ("n_rows").
    field : {"user", "item"}
        The field whose training ratings are counted.

    Attributes
    ----------
    ax_ : Axes
        The axes.
    figure_ : Figure
        The figure.
    lines_ : list of Line2D
        One line for each estimator.
    texts_ : list of Text
        The number of held-out ratings in each group.

    See Also
    --------
    RankingCurveDisplay : Ranking quality of the same estimators.

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_mf import MFRecommender
    >>> from sklearn_mf.datasets import make_ratings
    >>> from sklearn_mf.inspection import ErrorByActivityDisplay
    >>> train, test = train_test_split(make_ratings(random_state=0), random_state=0)
    >>> model = MFRecommender(8, random_state=0).fit(train)
    >>> display = ErrorByActivityDisplay.from_estimator(model, test[["user", "item"]], test["rating"])
    >>> int(display.bins["n_rows"].sum()) == len(test)
    True
    """

    def __init__(self, *, errors: pd.DataFrame, bins: pd.DataFrame, field: str) -> None:
        self.errors = errors
        self.bins = bins
        self.field = field

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator | Mapping[str, BaseEstimator],
        X: ArrayLike,
        y: ArrayLike,
        *,
        field: str = "user",
        n_bins: int = 8,
        ax: "Axes | None" = None,
        line_kwargs: Style | None = None,
    ) -> Self:
        """Draw the error of fitted estimators against the number of training ratings.

        Parameters
        ----------
        estimator : estimator, or dict of str -> estimator
            A fitted estimator, or several by name; Pipelines and searches are possible too. The first one
            must be a recommender: its training ratings are counted. The other ones need only `predict`.
        X : array-like or DataFrame of shape (n_samples, 2)
            Users and items of held-out ratings.
        y : array-like of shape (n_samples,)
            The held-out ratings.
        field : {"user", "item"}, default="user"
            The field whose training ratings are counted.
        n_bins : int, default=8
            Largest number of groups, which have equal width on a logarithmic scale. Ids unknown to fit form
            one more group, "0".
        ax : Axes, default=None
            As in :meth:`plot`.
        line_kwargs : dict, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : ErrorByActivityDisplay
            Display that holds the errors.

        Raises
        ------
        ValueError
            If `field` is not one of the options, n_bins < 1, X and y differ in length, or the first estimator
            was fitted on a number of columns other than two.
        TypeError
            If the first estimator is not a recommender, one does not predict ratings, or `n_bins` is not a
            whole number.

        Examples
        --------
        >>> from sklearn.model_selection import train_test_split
        >>> from sklearn_mf import MFRecommender
        >>> from sklearn_mf.datasets import make_ratings
        >>> from sklearn_mf.inspection import ErrorByActivityDisplay
        >>> train, test = train_test_split(make_ratings(random_state=0), random_state=0)
        >>> models = {
        ...     "biases only": MFRecommender(0, random_state=0).fit(train),
        ...     "embeddings": MFRecommender(8, random_state=0).fit(train),
        ... }
        >>> X, y = test[["user", "item"]], test["rating"]
        >>> ErrorByActivityDisplay.from_estimator(models, X, y, field="item", n_bins=4).errors.shape
        (4, 2)
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        estimators, number = by_name(estimator), field_number(field)
        check_scalar(n_bins, "n_bins", Integral, min_val=1)
        first = next(iter(estimators.values()))
        _, catalog = recommender_in(first, cls.__name__)
        _check_regressors(estimators)
        held_out = read_held_out(first, X, y)
        counts = _counts(catalog, held_out, number)
        groups = _groups(counts, n_bins)
        bins = _bins(counts, groups)
        squares = pd.DataFrame(
            {name: (each.predict(X) - held_out.ratings) ** 2 for name, each in estimators.items()}
        )
        errors = squares.groupby(groups).mean().pow(0.5).set_axis(bins.index)
        return cls(errors=errors, bins=bins, field=field).plot(ax=ax, line_kwargs=line_kwargs)

    def plot(self, ax: "Axes | None" = None, *, line_kwargs: Style | None = None) -> Self:
        """Draw the errors.

        Parameters
        ----------
        ax : Axes, default=None
            Axes to draw on; they become narrower for the legend beside them. None creates a new figure.
        line_kwargs : dict, default=None
            Keyword arguments of `Axes.plot` for every line.

        Returns
        -------
        self : ErrorByActivityDisplay
            The display, with the artists as attributes.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklearn_mf.inspection import ErrorByActivityDisplay
        >>> index = ["1-9", "10-99"]
        >>> errors = pd.DataFrame({"model": [0.95, 0.9]}, index=index)
        >>> bins = pd.DataFrame({"least": [1, 10], "most": [9, 99], "n_rows": [20, 400]}, index=index)
        >>> display = ErrorByActivityDisplay(errors=errors, bins=bins, field="user").plot()
        >>> [text.get_text() for text in display.texts_]
        ['20 rows', '400 rows']
        """
        self.ax_ = ax = new_axes(self, ax)
        self.figure_ = ax.figure
        self.lines_ = draw_curves(ax, self.errors, line_kwargs)
        self.texts_ = [
            ax.annotate(
                f"{n:,} rows",
                (span, 0.02),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="bottom",
                rotation=90,
                color="dimgrey",
                fontsize="small",
            )
            for span, n in self.bins["n_rows"].items()
        ]
        for label in ax.get_xticklabels():
            label.set(rotation=45, ha="right", rotation_mode="anchor", **LITERAL)
        label_axes(ax, f"training ratings of the {self.field}", "RMSE")
        add_legend(ax, self.lines_)
        make_room_below(ax, self.texts_)
        return self


def _check_regressors(estimators: dict[str, BaseEstimator]) -> None:
    """Refuse estimators whose predictions are not in units of ratings."""
    for name, each in estimators.items():
        if not is_regressor(each):
            raise TypeError(
                f"ErrorByActivityDisplay needs an estimator that predicts ratings, which {name} does not: "
                "use RankingCurveDisplay."
            )


def _counts(catalog: Catalog, held_out: HeldOut, field: int) -> NDArray[np.intp]:
    """Number of training ratings of the user or item of each row, (n_samples,)."""
    column = (held_out.users, held_out.items)[field]
    codes = catalog.vocabularies[field].codes(column.ids).take(column.numbers)
    return np.append(catalog.seen.counts(field), 0)[codes]  # code -1 of an unknown id takes the 0


def _groups(counts: NDArray[np.intp], n_bins: int) -> NDArray[np.intp]:
    """Group of each row by its count, 0 for a count of 0, then of equal width in logarithms, (n,) -> (n,)."""
    most = max(counts.max(), 1)
    least = counts.min(initial=most, where=counts > 0)
    starts = np.unique(np.round(np.geomspace(least, most + 1, n_bins + 1)[:-1]))
    return np.searchsorted(starts, counts, side="right")


def _bins(counts: NDArray[np.intp], groups: NDArray[np.intp]) -> pd.DataFrame:
    """Smallest and largest count of each group and its size, (n,), (n,) -> (n_bins, 3)."""
    by_group = pd.Series(counts).groupby(groups)
    bins = pd.DataFrame({"least": by_group.min(), "most": by_group.max(), "n_rows": by_group.size()})
    spans = [_span(least, most) for least, most in zip(bins["least"], bins["most"], strict=True)]
    return bins.set_axis(pd.Index(spans, name="n_ratings", dtype="str"))


def _span(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,}-{most:,}"
