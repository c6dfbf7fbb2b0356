"""Solvers on arrays: the only part that imports TensorFlow."""
