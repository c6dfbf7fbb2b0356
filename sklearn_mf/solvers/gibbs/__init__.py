"""Gibbs sampling, one field at a time."""
