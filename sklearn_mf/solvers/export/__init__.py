"""Fitted recommenders as TensorFlow SavedModels, which answer requests without this package."""
