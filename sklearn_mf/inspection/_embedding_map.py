"""A map of the embeddings of users or items."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from sklearn_mf.inspection._estimators import (
    FIELDS,
    field_number,
    n_ratings,
    recommender_in,
)
from sklearn_mf.inspection._map_artists import draw_labels, draw_points
from sklearn_mf.inspection._plotting import new_axes
from sklearn_mf.ratings._columns import read_id_list, short_repr
from sklearn_mf.ratings._validation import check_known
from sklearn_mf.utils._sklearn_compat import check_matplotlib_support


class EmbeddingDisplay:
    """Map of the embeddings of items or users: what is near each other is liked by the same people.

    Use :meth:`from_estimator` to make one. All parameters are stored as attributes.

    Parameters
    ----------
    points : DataFrame of shape (n_ids, 2)
        Two coordinates of each id, which is the index; the names of the columns stand at the axes. Labels
        are placed in the order of the rows.
    labels : Series of shape (n_ids,)
        Text of each id.
    color : Series of shape (n_ids,), default=None
        Category or number of each id; its name stands above the legend.

    Attributes
    ----------
    ax_ : Axes
        The axes.
    figure_ : Figure
        The figure.
    scatters_ : list of PathCollection
        The points: one for each category, or one alone.
    texts_ : list of Annotation
        The labels that found room.
    colorbar_ : Colorbar or None
        Of a numeric color.

    See Also
    --------
    MFRecommender.similar_items : The nearest items, in all dimensions.
    explain : Which ratings carry a score.

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
        estimator: Any,
        *,
        field: str = "item",
        ids: Any = None,
        n_ids: int = 300,
        method: str = "pca",
        labels: Any = None,
        color: Any = None,
        n_labels: int = 20,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
        scatter_kwargs: dict[str, Any] | None = None,
        text_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw a map of the embeddings of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted on two columns of ids; also a Pipeline or a search.
        field : {"item", "user"}, default="item"
            Whose embeddings.
        ids : list, array, Series or Index of ids, default=None
            Which ones, those to label first in front. None is the `n_ids` with the most training ratings,
            most first.
        n_ids : int, default=300
            How many where `ids` is None; fewer where there are fewer.
        method : {"pca", "tsne"}, default="pca"
            "pca": the two principal components, the directions in which these embeddings differ most; a long
            embedding is far out. "tsne": t-SNE of the angles between them, which keeps neighbours together,
            while distances between groups mean little.
        labels : Series or dict of id -> text, default=None
            What to call the ids; the id itself where it is missing.
        color : Series or dict of id -> number or category, default=None
            What to colour by: numbers, with a bar, or up to seven categories, the most frequent ones, with a
            legend. The rest and what is missing is grey.
        n_labels : int, default=20
            As in :meth:`plot`.
        random_state : int, RandomState instance or None, default=None
            Seed of t-SNE, and of the principal components of wide embeddings.
        ax : Axes, default=None
            As in :meth:`plot`.
        scatter_kwargs : dict, default=None
            As in :meth:`plot`.
        text_kwargs : dict, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : EmbeddingDisplay
            With the map.

        Raises
        ------
        ValueError
            Where field or method is none of those, ids are unknown or fewer than three, labels or color have
            an id twice, embeddings have fewer than two dimensions, or fit saw another number of columns than
            two.
        TypeError
            Where the estimator is not a recommender.

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
        recommender = recommender_in(estimator, cls.__name__)
        codes = _codes(recommender, number, ids, n_ids)
        index = pd.Index(recommender._known_column(number, codes))
        points = _project(recommender.embeddings_[number][codes], method, random_state).set_axis(index)
        texts = _of_ids({} if labels is None else labels, index, "labels").astype(object)
        texts = texts.where(texts.notna(), index.astype(str))
        display = cls(points, labels=texts, color=None if color is None else _of_ids(color, index, "color"))
        return display.plot(ax=ax, n_labels=n_labels, scatter_kwargs=scatter_kwargs, text_kwargs=text_kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        n_labels: int = 20,
        scatter_kwargs: dict[str, Any] | None = None,
        text_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : Axes, default=None
            None makes a new figure. A given one becomes narrower, for the legend beside it.
        n_labels : int, default=20
            Labels at most. A point is labelled where no label of a point before it is in the way, as large as
            the figure is now.
        scatter_kwargs : dict, default=None
            Keyword arguments of `Axes.scatter`.
        text_kwargs : dict, default=None
            Keyword arguments of `Axes.annotate` for the labels.

        Returns
        -------
        self : EmbeddingDisplay
            With the artists as attributes.

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
        ax.set(xlabel=self.points.columns[0], ylabel=self.points.columns[1])
        ax.tick_params(bottom=False, left=False, labelbottom=False, labelleft=False)
        self.texts_ = draw_labels(ax, self.points, self.labels, n_labels, text_kwargs)
        return self


def _codes(recommender: Any, field: int, ids: Any, n_ids: int) -> NDArray[np.intp]:
    """Rows of the ids to show, (n_shown,)."""
    if ids is None:
        check_scalar(n_ids, "n_ids", Integral, min_val=1)
        codes = np.argsort(-n_ratings(recommender, field), kind="stable")[:n_ids]
    else:
        wanted = pd.unique(read_id_list(ids, "ids"))
        codes = recommender._vocabulary(field).codes(wanted)
        check_known(codes, wanted, f"{FIELDS[field]}s")
    if len(codes) < 3:
        raise ValueError(f"A map needs at least three ids, got {len(codes)}: pass more of them.")
    return codes


def _project(
    embeddings: NDArray[np.float32], method: str, random_state: int | np.random.RandomState | None
) -> pd.DataFrame:
    """Two coordinates of each embedding, (n_shown, width) -> (n_shown, 2)."""
    if embeddings.shape[1] < 2:
        raise ValueError(
            f"A map needs embeddings of two dimensions or more, these have {embeddings.shape[1]}: fit with a "
            "larger embedding_dim."
        )
    if not np.ptp(embeddings, axis=0).any():
        raise ValueError("These embeddings are all equal: fit with a smaller alpha, or map other ids.")
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
        with threadpool_limits(1):  # for so few points threads mostly wait for each other
            return pd.DataFrame(tsne.fit_transform(embeddings), columns=["t-SNE 1", "t-SNE 2"])
    raise ValueError(f"method must be 'pca' or 'tsne', got {method!r}.")


def _of_ids(values: Any, index: "pd.Index[Any]", label: str) -> "pd.Series[Any]":
    """Values of the ids to show; missing ones are NaN."""
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
