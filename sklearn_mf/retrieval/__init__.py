"""Exact top-n search, and the tables made of its results."""
