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
        """Write a TensorFlow SavedModel that recommends and predicts without this package."""
        export(self, folder, n, rank_by)
