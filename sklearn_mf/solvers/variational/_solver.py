"""Two phases of variational Bayes: rows for lists, then rows for ratings, with these as prior means."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sklearn_mf.model._factors import Model
from sklearn_mf.model._pattern import Pattern
from sklearn_mf.model._side_information import SideInformation, joined_features
from sklearn_mf.model._uncertain import TwoPhaseModel, UncertainModel
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._regression_prior import (
    CHARGE_IN_IDS,
    CHARGE_IN_RATINGS,
    coefficients_of,
    regressed,
    regression_priors,
)
from sklearn_mf.solvers._training import ObjectiveScale, Solver, VariationalOptions
from sklearn_mf.solvers.als._held_out import HeldOutScore
from sklearn_mf.solvers.variational._relevance import RelevancePhase
from sklearn_mf.solvers.variational._rows import FieldPrior
from sklearn_mf.solvers.variational._tables import UncertainTables

Floats = NDArray[np.float64]

# Sweeps of the first phase with variances, whose rows are the prior means of the items, and further ones
# without, whose rows rank.
N_UNCERTAIN, N_CERTAIN = 8, 3
# Sweeps of the second phase that learn the prior precisions: mean-field estimates drift when learnt for long.
_LEARNING = 3
# First noise, first precision of an item's embedding around its prior mean, and of a bias.
_NOISE, _ITEM_PRECISION, _BIAS_PRECISION = 0.6, 25.0, 5.0
# Most share of the variance of the ratings that the embeddings explain a priori.
_MOST_EXPLAINED = 0.1
# Scale of features of mean square 1 from the pattern of rated cells: the smaller, the more their effects are
# penalised.
_PATTERN_SCALE = 0.1
# Variances of float32 become 0 where ratings are some 1e40 times as large as those of the last fit.
_TINY = float(np.finfo(np.float32).tiny)
# Gamma prior of a precision: observations and their sum of squares.
_GAMMA = 2.0, 0.1


class Variational(Solver[TwoPhaseModel]):
    """One run of both phases over two fields; `run_epoch` is a sweep of the second."""

    unit, measure = "sweep", "variational objective"

    def __init__(
        self, ratings: Ratings, held_out: Ratings | None, start: Model, options: VariationalOptions
    ) -> None:
        self.options, self.start, self.n_sweeps = options, start, options.n_sweeps
        self.remedy = "the ratings, unobserved_value or the sample weights are out of proportion"
        self.tables = UncertainTables(ratings, start)
        self.objective_scale = ObjectiveScale.of(ratings, held_out, start.scale)
        self.held_out = HeldOutScore(held_out, self.tables.field_tables, self.objective_scale, fit_bias=True)
        self.relevance, self.relevance_curve = options.relevance, list(options.relevance_curve)
        self.side = SideInformation.of(ratings, options.features, options.implicit_features)

    def begin(self) -> None:
        """Run the first phase, unless a warm start has its rows."""
        fresh = None if self.relevance is not None else self._learn_relevance(self.options.report)
        self.ratings_start = self._begin(fresh)

    def _learn_relevance(self, report: Callable[[int, float], None] | None) -> UncertainModel:
        """Run the first phase: rows that rank, and the start of the second phase."""
        phase, self.relevance_curve = RelevancePhase(self.tables, self.options, self.start), []

        def sweep(**noise: float) -> None:
            """Sweep once and report it."""
            self.relevance_curve.append(phase.sweep(**noise) + self.objective_scale.constant_loss)
            if report is not None:
                report(len(self.relevance_curve), self.relevance_curve[-1])

        for _ in range(N_UNCERTAIN):
            sweep()
        anchors = self._from_first_phase()
        for _ in range(N_CERTAIN):
            sweep(noise=0.0)
        relevance = self.tables.model(self.start, N_UNCERTAIN + N_CERTAIN)
        self.relevance = replace(relevance, coefficients=coefficients_of(phase.priors))
        return anchors

    def _from_first_phase(self) -> UncertainModel:
        """Start of the second phase: items at their prior means, priors by the rows of the first phase."""
        model = self.tables.model(self.start, 0)
        blank = [
            np.zeros((n, rows.means.shape[1]), np.float32)
            for n, rows in zip((len(b) for b in model.biases), self.tables.rows, strict=True)
        ]
        means, variances = self._rows(0)
        of_users = _precision(means, variances)
        items = np.asarray(self.tables.rows[1].means, dtype=np.float64)[:, :-1]
        weights = np.asarray(self.tables.row_weights(1), dtype=np.float64)
        explained = float(weights @ (items**2).sum(axis=1)) / weights.sum()
        of_users[:-1] = np.maximum(of_users[:-1], explained / _MOST_EXPLAINED)
        precisions = np.stack([of_users, np.full_like(of_users, _ITEM_PRECISION)])
        precisions[:, -1] = _BIAS_PRECISION
        zero = replace(
            model,
            embeddings=[np.zeros_like(model.embeddings[0]), model.embeddings[1]],
            biases=list(map(np.zeros_like, model.biases)),
        )
        return UncertainModel(
            zero,
            self.tables.variances(blank),
            _NOISE,
            precisions,
            np.zeros(len(of_users)),
            model.embeddings[1],
        )

    def _begin(self, fresh: UncertainModel | None) -> UncertainModel:
        """Rows, variances and priors that the second phase starts from."""
        begin = self.options.ratings if self.options.ratings is not None else fresh
        assert begin is not None
        if self.options.ratings is not None and fresh is not None:
            begin = self._continued(self.options.ratings, fresh)
        has_other_ratings = self.options.ratings is None or fresh is not None
        self._take(replace(begin, coefficients=()) if has_other_ratings else begin)
        if self.options.ratings is not None and has_other_ratings:
            self._regress_rows()
        return begin

    def _take(self, rows: UncertainModel) -> None:
        """Take rows, variances and priors."""
        self.tables.set_rows(rows.model, rows.variances)
        self.noise, self.precisions = rows.noise, rows.precisions.copy()
        self.user_mean = rows.user_mean.copy()
        self.item_means = rows.item_means[self.tables.ids[1]].astype(np.float64)
        equal_weights = list(map(np.ones, self.tables.sizes))
        first = replace(rows.model, coefficients=rows.coefficients)
        features = joined_features(self.side, _PATTERN_SCALE)
        self.priors = regression_priors(features, self.tables.ids, equal_weights, first, CHARGE_IN_IDS)

    def _regress_rows(self) -> None:
        """Learn the coefficients of the features from the rows of the last fit."""
        for field, prior in enumerate(self.priors):
            if prior is not None:
                prior.learn(self._rows(field)[0] - self._common_means(field))

    def _continued(self, before: UncertainModel, fresh: UncertainModel) -> UncertainModel:
        """The last fit with new prior means of the items; ids that are new start fresh."""
        is_new = [epochs == 0 for epochs in before.model.epochs]
        embeddings, biases, variances = (
            [
                np.where(new[:, None] if old.ndim == 2 else new, first, old)
                for new, old, first in zip(is_new, olds, firsts, strict=True)
            ]
            for olds, firsts in (
                (before.model.embeddings, fresh.model.embeddings),
                (before.model.biases, fresh.model.biases),
                (before.variances, fresh.variances),
            )
        )
        model = replace(before.model, embeddings=embeddings, biases=biases)
        return replace(before, model=model, variances=variances, item_means=fresh.item_means)

    def run_epoch(self, number: int) -> tuple[float, float | None]:
        """Sweep over users, then items; the variational objective, and the held-out RMSE if any."""
        learns = self.n_sweeps < _LEARNING
        squares = [self._solve(field, learns) for field in (0, 1)][-1]
        self.noise = squares / self.tables.n_ratings + 2 * self.objective_scale.constant_loss
        self.n_sweeps += 1
        return self._objective(), self.held_out.rmse([rows.means for rows in self.tables.rows])

    def _shape(self, field: int) -> tuple[int, int]:
        return self.tables.sizes[field], len(self.user_mean)

    def _common_means(self, field: int) -> Floats:
        """Prior means of the rows of a field without the part of their features, (n_rows, width)."""
        if field == 0:
            return np.broadcast_to(self.user_mean, self._shape(0))
        return np.column_stack([self.item_means, np.zeros(len(self.item_means))])

    def _prior_means(self, field: int) -> Floats:
        means, prior = self._common_means(field), self.priors[field]
        return means if prior is None else means + prior.means

    def _solve(self, field: int, learns: bool) -> float:
        """Rows of a field, then its prior; the weighted expected squared errors."""
        penalty, prior_means = self.noise * self.precisions[field], self._prior_means(field)
        prior = FieldPrior(
            tf.zeros(self._shape(field)[:1]),
            tf.constant(np.diag(penalty), tf.float32),
            tf.constant(penalty * prior_means, tf.float32),
            tf.zeros(len(penalty)),
        )
        squares = self.tables.solve(f"sweep {self.n_sweeps + 1}", field, prior, self.noise)
        self._learn_means(field)
        if learns:
            distances, variances = self._distances(field)
            self.precisions[field] = _precision(distances, variances)
        return squares

    def _learn_means(self, field: int) -> None:
        """Prior mean of the users, and coefficients of the features, of the present rows of a field."""
        means, prior = self._rows(field)[0], self.priors[field]
        if field == 0:
            of_features = 0.0 if prior is None else prior.means
            self.user_mean = (means - of_features).mean(axis=0)
            self.user_mean[-1] = 0.0
        if prior is not None:
            prior.learn(means - self._common_means(field))

    def _distances(self, field: int) -> tuple[Floats, Floats]:
        """Distances of rows from their prior means, and variances, (n, width) each.

        The penalty of the coefficients of the features is that of further distances without variance.
        """
        means, variances = self._rows(field)
        distances, prior = means - self._prior_means(field), self.priors[field]
        if prior is None:
            return distances, variances
        further = np.sqrt(prior.charge) * prior.coefficients
        return np.concatenate([distances, further]), np.concatenate([variances, np.zeros_like(further)])

    def _objective(self) -> float:
        """Negated lower bound of the log evidence, a rating, without constants."""
        total = 0.5 * self.tables.n_ratings * (1 + np.log(self.noise))
        for field, precision in enumerate(self.precisions):
            distances, variances = self._distances(field)
            squares = (distances**2 + variances).sum(axis=0) + _GAMMA[1]
            total += 0.5 * float(precision @ squares - (len(distances) + _GAMMA[0]) * np.log(precision).sum())
            total -= 0.5 * float(np.log(np.maximum(self._rows(field)[1], _TINY)).sum())
        return total / self.tables.n_ratings

    def _rows(self, field: int) -> tuple[Floats, Floats]:
        """Means and variances of a field, float64, (n_rows, width) each."""
        means, variances = (np.asarray(part, dtype=np.float64) for part in self.tables.rows[field])
        return means, variances

    def checkpoint(self) -> tuple[UncertainModel, TwoPhaseModel]:
        """The start of the second phase, and its present state."""
        return self.ratings_start, self.snapshot()

    def resume(self, checkpoint: tuple[UncertainModel, TwoPhaseModel]) -> None:
        """Continue the second phase after the sweeps of a checkpoint."""
        self.ratings_start, last = checkpoint
        self.relevance, self.relevance_curve = last.relevance, list(last.relevance_curve)
        self.n_sweeps = last.n_sweeps
        self._take(last.ratings)

    def snapshot(self) -> TwoPhaseModel:
        """Copy of the present rows of both phases, outside TensorFlow."""
        begin, n_new = self.ratings_start, self.n_sweeps - self.options.n_sweeps
        ratings = replace(
            begin,
            model=replace(
                self.tables.model(begin.model, n_new),
                coefficients=self._coefficients_of_rows(),
                apart=self._average_of_pattern(),
            ),
            coefficients=coefficients_of(self.priors),
            pattern=self._pattern(),
            variances=self.tables.variances(begin.variances),
            noise=self.noise,
            precisions=self.precisions.copy(),
            user_mean=self.user_mean.copy(),
        )
        assert self.relevance is not None
        return TwoPhaseModel(ratings, self.relevance, self.relevance_curve, self.n_sweeps)

    def _pattern(self) -> Pattern | None:
        """Contribution of the pattern of rated cells to the prior means of users, as its features."""
        if self.side.pattern is None:
            return None
        return self.side.pattern.effects_on_users(_PATTERN_SCALE * self._of_pattern(0)[1])

    def _average_of_pattern(self) -> Floats | float:
        """Contribution of the pattern to the average row of each field, (2, width)."""
        if self.side.pattern is None:
            return 0.0
        weights = [self.tables.row_weights(field).numpy() for field in (0, 1)]
        parts = zip(weights, map(self._of_pattern, (0, 1)), strict=True)
        return np.array([(w / w.sum()) @ features @ coefficients for w, (features, coefficients) in parts])

    def _of_pattern(self, field: int) -> tuple[csr_array, Floats]:
        """Features from the pattern, (n_rows, n_components), and coefficients, (n_components, width)."""
        prior, n = self.priors[field], self.side.n_table_features(field)
        assert prior is not None
        return prior.features[:, n:], prior.coefficients[n:]

    def _coefficients_of_rows(self) -> tuple[Floats | None, ...]:
        """Coefficients of the rating rows of ids without ratings.

        Those of users are of their prior means. The prior means of items are no function of the features, so
        that the rows of items are regressed, each with the weight of its ratings.
        """
        n_features, (of_users, of_items) = self.side.n_table_features, self.priors
        users = items = None
        if of_users is not None and n_features(0):
            users = of_users.coefficients[: n_features(0)].copy()
            users[0] += self.user_mean  # the first feature is 1
        if of_items is not None and n_features(1):
            weights = self.tables.row_weights(1).numpy().astype(np.float64)
            table = of_items.features[:, : n_features(1)]
            items = regressed(table, self._rows(1)[0], weights, CHARGE_IN_RATINGS)
        return () if users is None and items is None else (users, items)

    def close(self) -> None:
        """Do nothing: there are no threads of its own."""


def _precision(rows: Floats, variances: Floats) -> Floats:
    """Precision of each coordinate around 0, with a weak Gamma prior, (n, width) twice -> (width,)."""
    precision: Floats = (len(rows) + _GAMMA[0]) / ((rows**2 + variances).sum(axis=0) + _GAMMA[1])
    return precision
