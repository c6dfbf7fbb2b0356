"""Random numbers of pairs that depend on a seed and on both ids alone, without a table of them."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def keys_of(ids: NDArray[np.generic], seed: int) -> NDArray[np.uint64]:
    """Hashes of ids as they are spelled, and of a seed, (n,) -> (n,)."""
    spelled = np.fromiter(map(str, ids.tolist()), dtype=object, count=len(ids))
    hashes = pd.util.hash_array(spelled, categorize=False)
    return hashes ^ np.random.default_rng(seed).integers(2**64, dtype=np.uint64)


def random_scores(users: NDArray[np.uint64], items: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Uniform numbers from 0 to 1 from keys that broadcast, by the mixing steps of SplitMix64."""
    bits = users + items
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
