"""Calls of all methods in any order on odd tables: number of cases, calls, errors and findings.

    python docs/benchmarks/fuzz.py --cases 10000 --seed 0
    python docs/benchmarks/fuzz.py --cases 10000 --seed 0 --shared-fits

A finding is an error that is not one of this package or of scikit-learn's validation, an estimator that a
refused call has changed, a warning of NumPy or pandas, or a broken invariant: see tests/robust/checks.py.
"""

import argparse
import copy
import os
import sys
import time
from pathlib import Path
from typing import ClassVar

for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[2]))

import hypothesis  # noqa: E402
from hypothesis.stateful import run_state_machine_as_test  # noqa: E402

from tests.robust.checks import Finding  # noqa: E402
from tests.robust.machine import Machine  # noqa: E402

PIECE = 200  # cases of one seed of hypothesis, which remembers all cases of a run


class Collecting(Machine):
    """The machine, which notes findings and goes on with the next case."""

    n_cases = 0
    findings: ClassVar[dict[str, str]] = {}

    def __init__(self):
        super().__init__()
        Collecting.n_cases += 1
        self.is_over = False

    def _require(self, condition, message):
        if self.is_over:
            return
        try:
            super()._require(condition, message)
        except Finding as finding:
            self.is_over = True
            kind = message[:150]
            if kind not in self.findings:
                print(f"FINDING {finding}\n", flush=True)
            self.findings.setdefault(kind, str(finding))


class SharedFits(Collecting):
    """Cases whose first fits are shared, and that do not fit again: ten times as many in the same time."""

    fits: ClassVar[dict] = {}
    fit = warm_start = repeat = None

    def _first_fit(self, draw):
        self.kinds = (self.kinds[0],) * 2
        table = self._plain_table(draw)
        key = self.variant, self.kinds, tuple(self.names), self.has_names
        if key not in self.fits:
            self._learn("fit", table)
            self.fits[key] = self.model, self.rated, self.spelled
        self.model, self.rated, self.spelled = copy.deepcopy(self.fits[key])


def run_piece(kind, seed, n_cases):
    """Run some cases of one seed."""

    class Piece(kind):
        """Of one seed, which hypothesis keeps in the class."""

    settings = hypothesis.settings(
        max_examples=n_cases,
        stateful_step_count=6,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    run_state_machine_as_test(hypothesis.seed(seed)(Piece), settings=settings)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shared-fits", action="store_true", help="no fit but the first, which cases share")
    options = parser.parse_args()
    start, seed = time.perf_counter(), options.seed
    kind = SharedFits if options.shared_fits else Collecting
    while Collecting.n_cases < options.cases:
        run_piece(kind, seed, min(PIECE, options.cases - Collecting.n_cases))
        seed += 1
        print(
            f"{Collecting.n_cases} cases, {len(Collecting.findings)} findings, "
            f"{time.perf_counter() - start:.0f} s",
            flush=True,
        )
    print("calls:", dict(sorted(Machine.calls.items())))
    print("errors:", dict(Machine.errors.most_common()))
    print("findings:", len(Collecting.findings))


if __name__ == "__main__":
    main()
