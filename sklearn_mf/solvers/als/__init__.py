"""Alternating minimisation, one field at a time."""
