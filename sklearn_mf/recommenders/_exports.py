"""Ways out of Python: the methods of all recommenders that export a fitted model."""

import os

from sklearn_mf.recommenders._fitting import reads_one_fit
from sklearn_mf.recommenders._saved_model import Exportable, export


class ExportMixin:
    """Mixin of the base of all recommenders: a fitted recommender in other formats."""

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
            Folder to write, new or empty. It appears when it is complete.
        n : int, default=10
            Length of the lists of the signature `serving_default`; that of `recommend` is an argument.
        rank_by : {"auto", "relevance", "rating"}, default="auto"
            Score that ranks, as in `recommend`.

        Raises
        ------
        ValueError
            Where the folder has content, ids are neither text nor integers, n < 1, `rank_by` is not possible,
            or the model has not two fields.
        ModuleNotFoundError
            Where TensorFlow is not installed.

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
          n_rated). Unknown items do not count, so a row can be filled up with them. With `positive=True`
          there is no closed form, and so no such signatures.

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
        >>> tf.saved_model.load(folder).recommend(["bob"], 1)["items"].numpy()
        array([[b'news']], dtype=object)
        """
        export(self, folder, n, rank_by)
