"""The methods of all recommenders that export a fitted model to other formats."""

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch
from sklearn.utils.metaestimators import available_if

from sklearn_mf.recommenders._fitting import reads_one_fit
from sklearn_mf.recommenders._newcomers import admit
from sklearn_mf.recommenders._onnx import set_output_type, write_onnx
from sklearn_mf.recommenders._onnx_graph import Convertible, FieldRows, add_prediction
from sklearn_mf.recommenders._point_model import model_of
from sklearn_mf.recommenders._query import Listing
from sklearn_mf.recommenders._saved_model import Exportable, export
from sklearn_mf.recommenders._vectors import ranking_vectors


def _has_vectors(recommender: "ExportMixin") -> bool:
    """Whether scores are inner products; an AttributeError says so where they are not."""
    if not recommender._ranks_by_vectors:
        raise AttributeError(f"{type(recommender).__name__} ranks without vectors: use recommend.")
    return True


class ExportMixin:
    """Mixin of the base of all recommenders: a fitted recommender in other formats."""

    target_range_: NDArray[np.float64]
    #: Whether the scores of recommend are inner products of vectors of users and items.
    _ranks_by_vectors = True

    @available_if(_has_vectors)
    @reads_one_fit
    def retrieval_vectors(
        self: Listing,
        users: object = None,
        *,
        ratings: ArrayLike | None = None,
        features: object = None,
        rank_by: str = "auto",
    ) -> Bunch:
        """Get vectors of users and items for a vector index, such as faiss, usearch or pgvector.

        The inner product of the vectors of a user and an item ranks items as :meth:`recommend` does, up to
        rounding to float32. An index does not know which items the user has rated, so leave them out.

        Parameters
        ----------
        users : id, or list, array, Series or Index of ids, or table of features, default=None
            Users whose vectors to get, as in :meth:`recommend`. None is every user of fit. An unknown user
            has the vector of the average user.
        ratings : array-like or DataFrame of shape (n_ratings, 3), or 2 columns of interactions, default=None
            Instead of `users`: ratings of users, as in :meth:`recommend`. Their vectors follow from them.
        features : table, default=None
            Features of the users of `ratings`, as :meth:`fold_in` takes them.
        rank_by : {"auto", "relevance", "rating"}, default="auto"
            The score of :class:`MFRecommender`, as in :meth:`recommend`.

        Returns
        -------
        vectors : Bunch
            `item_ids`, ndarray of shape (n_items,), and `item_vectors`, of shape (n_items, width), float32:
            the embedding of each item and, in the last place, its bias. `user_ids`, of shape (n_users,), and
            `user_vectors`, of shape (n_users, width), float32: the embedding of each user and a 1.
            `user_offsets`, of shape (n_users,), and `scale`, a float: the score of :meth:`recommend` is
            ``user_offsets + scale * inner_product``. The arrays are copies in C order. The width is
            embedding_dim + 1; a Bayesian recommender has the embeddings of all its draws side by side, whose
            inner product is the mean over the draws, and a width of n_samples * embedding_dim + 1.

        Raises
        ------
        ValueError
            If `rank_by` is not possible, if the model does not have two fields, if both users and ratings
            are given, or if a user is unknown and `handle_unknown="error"`.

        Examples
        --------
        >>> from sklearn_mf import MFRecommender
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"]]
        >>> model = MFRecommender(8, random_state=0).fit(X, [5, 1, 4, 2])
        >>> vectors = model.retrieval_vectors("ann")
        >>> vectors.user_vectors.shape, vectors.item_vectors.shape
        ((1, 9), (3, 9))
        >>> scores = vectors.user_vectors @ vectors.item_vectors.T
        >>> ranked = vectors.item_ids[scores[0].argsort()[::-1]].tolist()
        >>> ranked == model.recommend("ann", exclude_seen=False)["item"].tolist()
        True
        """
        return ranking_vectors(self, admit(self, 0, users), ratings, features, rank_by)

    @available_if(_has_vectors)
    @reads_one_fit
    def to_saved_model(
        self: Exportable, folder: str | os.PathLike[str], n: int = 10, *, rank_by: str = "auto"
    ) -> None:
        """Write a TensorFlow SavedModel, which recommends and predicts without this package.

        It contains the ids, the embeddings and biases, and the items that each user has rated. It is loaded
        by `tf.saved_model.load` and by TensorFlow Serving; :ref:`saved_model` shows requests.

        Parameters
        ----------
        folder : str or path
            Folder to write, new or empty, but not the current folder. It appears when it is complete.
        n : int, default=10
            Length of the lists of the signature `serving_default`; that of `recommend` is an argument.
        rank_by : {"auto", "relevance", "rating"}, default="auto"
            Score that ranks, as in `recommend`.

        Raises
        ------
        ValueError
            If the folder has content, ids are neither text nor integers, n < 1, `rank_by` is not possible,
            or the model does not have two fields.
        ModuleNotFoundError
            If TensorFlow is not installed.

        Notes
        -----
        The signatures are functions of a batch. Ids have the type of fit: text, or int64.

        - `serving_default(users)` and `recommend(users, n)`: "items", "scores" and "ranks", each of shape
          (n_users, n), as `recommend` gives them, without the items that the user has rated. `n` is one
          number, or one for each user. A shorter list ends with rank 0, score 0 and the id "" or -1.
        - `predict(users, items)`: "predictions", of shape (n_pairs,), as `predict` gives them. A
          `BayesianMFRecommender` with `likelihood="ordinal"` has none.
        - `recommend_for_ratings(items, ratings, n)` and `fold_in(items, ratings)`: lists, and embeddings and
          biases, of users who were not in fit, from their rated items and ratings, both of shape (n_users,
          n_rated). Ratings are finite, strengths of interactions at least 0. Unknown items do not count, so
          a row can be filled up with them. With `positive=True` there is no closed form, and so no such
          signatures.

        An unknown id has the fallback of `predict` and `recommend`, or is an error with
        `handle_unknown="error"`.

        Examples
        --------
        >>> import tempfile
        >>> import tensorflow as tf
        >>> from sklearn_mf import ImplicitMFRecommender
        >>> clicks = [["ann", "home"], ["ann", "news"], ["bob", "home"]]
        >>> folder = tempfile.mkdtemp()
        >>> ImplicitMFRecommender(2, random_state=0).fit(clicks).to_saved_model(folder)
        >>> served = tf.saved_model.load(folder)
        >>> served.recommend(["bob"], 1)["items"].numpy()
        array([[b'news']], dtype=object)
        """
        export(self, folder, n, rank_by)

    @reads_one_fit
    def to_onnx(self: Convertible, path: str | os.PathLike[str]) -> None:
        """Write `predict` as a file of ONNX; needs skl2onnx.

        The graph looks up the ids. It has one input for each column of X in fit: int64, double or text, of
        shape (n_samples, 1). An input has the name of its column, in which skl2onnx replaces spaces and signs
        by "_"; where columns had no names, the inputs are x0, x1 and so on. The output
        "prediction", double of shape (n_samples, 1), holds the predictions. An unknown id has the fallback
        that it has in `predict`, and the prediction nan where `handle_unknown="error"`.

        Parameters
        ----------
        path : str or path
            File to write. It is replaced as a whole, so that a program that reads it never finds half of it.

        Raises
        ------
        ValueError
            If ids are of a kind that ONNX cannot look up, such as dates, if a column is named "prediction",
            if the embeddings take more than 2 GB, or if the recommender has `likelihood="ordinal"`.
        ModuleNotFoundError
            If skl2onnx is not installed.

        See Also
        --------
        onnx_converter : Conversion of a pipeline.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import onnxruntime
        >>> from sklearn_mf import MFRecommender
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"]]
        >>> model = MFRecommender(8, random_state=0).fit(X, [5, 1, 4, 2])
        >>> with TemporaryDirectory() as folder:
        ...     model.to_onnx(Path(folder) / "model.onnx")
        ...     session = onnxruntime.InferenceSession(Path(folder) / "model.onnx")
        >>> session.run(None, {"x0": [["bob"]], "x1": [["alien"]]})[0].shape
        (1, 1)
        """
        write_onnx(self, path)

    def onnx_converter(self) -> Callable[..., None]:
        """Get the function by which skl2onnx converts `predict`, alone or as the end of a Pipeline.

        skl2onnx finds it by its name, so there is nothing to register. Of a search, convert the
        `best_estimator_`.

        Returns
        -------
        converter : callable
            Adds the nodes to a graph, given scope, operator and container of skl2onnx.

        See Also
        --------
        to_onnx : The recommender alone as a file.

        Examples
        --------
        >>> import numpy as np
        >>> import skl2onnx
        >>> from sklearn_mf import MFRecommender
        >>> X = np.array([[1, 7], [1, 8], [2, 7], [2, 9]])
        >>> model = MFRecommender(8, random_state=0).fit(X, [5, 1, 4, 2])
        >>> skl2onnx.to_onnx(model, X[:1]).graph.output[0].name
        'variable'
        """
        return add_prediction

    def onnx_shape_calculator(self) -> Callable[..., None]:
        """Get the function by which skl2onnx learns the type of the predictions.

        Returns
        -------
        calculator : callable
            Sets the type of the output of an operator of skl2onnx.

        See Also
        --------
        onnx_converter : The conversion.

        Examples
        --------
        >>> from sklearn_mf import MFRecommender
        >>> callable(MFRecommender().onnx_shape_calculator())
        True
        """
        return set_output_type

    @property
    def _limits(self) -> NDArray[np.float64] | None:
        """Least and greatest prediction, (2,), or None."""
        return self.target_range_ if getattr(self, "clip", False) else None

    def _field_rows(self) -> list[FieldRows]:
        """Rows of each field by which predict predicts."""
        model = model_of(self)
        columns = model.embeddings, model.biases, model.average_embeddings, model.average_biases
        return [
            FieldRows(embeddings[:, None], biases[:, None], average[None], np.array([bias]))
            for embeddings, biases, average, bias in zip(*columns, strict=True)
        ]
