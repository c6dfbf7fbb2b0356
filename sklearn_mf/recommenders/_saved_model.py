"""Export of a fitted recommender as a TensorFlow SavedModel: its attributes as the content of one."""

import importlib
import os
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.model._fold_in import LEAST, RowPrior
from sklearn_mf.model._pattern import Pattern
from sklearn_mf.model._posterior import Posterior
from sklearn_mf.ratings._columns import short_repr
from sklearn_mf.recommenders._catalog import Catalog, Fitted, catalog_for_table
from sklearn_mf.recommenders._chain_state import posterior_of
from sklearn_mf.recommenders._onnx_graph import Convertible
from sklearn_mf.recommenders._point_model import model_of
from sklearn_mf.solvers._start import start_tensorflow
from sklearn_mf.solvers.export._content import Content, Factors, RowPosterior, Strengths

_INT64 = np.iinfo(np.int64)


class Exportable(Fitted, Convertible, Protocol):
    """A fitted recommender that can be exported."""


class _Ridge(Protocol):
    """A fitted recommender whose newcomers are solutions of ridge regressions."""

    fit_bias: bool
    positive: bool

    @property
    def _prior(self) -> RowPrior: ...


class _OfInteractions(Protocol):
    """A fitted recommender of interactions."""

    confidence: str | None
    _mean_strength: float
    _mean_confidence: float


def export(recommender: Exportable, folder: str | os.PathLike[str], n: int, rank_by: str) -> None:
    """Write a SavedModel into a folder that does not exist or is empty."""
    catalog, path = catalog_for_table(recommender, "to_saved_model", n), Path(folder).resolve()
    if path.exists() and (not path.is_dir() or any(path.iterdir()) or path == Path.cwd()):
        raise ValueError(
            "to_saved_model needs a new or empty folder other than the current one, but "
            f"{os.fspath(folder)!r} is not: pass another."
        )
    content = content_of(recommender, catalog, rank_by)
    start_tensorflow("to_saved_model")
    importlib.import_module("sklearn_mf.solvers.export._saved_model").save(
        content, path, min(int(n), catalog.n_items)
    )


def content_of(recommender: Exportable, catalog: Catalog, rank_by: str) -> Content:
    """The arrays of an export; ranking by relevance or ratings as `recommend` has it."""
    ranker = recommender._ranked_by(rank_by)
    rating = _factors(recommender)
    ranking = rating if ranker is recommender else _factors(ranker)
    rows = {"ranking": _row_posterior(ranker)}
    if ranker is not recommender:
        rows["rating"] = _row_posterior(recommender)
    seen, fields = catalog.seen, zip(catalog.vocabularies, catalog.names, strict=True)
    return Content(
        [_plain_ids(vocabulary.ids, name) for vocabulary, name in fields],
        recommender.handle_unknown == "error",
        ranking,
        rating,
        recommender._limits,
        getattr(recommender, "likelihood", "normal") == "normal",
        seen.starts.astype(np.int64),
        seen.items.astype(np.int32),
        {name: row for name, row in rows.items() if row is not None},
        _strengths(recommender),
    )


def _plain_ids(ids: NDArray[np.generic], name: object) -> NDArray[np.generic]:
    """Ids as a graph holds them, whole numbers as int64 and text in UTF-8, (n_ids,) -> (n_ids,)."""
    is_whole = pd.api.types.infer_dtype(ids, skipna=False) == "integer"
    if is_whole and _INT64.min <= ids[0] and ids[-1] <= _INT64.max:  # sorted
        return ids.astype(np.int64)
    strange = [each for each in ids.tolist() if not isinstance(each, str)]
    if strange:
        raise ValueError(
            f"to_saved_model needs ids that are text or integers of 64 bits, but column {name!r} has "
            f"{short_repr(strange[-1])}: convert the column to text and fit again."
        )
    return np.array([each.encode() for each in ids.tolist()], dtype=object)


def _factors(recommender: Exportable) -> Factors:
    """Rows of a recommender: its draws, or its model as a single draw."""
    fields = recommender._field_rows()
    return Factors(
        float(recommender.intercept_),
        float(recommender.scale_),
        [rows.embeddings for rows in fields],
        [rows.biases for rows in fields],
        [np.column_stack([rows.unknown_embedding, rows.unknown_bias]) for rows in fields],
        recommender.biases_[1],
    )


def _row_posterior(recommender: Fitted) -> RowPosterior | None:
    """Formula of the rows of newcomers; None where embeddings must not be negative."""
    if hasattr(recommender, "_embedding_draws"):
        return _of_draws(posterior_of(recommender))
    ridge = cast(_Ridge, recommender)
    return None if ridge.positive else _of_prior(ridge._prior, model_of(recommender), ridge.fit_bias)


def _of_prior(prior: RowPrior, model: Model, fit_bias: bool) -> RowPosterior:
    """Formula of :func:`sklearn_mf.model._fold_in.ridge_rows`, in one draw."""
    average = np.append(model.average_embeddings[0], model.average_biases[0])
    width, unit = len(average), prior.mean_weight
    loadings, centre, least_rated = _pattern(prior.pattern, len(model.biases[1]))
    precision = np.diag(np.broadcast_to(prior.charge(0.0), width)) + unit * prior.precision
    pulled = np.broadcast_to(unit * (prior.ridge * prior.mean + prior.shift), width)
    effects = np.diag(np.broadcast_to(unit * prior.ridge, width))[: len(centre)]
    return RowPosterior(
        fit_bias,
        float(prior.l2),
        LEAST,
        precision[None],
        pulled[None],
        loadings,
        centre,
        least_rated,
        effects[None].astype(np.float64),
        None,
        prior.item_variances,
        average[None],
    )


def _of_draws(draws: Posterior) -> RowPosterior:
    """Formula of :func:`sklearn_mf.model._fold_in.posterior_rows`."""
    precision, mean = draws.prior_precisions[:, 0], draws.prior_means[:, 0]
    loadings, centre, least_rated = _pattern(draws.pattern, len(draws.biases[1]))
    noise = draws.noise_factors[1].astype(np.float64) ** -2 * draws.noise_precisions
    return RowPosterior(
        True,
        0.0,
        0.0,
        precision,
        (precision @ mean[..., None])[..., 0],
        loadings,
        centre,
        least_rated,
        draws.pattern_coefficients(0)[:, : len(centre)] @ precision,
        noise,
        None,
        mean,
    )


def _pattern(pattern: Pattern | None, n_items: int) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Loadings (n_items, n_features), centre (n_features,) and least number of ratings, for users."""
    if pattern is None:
        return np.empty((n_items, 0)), np.empty(0), 1.0
    return pattern.loadings[1], pattern.centres[0], float(pattern.least[0])


def _strengths(recommender: object) -> Strengths | None:
    """Weights of the interactions of newcomers; None for ratings."""
    if not hasattr(recommender, "confidence"):
        return None
    fitted = cast(_OfInteractions, recommender)
    return Strengths(fitted.confidence, fitted._mean_strength, fitted._mean_confidence)
