"""A recommender as a SavedModel: its signatures, and the folder."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers.export._content import Content
from sklearn_mf.solvers.export._ids import Ids, variable
from sklearn_mf.solvers.export._newcomers import Newcomers, Rated, merged
from sklearn_mf.solvers.export._tables import Tables

Outputs = dict[str, Tensor]


def save(content: Content, folder: Path, n: int) -> None:
    """Write the SavedModel into a temporary folder beside its place, and then move it there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent)
    unfinished = Path(temporary) / folder.name
    unfinished.mkdir()  # with the usual permissions, which the temporary folder lacks
    try:
        served = Served(content)
        graphs = {
            name: tf.function(function, input_signature=arguments, autograph=False)
            for name, (function, arguments) in served.functions(n, content.predicts).items()
        }
        for name, graph in graphs.items():
            setattr(served, name, graph)
        tf.saved_model.save(served, str(unfinished), signatures=graphs)
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class Served(tf.Module):
    """The tables and functions of a SavedModel. The first axis of each argument is a batch."""

    def __init__(self, content: Content) -> None:
        super().__init__()
        labels = ("users", "items")
        self.ids = [Ids(*each, content.refuses_unknown) for each in zip(content.ids, labels, strict=True)]
        self.n_items = len(content.ids[1])
        self.starts, self.seen = variable(content.seen_starts), variable(content.seen_items)
        self.ranking = Tables(content.ranking)
        self.rating = self.ranking if content.rating is content.ranking else Tables(content.rating)
        self.limits = None if content.limits is None else variable(content.limits)
        self.newcomers = {
            name: Newcomers(posterior, getattr(self, name)) for name, posterior in content.newcomers.items()
        }
        self.strengths = content.strengths

    def functions(self, n: int, predicts: bool) -> dict[str, tuple[Callable[..., Outputs], list[Tensor]]]:
        """Functions and the types of their arguments; `n` is the length of the lists by default."""
        users, items = (ids.spec() for ids in self.ids)
        length = tf.TensorSpec(None, tf.int32, name="n")
        rated = [self.ids[1].spec(2), tf.TensorSpec([None, None], tf.float64, name="ratings")]
        found: dict[str, tuple[Callable[..., Outputs], list[Tensor]]] = {
            "serving_default": (lambda users: self._recommend(users, tf.constant(n)), [users]),
            "recommend": (self._recommend, [users, length]),
        }
        if predicts:
            found["predict"] = self._predict, [users, items]
        if self.newcomers:
            found["fold_in"] = self._fold_in, rated
            found["recommend_for_ratings"] = self._recommend_for_ratings, [*rated, length]
        return found

    def _recommend(self, users: Tensor, n: Tensor) -> Outputs:
        """Lists of users (n_users,)."""
        codes = self.ids[0].codes(users)
        rows = self.ranking.rows(0, codes)

        def best(each: tuple[Tensor, ...], length: Tensor) -> tuple[Tensor, Tensor]:
            """List of one user, given row and code."""
            return self.ranking.best(each[0], each[1], self._seen_by(each[2]), length)

        return self._lists(best, (*rows, codes), n)

    def _seen_by(self, code: Tensor) -> Tensor:
        """Codes of the items that a user has rated; none for code -1."""
        first, last = self.starts[tf.maximum(code, 0)], self.starts[code + 1]
        return tf.cast(self.seen[first : tf.where(code < 0, first, last)], tf.int64)

    def _predict(self, users: Tensor, items: Tensor) -> Outputs:
        """Ratings of pairs of users (n_pairs,) and items (n_pairs,)."""
        alike = tf.size(users) == tf.size(items)
        with tf.control_dependencies([tf.debugging.Assert(alike, ["users and items must be equally many."])]):
            pair = self.ids[0].codes(users), self.ids[1].codes(items)
        return {"predictions": self.rating.predictions(*pair, self.limits)}

    def _fold_in(self, items: Tensor, ratings: Tensor) -> Outputs:
        """Embeddings (n_users, dim) and biases (n_users,) from rated items and ratings (n_users, n_rated)."""
        outputs = {}
        items, ratings = self._checked(items, ratings)
        for name, newcomers in self.newcomers.items():
            prefix = "relevance_" if name == "ranking" and len(self.newcomers) > 1 else ""
            embeddings, biases = self._rows(newcomers, items, ratings)
            outputs[f"{prefix}embeddings"] = tf.reduce_mean(embeddings, axis=1)
            outputs[f"{prefix}biases"] = tf.reduce_mean(biases, axis=1)
        return outputs

    def _rows(self, newcomers: Newcomers, items: Tensor, ratings: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (n_users, n_draws, dim) and biases (n_users, n_draws)."""
        return self._map(lambda each: newcomers.row(self._rated(each)), (items, ratings))

    def _recommend_for_ratings(self, items: Tensor, ratings: Tensor, n: Tensor) -> Outputs:
        """Lists of users who were not in fit, given rated items and ratings (n_users, n_rated)."""

        def best(each: tuple[Tensor, ...], length: Tensor) -> tuple[Tensor, Tensor]:
            """List of one user, given items and ratings."""
            rated = self._rated(each)
            return self.ranking.best(*self.newcomers["ranking"].row(rated), rated.items, length)

        return self._lists(best, self._checked(items, ratings), n)

    def _checked(self, items: Tensor, ratings: Tensor) -> tuple[Tensor, Tensor]:
        """Rated items and ratings, (n_users, n_rated) both, or an error."""
        alike = tf.reduce_all(tf.shape(items) == tf.shape(ratings))
        valid, message = tf.math.is_finite(ratings), "ratings must be finite numbers"
        if self.strengths is not None:
            valid, message = valid & (ratings >= 0), f"{message} of at least 0"
        checks = [
            tf.debugging.Assert(alike, ["items and ratings must have the same shape."]),
            tf.debugging.Assert(tf.reduce_all(valid), [f"{message}."]),
        ]
        with tf.control_dependencies(checks):
            return tf.identity(items), tf.identity(ratings)

    def _rated(self, each: tuple[Tensor, ...]) -> Rated:
        """Merged ratings of one user; those of unknown items are left out."""
        return merged(self.ids[1].codes(each[0]), each[1], self.strengths)

    def _lists(
        self, best: Callable[..., tuple[Tensor, Tensor]], users: tuple[Tensor, ...], n: Tensor
    ) -> Outputs:
        """Items, scores and ranks (n_users, longest n) by a function of one user and the length.

        `n` has one length, or one for each user. Rank 0 marks the end of a shorter list.
        """
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(n >= 1), ["n must be at least 1."])]):
            longest = tf.clip_by_value(tf.reduce_max(n), 1, self.n_items)
        n = tf.broadcast_to(tf.reshape(n, [-1]), tf.shape(users[0])[:1])
        codes, scores = tf.cond(  # no lists could not be stacked, since their length is not known before
            tf.size(n) > 0,
            lambda: self._map(lambda each: best(each, longest), users, (tf.int64, tf.float64)),
            lambda: (tf.zeros([0, longest], tf.int64), tf.zeros([0, longest], tf.float64)),
        )
        places = tf.range(1, longest + 1)
        valid = (codes >= 0) & (places <= n[:, None])
        return {
            "items": self.ids[1].of(tf.where(valid, codes, -1)),
            "scores": tf.where(valid, scores, 0.0),
            "ranks": tf.where(valid, places, 0),
        }

    @staticmethod
    def _map(
        function: Callable[[tuple[Tensor, ...]], tuple[Tensor, Tensor]],
        users: tuple[Tensor, ...],
        types: tuple[Tensor, Tensor] = (tf.float64, tf.float64),
    ) -> tuple[Tensor, Tensor]:
        """Call a function for one user after another, so that memory does not grow with their number."""
        mapped: tuple[Tensor, Tensor] = tf.map_fn(function, users, fn_output_signature=types)
        return mapped
