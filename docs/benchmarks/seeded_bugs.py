"""Seed plausible bugs one at a time, and print the first test that catches each.

``python docs/benchmarks/seeded_bugs.py [--tree FOLDER] [--only NUMBER ...] [--out FILE] [--beside FILE]``

Each bug is a replacement of text in a temporary copy of the tree, so the checkout itself is never changed.
The tests nearest to the bug run first, then those of its room, then all others; the run stops at the first
failure. A failure counts only where the same test passes without the bug. ``--tree`` takes another checkout,
an older one too: a bug lists a text for each version of the code, and the script says where none of them is
found. ``--out`` stores a table, and ``--beside`` prints a stored table next to the new results.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
CAUGHT = re.compile(r"^(?:FAILED|ERROR) (.*?)(?: - .*)?$", re.MULTILINE)
SECONDS = 1800
NOT_FOUND, NOT_CAUGHT, FAILS_ANYWAY = FAILURES = ("TEXT NOT FOUND", "NOT CAUGHT", "FAILS WITHOUT THE BUG TOO")
LEFT_OUT = (".*", "__pycache__", "build", "dist", "_build", "auto_examples", "generated", "*.egg-info")


@dataclass(frozen=True)
class Bug:
    """A bug and the tests to try first.

    Parameters
    ----------
    room : str
        Where it is seeded.
    what : str
        The mistake, in words.
    edits : tuple of (str, str)
        Text and its replacement, one pair for each version of the code. The text stands once in the package.
    tests : tuple of str
        Test files nearest to the bug, in any version of the tree; those that do not exist are left out.
    """

    room: str
    what: str
    edits: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]


# Where the tests of a room lie: the folder of today, and the files of the flat layout before it.
ROOMS = {
    "ratings": (
        "tests/ratings",
        "tests/test_ratings.py",
        "tests/test_vocabulary.py",
        "tests/test_ways_in.py",
    ),
    "model": ("tests/model", "tests/test_model.py", "tests/test_fold_in.py", "tests/test_diagnostics.py"),
    "retrieval": ("tests/retrieval", "tests/test_retrieval.py", "tests/test_tables.py"),
    "solvers": ("tests/solvers", "tests/core"),
    "recommenders": (
        "tests/recommenders",
        "tests/test_recommender.py",
        "tests/test_bayesian.py",
        "tests/test_fitted_object.py",
        "tests/test_embedding.py",
        "tests/test_sklearn_use.py",
        "tests/test_sklearn_checks.py",
    ),
    "metrics": ("tests/metrics",),
    "model_selection": ("tests/model_selection",),
    "inspection": ("tests/inspection",),
    "datasets": ("tests/datasets",),
    "utils": ("tests/utils", "tests/metrics", "tests/inspection"),
}

BUGS = (
    Bug(
        "ratings",
        "repeated cells are not merged",
        (
            ("ratings = _merge_cells(ratings) if repeated else ratings\n", "ratings = ratings\n"),
            ("ratings = _averaged_cells(ratings) if repeated else ratings\n", "ratings = ratings\n"),
            ("    repeated = _in_repeated(same)\n    cells", "    return ratings\n    cells"),
        ),
        ("tests/ratings/test_ratings.py", "tests/test_ratings.py"),
    ),
    Bug(
        "ratings",
        "an id may lose all its ratings to the held-out part",
        (
            (
                "np.bincount(codes[~out], minlength=n_ids)[codes] > 0",
                "np.bincount(codes[~out], minlength=n_ids)[codes] >= 0",
            ),
        ),
        ("tests/ratings/test_ratings.py", "tests/test_ratings.py"),
    ),
    Bug(
        "ratings",
        "an unknown id gets the code of its neighbour in sorted order",
        (("return np.where(self.ids[places] == values, places, -1)", "return places"),),
        ("tests/ratings/test_vocabulary.py", "tests/test_vocabulary.py"),
    ),
    Bug(
        "model",
        "of three fields only neighbouring ones interact",
        (
            (
                'np.einsum("nk,nk->n", total, embeddings)\n            total += embeddings\n',
                'np.einsum("nk,nk->n", total, embeddings)\n            total = embeddings\n',
            ),
        ),
        ("tests/model/test_factors.py", "tests/test_model.py"),
    ),
    Bug(
        "model",
        "the fallback for unknown ids has no bias",
        (("biases[unknown] = self.average_biases[field]", "biases[unknown] = 0.0"),),
        ("tests/model/test_factors.py", "tests/test_model.py"),
    ),
    Bug(
        "model",
        "fold-in counts the penalty once a row, whatever its weight",
        (
            ("+= l2 * w.sum() + _LEAST", "+= l2 * len(w) + _LEAST"),
            ("diagonal = prior.l2 * w.sum() + LEAST", "diagonal = prior.l2 * len(w) + LEAST"),
        ),
        ("tests/model/test_fold_in.py", "tests/test_fold_in.py"),
    ),
    Bug(
        "retrieval",
        "one group of candidates too few is looked at",
        (("max(maxima.shape[1] - n, 0)", "max(maxima.shape[1] - n + 1, 0) % maxima.shape[1]"),),
        ("tests/retrieval/test_top_n.py", "tests/test_retrieval.py"),
    ),
    Bug(
        "retrieval",
        "the cells of a block are those of the first block",
        (
            (
                "return lambda block: seen_cells(starts, seen, rows[block], positions)",
                "return lambda block: seen_cells(starts, seen, rows[: block.stop - block.start], positions)",
            ),
            (
                "return lambda block: seen.of_users(users[block])",
                "return lambda block: seen.of_users(users[: block.stop - block.start])",
            ),
            (
                "each.of_users(users[block]) for each, users in listed",
                "each.of_users(users[: block.stop - block.start]) for each, users in listed",
            ),
        ),
        ("tests/retrieval/test_tables.py", "tests/test_tables.py"),
    ),
    Bug(
        "solvers",
        "SGD: a step forgets the weight of its rating",
        (
            ("(w * left * step)[:, None] * partner", "(left * step)[:, None] * partner"),
            ("_spread(gradients, z), w * errors, decays", "_spread(gradients, z), errors, decays"),
        ),
        ("tests/solvers/sgd/test_solver.py", "tests/core/test_sgd.py"),
    ),
    Bug(
        "solvers",
        "SGD: padding points at the first rating instead of the last row",
        (
            ("order[:] = self.n_padded - 1\n", "order[:] = 0\n"),
            ("order[:] = self.ends()[number] - 1\n", "order[:] = 0\n"),
        ),
        ("tests/solvers/sgd", "tests/core/test_batches.py", "tests/core/test_sgd.py"),
    ),
    Bug(
        "solvers",
        "ALS: damping has the wrong sign in the gradient",
        (
            ("- ridge * t - pull * (t - block.start)", "- ridge * t + pull * (t - block.start)"),
            ("- ridge * rows - damping * (rows - start)", "- ridge * rows + damping * (rows - start)"),
        ),
        ("tests/solvers/als/test_least_squares.py", "tests/core/test_row_systems.py"),
    ),
    Bug(
        "solvers",
        "ALS: the biases of the other fields are not subtracted",
        (
            ("    y -= tf.reduce_sum(tf.gather(partners.biases, picked), 2)\n", ""),
            ("    y -= tf.reduce_sum(tf.gather(linked_rows.biases, ids), 2)\n", ""),
        ),
        ("tests/solvers/als/test_solver.py", "tests/core/test_als.py"),
    ),
    Bug(
        "solvers",
        "Gibbs: the noise of a draw is multiplied by the factor, not by its transpose",
        (
            (
                "half = tf.linalg.triangular_solve(factor, r[..., None]) + noise[..., None]\n"
                "    t = tf.linalg.triangular_solve(factor, half, adjoint=True)[..., 0]",
                "half = tf.linalg.triangular_solve(factor, r[..., None])\n"
                "    t = tf.linalg.triangular_solve(factor, half, adjoint=True)[..., 0]\n"
                "    t += tf.linalg.triangular_solve(factor, noise[..., None])[..., 0]",
            ),
            (
                "half = tf.linalg.triangular_solve(factor, r[..., None]) + noise[..., None]\n"
                "    rows = tf.linalg.triangular_solve(factor, half, adjoint=True)[..., 0]",
                "half = tf.linalg.triangular_solve(factor, r[..., None])\n"
                "    rows = tf.linalg.triangular_solve(factor, half, adjoint=True)[..., 0]\n"
                "    rows += tf.linalg.triangular_solve(factor, noise[..., None])[..., 0]",
            ),
        ),
        (
            "tests/solvers/als/test_least_squares.py",
            "tests/solvers/gibbs",
            "tests/core/test_row_systems.py",
            "tests/core/test_gibbs.py",
        ),
    ),
    Bug(
        "solvers",
        "Gibbs: the noise has twice the degrees of freedom",
        (
            ("rng.gamma(_SHAPE + total_weight / 2)", "rng.gamma(_SHAPE + total_weight)"),
            ("rng.gamma(SHAPE + total_weight / 2)", "rng.gamma(SHAPE + total_weight)"),
        ),
        ("tests/solvers/gibbs/test_priors.py", "tests/core/test_priors.py"),
    ),
    Bug(
        "solvers",
        "early stopping returns the last epoch instead of the best",
        (
            ("return best or solver.model(), history", "return solver.model(), history"),
            (
                "return solver.snapshot() if best is None else best, history",
                "return solver.snapshot(), history",
            ),
            (
                "return solver.snapshot() if course.best is None else course.best, course.history",
                "return solver.snapshot(), course.history",
            ),
        ),
        ("tests/solvers/test_training.py", "tests/core/test_training.py"),
    ),
    Bug(
        "recommenders",
        "a failed fit leaves nothing, for want of a copy",
        (
            ("before = self.__dict__.copy()", "before = self.__dict__"),
            ("    fitted = copy.copy(estimator)\n", "    fitted = estimator\n"),
            ("fitted = copy.copy(estimator)\n    # Free", "fitted = estimator\n    # Free"),
        ),
        ("tests/recommenders/test_fitted_object.py", "tests/test_fitted_object.py"),
    ),
    Bug(
        "recommenders",
        "elastic net: the ridge part has the whole of alpha",
        (
            ("l2=alpha * (1 - l1_share)", "l2=alpha"),
            ("alpha * l1_share, alpha * (1 - l1_share)", "alpha * l1_share, alpha"),
        ),
        ("tests/recommenders/test_mf.py", "tests/test_recommender.py"),
    ),
    Bug(
        "recommenders",
        "ratings of weight 0 take part in fold-in",
        (("kept = (item_codes >= 0) & (weights > 0)", "kept = item_codes >= 0"),),
        ("tests/model/test_fold_in.py", "tests/test_fold_in.py"),
    ),
    Bug(
        "metrics",
        "the discount of a rank is off by one",
        (("np.log2(hits.ranks + 1)", "np.log2(hits.ranks + 2)"),),
        ("tests/metrics/test_ranking.py",),
    ),
    Bug(
        "metrics",
        "novelty counts a repeated rating twice",
        (("np.bincount(pd.unique(rated.keys) %", "np.bincount(rated.keys %"),),
        ("tests/metrics/test_beyond_accuracy.py",),
    ),
    Bug(
        "model_selection",
        "the last rating is taken from the next user",
        (("ends[:, None] - np.arange(1, self.n + 1)", "(ends[:, None] - np.arange(self.n)) % len(rows)"),),
        ("tests/model_selection/test_latest.py",),
    ),
    Bug(
        "model_selection",
        "a user with no more than the given ratings is tested",
        (("np.flatnonzero(counts > self.given)", "np.flatnonzero(counts >= self.given)"),),
        ("tests/model_selection/test_by_user.py",),
    ),
    Bug(
        "inspection",
        "negative contributions sort last",
        (
            ("np.argsort(-np.abs(added), kind=", "np.argsort(-added, kind="),
            ("np.argsort(-np.abs(parts.ratings), kind=", "np.argsort(-parts.ratings, kind="),
        ),
        ("tests/inspection/test_explain.py",),
    ),
    Bug(
        "inspection",
        "the first count of a bin falls into the bin before",
        (('np.searchsorted(starts, counts, side="right")', 'np.searchsorted(starts, counts, side="left")'),),
        ("tests/inspection/test_error_by_activity.py",),
    ),
    Bug(
        "datasets",
        "rare items are drawn most often",
        (("    keys /= items\n", "    keys *= items\n"),),
        ("tests/datasets/test_make_ratings.py",),
    ),
    Bug(
        "utils",
        "the steps before the recommender in a Pipeline are skipped",
        (("        X = estimator[:-1].transform(X)\n", "        X = X\n"),),
        ("tests/utils", "tests/inspection/test_error_by_activity.py", "tests/metrics/test_scorer.py"),
    ),
)


def seed(tree: Path, bug: Bug) -> str | None:
    """Write the bug into a tree; the name of the changed file, or None where no text is found once."""
    sources = {path: path.read_text(encoding="utf-8") for path in sorted((tree / "sklearn_mf").rglob("*.py"))}
    for old, new in bug.edits:
        found = [path for path, text in sources.items() if old in text]
        if len(found) == 1 and sources[found[0]].count(old) == 1:
            found[0].write_text(sources[found[0]].replace(old, new), encoding="utf-8")
            return found[0].relative_to(tree).as_posix()
    return None


def stages(tree: Path, bug: Bug, room_only: bool) -> list[list[str]]:
    """Test paths, nearest first; doctests of the package are the last stage's."""
    near, room = (
        [path for path in paths if (tree / path).exists()] for paths in (bug.tests, ROOMS[bug.room])
    )
    return [paths for paths in (near, room) if paths] + [["tests", "sklearn_mf"]] * (not room_only)


def run_tests(tree: Path, paths: list[str], *options: str) -> list[str]:
    """The failing tests of some paths; with the option -x no more than the first."""
    environment = os.environ | {
        "PYTHONPATH": str(tree),
        "MPLBACKEND": "Agg",
        "SCIPY_ARRAY_API": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_WAIT_POLICY": "passive",
    }
    command = [sys.executable, "-m", "pytest", "-rfE", "-p", "no:cacheprovider", *options, *paths]
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return [f"no end after {SECONDS} s: {' '.join(paths)}"]
    failed = CAUGHT.findall(done.stdout)
    if done.returncode and not failed:
        return [f"pytest ended with {done.returncode}: {done.stdout[-300:]}"]
    return failed


def copy_of(tree: Path, folder: str) -> Path:
    """A copy of the files that tests read."""
    copied = Path(folder) / "tree"
    shutil.copytree(tree, copied, ignore=shutil.ignore_patterns(*LEFT_OUT))
    return copied


def catch(tree: Path, bug: Bug, room_only: bool) -> tuple[str, str]:
    """Changed file, and the first test that fails."""
    with tempfile.TemporaryDirectory() as folder:
        seeded = copy_of(tree, folder)
        changed = seed(seeded, bug)
        if changed is None:
            return "-", f"{NOT_FOUND}: add the text of this version"
        for paths in stages(seeded, bug, room_only):
            if failed := run_tests(seeded, paths, "-x"):
                return changed, failed[0]
        return changed, NOT_CAUGHT + " by the tests of its room" * room_only


def confirm(tree: Path, rows: list[dict[str, object]]) -> None:
    """Mark the tests that fail without any bug, all of them run at once."""
    caught = sorted({str(row["caught by"]) for row in rows if "::" in str(row["caught by"])})
    fails_anyway = run_tests(tree, caught) if caught else []
    for row in rows:
        if row["caught by"] in fails_anyway:
            row["caught by"] = f"{FAILS_ANYWAY}: {row['caught by']}"
            print(f"{row['bug']}: {row['caught by']}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tree", type=Path, default=ROOT, help="checkout to seed bugs into a copy of")
    parser.add_argument("--only", type=int, nargs="+", help="numbers of bugs")
    parser.add_argument("--out", type=Path, help="CSV file of the results")
    parser.add_argument("--beside", type=Path, help="CSV file of an earlier run, printed beside")
    parser.add_argument("--room-only", action="store_true", help="do not run the tests of other rooms")
    parser.add_argument("--dry", action="store_true", help="only say where the texts are found")
    return parser.parse_args()


def main() -> None:
    """Seed each bug, print and store who catches it."""
    options = parse()
    rows: list[dict[str, object]] = []
    for number, bug in enumerate(BUGS, 1):
        if options.only and number not in options.only:
            continue
        started = time.perf_counter()
        if options.dry:
            changed, caught = where(options.tree, bug)
        else:
            changed, caught = catch(options.tree, bug, options.room_only)
        seconds = round(time.perf_counter() - started)
        rows.append(
            {"bug": number, "room": bug.room, "what": bug.what, "file": changed, "caught by": caught}
            | ({} if options.dry else {"seconds": seconds})
        )
        print(f"{number:2} {bug.room}: {bug.what}\n   {changed}: {caught} ({seconds} s)", flush=True)
        if options.out:
            pd.DataFrame(rows).to_csv(options.out, index=False)
    if not options.dry:
        confirm(options.tree, rows)
    if options.out:
        pd.DataFrame(rows).to_csv(options.out, index=False)
    if options.beside:
        before = pd.read_csv(options.beside).set_index("bug")["caught by"]
        for row in rows:
            earlier = before.get(row["bug"], "not run")
            print(f"{row['bug']:>2} {row['what']}\n   before: {earlier}\n   after:  {row['caught by']}")
    found = sum(not str(row["caught by"]).startswith(FAILURES) for row in rows)
    print(f"{found} of {len(rows)}" + (" texts found" if options.dry else " caught"))


def where(tree: Path, bug: Bug) -> tuple[str, str]:
    """The file in which the text of a bug is found."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(tree / "sklearn_mf", Path(folder) / "sklearn_mf")
        changed = seed(Path(folder), bug)
    return (changed, "found") if changed else ("-", NOT_FOUND)


if __name__ == "__main__":
    main()
