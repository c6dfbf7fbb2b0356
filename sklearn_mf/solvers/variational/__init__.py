"""Variational Bayes: alternating least squares that counts the uncertainty of the rows held fixed."""
