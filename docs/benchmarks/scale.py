"""Seconds a pass and memory of fit on synthetic ratings beside cmfrec and LIBMF, each in a fresh process.

    python docs/benchmarks/scale.py --cmfrec PYTHON --libmf PYTHON [--sizes 2M 20M] [--repeats 3] [--whole]

PYTHON is an interpreter with cmfrec, or libmf, NumPy and pandas. Ratings and settings are those of the scale
cases of suite.py at rank 64; the fits take turns. A pass of "als", of "sgd", of cmfrec's ALS by conjugate
gradient and of LIBMF is (fit of 11 passes - fit of 1) / 10, in wall-clock and in CPU seconds of all threads.
For "sgd" and LIBMF, whose passes are short, the fits have 41 passes and 1; at 20M all fits have 4 and 1. The
CPU seconds tell more where other work shares the machine. "als, padded" does without the compiled conjugate
gradient. `--whole` adds fits of 15 passes at the largest size.
Memory is the peak of a second fit above the columns, in a process whose first fit compiled the programs of
the same shapes; the rest of the peak of the first fit is the compilation's, and depends little on the size.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import measuring
import numpy as np

measuring.SIZES["2M"] = 2_000_000
DIM, WHOLE = 64, 15
# Least passes of a fit, and most: of all, of the short passes of gradient descent, and of large fits.
FEW, MANY, MANY_SHORT, MANY_LONG = 1, 11, 41, 4
OURS = ("als", "als, padded", "sgd")
RIVALS = ("cmfrec", "libmf")
# Each beside its rival.
BESIDE = {"als": "cmfrec", "als, padded": "cmfrec", "sgd": "libmf"}


def many(who: str, size: str) -> int:
    """Most passes of a fit."""
    if size == "20M":
        return MANY_LONG
    return MANY_SHORT if who in ("sgd", "libmf") else MANY


def fit_ours(who: str, train: measuring.Columns, passes: int) -> object:
    """Fit of the observed ratings alone, the penalty L2."""
    import pandas as pd
    from cases import start_tensorflow
    from data import OBSERVED

    from sklearn_mf import MFRecommender
    from sklearn_mf.solvers.als import _solver as als

    start_tensorflow()
    if who == "als, padded":
        als._SEGMENTS_FROM = len(train.rating) + 1
    solver = who.removesuffix(", padded")
    X = pd.DataFrame({"user": train.user, "item": train.item}, copy=False)
    model = MFRecommender(DIM, solver=solver, max_iter=passes, random_state=0, tol=0, **OBSERVED)
    model.fit(X, train.rating)
    return lambda test: model.predict(pd.DataFrame({"user": test.user, "item": test.item}))


def fit_rival(who: str, train: measuring.Columns, passes: int) -> object:
    """cmfrec or LIBMF with the settings of the suite."""
    import rivals

    return rivals.RIVALS[who].fit(train, DIM, passes, **rivals.RIVALS[who].scale)


def run(who: str, size: str, passes: int) -> dict[str, float]:
    """Seconds, CPU seconds, memory and test error of one fit; imports are in no figure."""
    train, test = measuring.synthetic(size)
    fit = partial(fit_ours if who in OURS else fit_rival, who)
    few = measuring.Columns(
        *(np.array([0, 1, 0, 1], kind) for kind in (np.int32, np.int32, np.float32)), 2, 2
    )
    fit(few, 1)
    with measuring.Watch() as first:
        start = time.process_time()
        predict = fit(train, passes)
        cpu = time.process_time() - start
    figures = {"s": first.seconds, "cpu": cpu}
    figures["rmse"] = measuring.errors(predict(test), train.rating, test.rating)["rmse"]
    if who in OURS and passes == FEW:
        del predict
        with measuring.Watch() as second:
            fit(train, passes)
        figures["adds_mb"] = second.peak_mb - second.before_mb
        figures["compiler_mb"] = first.peak_mb - first.before_mb - figures["adds_mb"]
    return figures


def in_fresh_process(python: str, who: str, size: str, passes: int) -> dict[str, float]:
    """Run one fit on its own."""
    # Our solvers use as many threads as OpenBLAS may; the rivals have their own, beside which it takes one.
    blas = measuring.THREADS if who in OURS else 1
    threads = {"OMP_NUM_THREADS": str(measuring.THREADS), "OPENBLAS_NUM_THREADS": str(blas)}
    environment = {**os.environ, **threads, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [python, __file__, "--run", who, size, str(passes)]
    output = subprocess.check_output(command, env=environment, cwd=Path(__file__).parent, text=True)
    return json.loads(output.splitlines()[-1])


def print_passes(size: str, rounds: list[dict[tuple[str, int], dict[str, float]]], names: list[str]) -> None:
    """Seconds a pass of each, medians over the rounds, and ratios round by round."""
    taken = {
        (who, clock): np.array([one[who, many(who, size)][clock] - one[who, FEW][clock] for one in rounds])
        / (many(who, size) - FEW)
        for who in names
        for clock in ("s", "cpu")
    }
    for who in names:
        wall, cpu = np.median(taken[who, "s"]), np.median(taken[who, "cpu"])
        line = f"{size:>4} {who:<12} {wall:8.3f} s a pass, {cpu:8.3f} s of CPU"
        rival = BESIDE.get(who)
        if rival in names:
            ratios = [np.median(taken[who, clock] / taken[rival, clock]) for clock in ("s", "cpu")]
            line += f"; beside {rival} {ratios[0]:.2f}, CPU {ratios[1]:.2f}"
        print(line, flush=True)


def print_memory(size: str, rounds: list[dict[tuple[str, int], dict[str, float]]], names: list[str]) -> None:
    """Peak of each fit above the columns, and what the tables explain."""
    n, table = measuring.SIZES[size], sum(measuring.shape(measuring.SIZES[size])) * (DIM + 1) * 4 / 2**20
    for who in (name for name in names if name in OURS):
        adds, compiler = (
            np.median([one[who, FEW][key] for one in rounds]) for key in ("adds_mb", "compiler_mb")
        )
        share = (adds - 3 * table) * 2**20 / n
        print(
            f"{size:>4} {who:<12} fit adds {adds:.0f} MB: 3 tables of {table:.0f} MB and {share:.0f} bytes a "
            f"rating; the first fit {compiler:.0f} MB more, for the compilation",
            flush=True,
        )


def main() -> None:
    """Run the rounds and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cmfrec")
    parser.add_argument("--libmf")
    parser.add_argument("--sizes", nargs="+", default=["2M", "20M"])
    parser.add_argument("--who", nargs="+", default=[*OURS, *RIVALS])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--run", nargs=3)
    arguments = parser.parse_args()
    if arguments.run:
        who, size, passes = arguments.run
        print(json.dumps(run(who, size, int(passes))))
        return
    from cases import make
    from data import environment

    pythons = dict.fromkeys(OURS, sys.executable) | {"cmfrec": arguments.cmfrec, "libmf": arguments.libmf}
    names = [who for who in arguments.who if pythons[who]]
    print(f"{environment()}; load {os.getloadavg()[0]:.0f} before", flush=True)
    for size in arguments.sizes:
        if not measuring.scale_file(size).exists():
            make(size)
        fits = [*((who, FEW) for who in names), *((who, many(who, size)) for who in names)]
        rounds = [
            {(who, passes): in_fresh_process(pythons[who], who, size, passes) for who, passes in fits}
            for _ in range(arguments.repeats)
        ]
        print_passes(size, rounds, names)
        print_memory(size, rounds, names)
    for who in names if arguments.whole else []:
        found = in_fresh_process(pythons[who], who, arguments.sizes[-1], WHOLE)
        took = f"{found['s']:.1f} s, {found['cpu']:.1f} s of CPU, RMSE {found['rmse']}"
        print(f"{arguments.sizes[-1]} {who}: whole fit of {WHOLE} passes {took}", flush=True)


if __name__ == "__main__":
    main()
