"""The same algorithm in plain NumPy float64, any number of fields: what the core is held against."""

import numpy as np


class Reference:
    """Embeddings [v; b] of each field in `tables`; J, its gradient and one epoch of capped proximal SGD.

    The penalty is on the distances of the rows from `means`.
    """

    def __init__(self, codes, z, weights, tables, l1, l2, has_bias=True, prior_ratings=0.0):
        self.codes, self.z, self.w = codes, z, weights / weights.mean()
        self.tables = [table.astype(np.float64) for table in tables]
        self.means = [np.zeros_like(table) for table in self.tables]
        self.l1, self.l2, self.has_bias = l1, l2, has_bias
        own = [np.bincount(ids, self.w, len(table)) for ids, table in zip(codes.T, self.tables, strict=True)]
        with np.errstate(divide="ignore", invalid="ignore"):  # ids without ratings
            self.charges = [(weights + prior_ratings) / weights for weights in own]

    def errors_and_partners(self, rows):
        picked = [table[self.codes[rows, f]] for f, table in enumerate(self.tables)]
        total = sum(picked)
        partners = [total - row for row in picked]
        for partner in partners:
            partner[:, -1] = float(self.has_bias)
        pairs = 0.5 * sum((row[:, :-1] * p[:, :-1]).sum(1) for row, p in zip(picked, partners, strict=True))
        return pairs + self.has_bias * total[:, -1] - self.z[rows], partners, picked

    def objective(self):
        everything = np.arange(len(self.z))
        errors, _, picked = self.errors_and_partners(everything)
        penalty = sum(
            charge[ids]
            * (self.l1 * np.abs(row - mean[ids]).sum(1) + self.l2 / 2 * ((row - mean[ids]) ** 2).sum(1))
            for row, mean, ids, charge in zip(picked, self.means, self.codes.T, self.charges, strict=True)
        )
        return (self.w * (errors**2 / 2 + penalty)).mean()

    def gradient(self, rows, l2):
        errors, partners, picked = self.errors_and_partners(rows)
        gradients = [np.zeros_like(table) for table in self.tables]
        curvatures = [np.zeros(len(table)) for table in self.tables]
        seen = [np.zeros(len(table)) for table in self.tables]
        for f, (partner, row) in enumerate(zip(partners, picked, strict=True)):
            ids, w = self.codes[rows, f], self.w[rows]
            charge = self.charges[f][ids]
            ridge = l2 * charge * w
            np.add.at(
                gradients[f],
                ids,
                (w * errors)[:, None] * partner + ridge[:, None] * (row - self.means[f][ids]),
            )
            np.add.at(curvatures[f], ids, w * (partner**2).sum(1) + ridge)
            np.add.at(seen[f], ids, w * charge)
        return gradients, curvatures, seen

    def epoch(self, batches, rate, ridge=0.0):
        l1, l2 = self.l1 * (1 - ridge), self.l2 + self.l1 * ridge
        for rows in batches:
            parts = self.gradient(rows, l2)
            for table, mean, gradient, curvature, seen in zip(self.tables, self.means, *parts, strict=True):
                step = rate / np.maximum(1.0, rate * len(self.tables) * curvature)[:, None]
                table -= step * gradient
                distance = table - mean
                shrunk = np.sign(distance) * np.maximum(np.abs(distance) - l1 * step * seen[:, None], 0.0)
                table[:] = np.where(seen[:, None] > 0, mean + shrunk, table)

    def sweep(self, dampings, l1, l2, positive=False, n_passes=300):
        """One field after the other, the last first; each id by coordinate descent."""
        everything = np.arange(len(self.z))
        for f in reversed(range(len(self.tables))):
            errors, partners, picked = self.errors_and_partners(everything)
            targets = (partners[f] * picked[f]).sum(1) - errors
            for i in np.unique(self.codes[:, f]):
                rows, t = self.codes[:, f] == i, self.tables[f][i]
                X, w, damping = partners[f][rows], self.w[rows], dampings[f][i]
                G = X.T @ (w[:, None] * X) + (l2 * w.sum() + damping) * np.eye(len(t))
                r = X.T @ (w * targets[rows]) + damping * t
                if l1 or positive:
                    self.descend(t, G, r, l1 * w.sum(), positive, n_passes)
                else:
                    t[:] = np.linalg.solve(G, r)

    @staticmethod
    def descend(t, G, r, l1, positive, n_passes):
        for _ in range(n_passes):
            before = t.copy()
            for k in range(len(t)):
                free = r[k] - G[k] @ t + G[k, k] * t[k]
                t[k] = np.sign(free) * max(abs(free) - l1, 0.0) / (G[k, k] or 1.0)
                if positive and k < len(t) - 1:
                    t[k] = max(t[k], 0.0)
            if np.abs(t - before).max() < 1e-7:
                break
