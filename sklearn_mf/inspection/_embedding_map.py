"""Map of the embeddings of users or items."""

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from sklearn_mf.inspection._estimators import field_number, recommender_in
from sklearn_mf.inspection._map_artists import draw_labels, draw_points
from sklearn_mf.inspection._plotting import Style, label_axes, new_axes
from sklearn_mf.ratings._columns import short_repr
from sklearn_mf.recommenders._catalog import Catalog
from sklearn_mf.utils._sklearn_compat import check_matplotlib_support

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class EmbeddingDisplay:
    """Map of the embeddings of items or users: items near each other are liked by the same users.

    Use :meth:`from_estimator` to create a display. All parameters are stored as attributes. Names and labels
    are drawn as they are: a dollar sign does not start mathematics.

    Parameters
    ----------
    points : DataFrame of shape (n_ids, 2)
        Two coordinates of each id. The index holds the ids, and the names of the columns label the axes.
        Labels are placed in the order of the rows.
    labels : Series of shape (n_ids,)
        Text of each id.
    color : Series of shape (n_ids,), default=None
        Category or number of each id; its name is the title of the legend.

    Attributes
    ----------
    ax_ : Axes
        The axes.
    figure_ : Figure
        The figure.
    scatters_ : list of PathCollection
        The points: one collection for each category, or a single one without categories.
    texts_ : list of Annotation
        The labels drawn.
    colorbar_ : Colorbar or None
        The colorbar of a numeric `color`.

    See Also
    --------
    MFRecommender.similar_items : The nearest items, in all dimensions.
    explain : Contribution of each rating to a score.

    Examples
    --------
    >>> from sklearn_mf import MFRecommender
    >>> from sklearn_mf.datasets import make_ratings
    >>> from sklearn_mf.inspection import EmbeddingDisplay
    >>> model = MFRecommender(8, random_state=0).fit(make_ratings(random_state=0))
    >>> display = EmbeddingDisplay.from_estimator(model, n_ids=50)
    >>> display.points.shape
    (50, 2)
    """

    def __init__(self, points: pd.DataFrame, *, labels: pd.Series, color: pd.Series | None = None) -> None:
        self.points = points
        self.labels = labels
        self.color = color

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        field: str = "item",
        ids: object = None,
        n_ids: int = 300,
        method: str = "pca",
        labels: pd.Series | Mapping[object, object] | None = None,
        color: pd.Series | Mapping[object, object] | None = None,
        n_labels: int = 20,
        random_state: int | np.random.RandomState | None = None,
        ax: "Axes | None" = None,
        scatter_kwargs: Style | None = None,
        text_kwargs: Style | None = None,
    ) -> Self:
        """Draw a map of the embeddings of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted recommender of two fields, or a Pipeline or search that contains one.
        field : {"item", "user"}, default="item"
            The field whose embeddings are drawn.
        ids : list, array, Series or Index of ids, default=None
            Ids to show; labels are placed in this order. None shows the `n_ids` ids with the most training
            ratings, in falling order of their number.
        n_ids : int, default=300
            Number of ids if `ids` is None, at most the number of ids in fit.
        method : {"pca", "tsne"}, default="pca"
            Projection to two dimensions. "pca" takes the first two principal components of these embeddings;
            an embedding with a large norm is far from the centre. "tsne" is t-SNE with the cosine distance;
            it keeps neighbours together, but distances between groups mean little.
        labels : Series or dict of id -> text, default=None
            Text of each id. An id without a text is labelled with the id itself.
        color : Series or dict of id -> number or category, default=None
            Numbers are shown with a colorbar, categories with a legend. The seven most frequent categories
            have a colour; the other ones and missing values are grey.
        n_labels : int, default=20
            As in :meth:`plot`.
        random_state : int, RandomState instance or None, default=None
            Seed of t-SNE, and of the randomized solver that PCA uses for large inputs.
        ax : Axes, default=None
            As in :meth:`plot`.
        scatter_kwargs : dict, default=None
            As in :meth:`plot`.
        text_kwargs : dict, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : EmbeddingDisplay
            Display that holds the map.

        Raises
        ------
        ValueError
            If `field` or `method` is not one of the options, ids are unknown or fewer than three, `labels` or
            `color` have an id more than once, embeddings have fewer than two dimensions or are all equal, or
            fit saw a number of columns other than two.
        TypeError
            If the estimator is not a recommender.

        Examples
        --------
        >>> from sklearn_mf import MFRecommender
        >>> from sklearn_mf.datasets import make_ratings
        >>> from sklearn_mf.inspection import EmbeddingDisplay
        >>> ratings = make_ratings(random_state=0)
        >>> model = MFRecommender(8, random_state=0).fit(ratings)
        >>> averages = ratings.groupby("user")["rating"].mean()
        >>> display = EmbeddingDisplay.from_estimator(model, field="user", color=averages, n_labels=0)
        >>> display.colorbar_.ax.get_ylabel()
        'rating'
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        number = field_number(field)
        check_is_fitted(estimator)
        recommender, catalog = recommender_in(estimator, cls.__name__)
        codes = _codes(catalog, number, ids, n_ids)
        index = pd.Index(catalog.vocabularies[number].column_of(codes))
        points = _project(recommender.embeddings_[number][codes], method, random_state).set_axis(index)
        texts = _of_ids({} if labels is None else labels, index, "labels").astype(object)
        texts = texts.where(texts.notna(), index.astype(str))
        display = cls(points, labels=texts, color=None if color is None else _of_ids(color, index, "color"))
        return display.plot(ax=ax, n_labels=n_labels, scatter_kwargs=scatter_kwargs, text_kwargs=text_kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        n_labels: int = 20,
        scatter_kwargs: Style | None = None,
        text_kwargs: Style | None = None,
    ) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : Axes, default=None
            Axes to draw on; they become narrower for the legend beside them. None creates a new figure.
        n_labels : int, default=20
            Largest number of labels. A point is labelled if its label fits between the labels of the points
            before it at the current size of the figure.
        scatter_kwargs : dict, default=None
            Keyword arguments of `Axes.scatter`.
        text_kwargs : dict, default=None
            Keyword arguments of `Axes.annotate` for the labels.

        Returns
        -------
        self : EmbeddingDisplay
            The display, with the artists as attributes.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklearn_mf.inspection import EmbeddingDisplay
        >>> points = pd.DataFrame({"x": [0.0, 1.0, 1.0], "y": [0.0, 1.0, 1.0]}, index=["up", "heat", "alien"])
        >>> display = EmbeddingDisplay(points, labels=points.index.to_series()).plot()
        >>> [text.get_text() for text in display.texts_]
        ['up', 'heat']
        """
        check_scalar(n_labels, "n_labels", Integral, min_val=0)
        self.ax_ = ax = new_axes(self, ax)
        self.figure_ = ax.figure
        self.scatters_, self.colorbar_ = draw_points(ax, self.points, self.color, scatter_kwargs)
        label_axes(ax, *self.points.columns)
        ax.tick_params(bottom=False, left=False, labelbottom=False, labelleft=False)
        self.texts_ = draw_labels(ax, self.points, self.labels, n_labels, text_kwargs)
        return self


def _codes(catalog: Catalog, field: int, ids: object, n_ids: int) -> NDArray[np.intp]:
    """Codes of the ids to show, (n_shown,)."""
    if ids is None:
        check_scalar(n_ids, "n_ids", Integral, min_val=1)
        codes = np.argsort(-catalog.seen.counts(field), kind="stable")[:n_ids]
    else:
        codes = pd.unique(catalog.known_codes(field, ids, ("users", "items")[field]))
    if len(codes) < 3:
        raise ValueError(f"A map needs at least three ids, got {len(codes)}: pass more of them.")
    return codes


def _project(
    embeddings: NDArray[np.floating], method: str, random_state: int | np.random.RandomState | None
) -> pd.DataFrame:
    """Two coordinates of each embedding, (n_shown, width) -> (n_shown, 2)."""
    _check_embeddings(embeddings)
    if method == "pca":
        pca = PCA(2, random_state=random_state)
        points = pca.fit_transform(embeddings.astype(np.float64))
        names = [
            f"principal component {place} ({share:.0%} of the variance)"
            for place, share in enumerate(pca.explained_variance_ratio_, start=1)
        ]
        return pd.DataFrame(points, columns=names)
    if method == "tsne":
        perplexity = min(30.0, (len(embeddings) - 1) / 3)
        tsne = TSNE(2, perplexity=perplexity, metric="cosine", random_state=random_state)
        with threadpool_limits(1):  # with so few points, threads mostly wait for each other
            return pd.DataFrame(tsne.fit_transform(embeddings), columns=["t-SNE 1", "t-SNE 2"])
    raise ValueError(f"method must be 'pca' or 'tsne', got {method!r}.")


def _check_embeddings(embeddings: NDArray[np.floating]) -> None:
    """Refuse embeddings (n_shown, width) of fewer than two dimensions, and equal ones."""
    if embeddings.shape[1] < 2:
        raise ValueError(
            f"A map needs embeddings of two dimensions or more, these have {embeddings.shape[1]}: fit with a "
            "larger embedding_dim."
        )
    if not np.ptp(embeddings, axis=0).any():
        raise ValueError("These embeddings are all equal: fit with a smaller alpha, or map other ids.")


def _of_ids(values: object, index: pd.Index, label: str) -> pd.Series:
    """Values of the ids to show, NaN for missing ones, (n_shown,)."""
    if not isinstance(values, (pd.Series, Mapping)):
        raise TypeError(f"{label} must be a Series or dict by id, got {type(values).__name__}.")
    series = pd.Series(values)
    if not series.index.is_unique:
        twice = series.index[series.index.duplicated()][0]
        raise ValueError(f"{label} has id {short_repr(twice)} more than once: keep one value for each id.")
    if len(series) and not series.index.isin(index).any():
        raise ValueError(
            f"{label} has a value of {short_repr(series.index[0])}, but of none of the ids to show, such as "
            f"{short_repr(index[0])}: index it by the ids of fit."
        )
    return series.reindex(index)
