"""The model that is learnt, and its formulas in NumPy."""
