"""Solvers on arrays: the only room that imports TensorFlow."""
