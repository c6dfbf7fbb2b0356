"""Features of the ids of the fields, as the solvers take them."""

from scipy.sparse import csr_array

#: For each field the features of its ids, (n_ids[f], n_features[f]) float64, or None; empty without any.
#: The first feature is 1 for each id of the table. The row of an id that is not in the table is empty.
Features = tuple[csr_array | None, ...]
