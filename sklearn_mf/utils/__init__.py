"""Helpers that know nothing of ratings: pipelines, warnings, threads."""
