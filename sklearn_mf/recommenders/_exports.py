"""Ways out of Python: the methods of all recommenders that export a fitted model."""


class ExportMixin:
    """Mixin of the base of all recommenders: a fitted recommender in other formats."""
