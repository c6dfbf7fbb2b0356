"""Fitted attributes of a recommender with one row for each id, as a model and back."""

from typing import Any

from sklearn_mf.model._factors import Model, fill_unrated
from sklearn_mf.ratings._features import Features
from sklearn_mf.recommenders._features import features_of
from sklearn_mf.retrieval._top_n import norm_bound


def store_model(recommender: Any, state: Model) -> None:
    """Set the fitted attributes of a model as a solver leaves it."""
    model = fill_unrated(state, recommender._id_weights, features_of(recommender))
    recommender.intercept_, recommender.scale_ = model.intercept, model.scale
    recommender.embeddings_, recommender.biases_ = model.embeddings, model.biases
    recommender.average_embeddings_ = model.average_embeddings
    recommender.average_biases_ = model.average_biases
    recommender._epochs, recommender._coefficients = model.epochs, model.coefficients
    recommender._norm_bounds = list(map(norm_bound, model.embeddings))


def model_of(recommender: Any) -> Model:
    """The model of a fitted recommender."""
    return Model(
        recommender.intercept_,
        recommender.scale_,
        recommender.embeddings_,
        recommender.biases_,
        recommender.average_embeddings_,
        recommender.average_biases_,
        recommender._epochs,
        getattr(recommender, "_coefficients", ()),
    )


def refuse_positive(recommender: Any, features: Features) -> None:
    """Refuse non-negative embeddings with features."""
    if features and recommender.positive:
        raise ValueError(
            "positive=True cannot be combined with features, whose effects on an embedding have both signs: "
            "set positive=False or features=None."
        )
