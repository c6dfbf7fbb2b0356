"""The estimators: thin shells over one base and one fit."""
