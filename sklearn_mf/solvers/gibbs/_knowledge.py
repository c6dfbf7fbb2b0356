"""Data that all chains of a fit share beside the ratings of the fields."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.model._side_information import SideInformation
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._training import GibbsOptions
from sklearn_mf.solvers.als._field_tables import FieldTables
from sklearn_mf.solvers.gibbs._ordinal import OrderedRatings, OrdinalLikelihood
from sklearn_mf.solvers.gibbs._regression import RowFeatures, row_features


@dataclass(frozen=True)
class Knowledge:
    """Features of the ids, and the levels of ordered ratings.

    Parameters
    ----------
    side : SideInformation
        Features of all ids.
    features : list of RowFeatures or None
        Features of the rows of each field.
    ordered : OrderedRatings or None
        Levels of the ratings, where these are ordered categories.
    weights : list of ndarray of shape (n_rows[f],), float64
        Summed weights of the ratings of the rows of each field.
    """

    side: SideInformation
    features: list[RowFeatures | None]
    ordered: OrderedRatings | None
    weights: list[NDArray[np.float64]]

    @classmethod
    def of(cls, ratings: Ratings, field_tables: FieldTables, options: GibbsOptions) -> Self:
        """Find the features and levels of a fit."""
        ordered = OrderedRatings(ratings, field_tables) if options.likelihood == "ordinal" else None
        side = SideInformation.of(ratings, options.features, options.implicit_features)
        weights = [ratings.id_weights(field)[ids] for field, ids in enumerate(field_tables.ids)]
        return cls(side, row_features(side, field_tables.ids), ordered, weights)

    def first_precisions(self, last: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
        """Precisions of coefficients with which a chain begins: the last, or the means of their priors."""
        if last:
            return list(last)
        return [np.empty(0) if each is None else each.first_precisions for each in self.features]

    def likelihood(
        self, field_tables: FieldTables, thresholds: NDArray[np.float64] | None
    ) -> OrdinalLikelihood | None:
        """Likelihood of ordered ratings in a chain; None where the ratings are normal."""
        return None if self.ordered is None else OrdinalLikelihood(self.ordered, field_tables, thresholds)
