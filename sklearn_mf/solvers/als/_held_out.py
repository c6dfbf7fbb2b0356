"""RMSE of held-out ratings, for the solvers that keep a table of rows for each field."""

import tensorflow as tf

from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._tensors import Tensor, tensor
from sklearn_mf.solvers._training import ObjectiveScale
from sklearn_mf.solvers.als._field_tables import FieldTables
from sklearn_mf.solvers.als._grouping import hold_out_by_row
from sklearn_mf.solvers.als._sweep import score_program


class HeldOutScore:
    """Score of tables on held-out ratings, where there are any."""

    def __init__(
        self, held_out: Ratings | None, field_tables: FieldTables, scale: ObjectiveScale, fit_bias: bool
    ) -> None:
        self.scale, self.has_bias, self.ratings = scale, tf.constant(float(fit_bias)), None
        if held_out is not None:
            by_row = hold_out_by_row(held_out, field_tables.rows, field_tables.start)
            self.ratings = tf.nest.map_structure(tensor, by_row)

    def rmse(self, tables: list[Tensor]) -> float | None:
        """RMSE in units of the ratings, from the table (n_rows, width) of each field; None without any."""
        if self.ratings is None:
            return None
        return self.scale.rmse(float(score_program(len(tables))(tables, self.ratings, self.has_bias)))
