"""Functions that reorder or cut recommended lists, for diversity or for few items of one group."""

from sklearn_mf.reranking._diversify import diversify
from sklearn_mf.reranking._limit_per_group import limit_per_group

__all__ = ["diversify", "limit_per_group"]
