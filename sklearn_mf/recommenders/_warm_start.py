"""Whether a warm start fits the last fit."""

from typing import Any

from sklearn_mf.ratings._validation import TrainingInput


def check_continues(previous: Any, current: Any, observed: TrainingInput) -> None:
    """Refuse a warm start from another model.

    Parameters
    ----------
    previous : estimator
        As the last fit left it.
    current : estimator
        With the parameters and columns of this fit.
    observed : Observed
        Input of this fit.
    """
    advice = "set warm_start=False to start anew."
    if previous._fitted_dim != current.embedding_dim:
        raise ValueError(
            f"A warm start cannot change embedding_dim from {previous._fitted_dim} to "
            f"{current.embedding_dim}: {advice}"
        )
    has_bias = previous.intercept_ != 0 or any(bias.any() for bias in previous.biases_)
    if has_bias and not getattr(current, "fit_bias", True):
        raise ValueError(f"A warm start cannot leave out the biases that the last fit learnt: {advice}")
    old, new = (
        list(getattr(fit, "feature_names_in_", range(fit.n_features_in_))) for fit in (previous, current)
    )
    if old != new:
        raise ValueError(f"A warm start cannot change the columns from {old} to {new}: {advice}")
    for name, known, column in zip(new, previous.categories_, observed.ids, strict=True):
        ids = column.ids
        numbers = {known.dtype.kind, ids.dtype.kind} <= set("biuf")
        if known.dtype != ids.dtype and (known.dtype.kind in "mM" or not numbers):
            raise ValueError(
                f"A warm start cannot change the type of the ids in column {name!r} from {known.dtype} "
                f"to {ids.dtype}: convert them, or {advice}"
            )
