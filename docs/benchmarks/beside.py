"""Whole fits on ML-1M 90/10 at rank 64 in turn, each in a fresh process: both solvers, LIBMF, cmfrec.

    SKLEARN_MF_DATA=folder python docs/benchmarks/beside.py --peers FOLDER --venvs FOLDER [--repeats 5]

The folders are those of suite.py. Prints the median of the fit times, test RMSE, and ratios round by round.
"""

import argparse
from pathlib import Path

import numpy as np
import suite
from data import environment

OURS = ["sklearn_mf/als-64/ml-1m", "sklearn_mf/sgd-64/ml-1m"]
RIVALS = ["libmf/fpsgd-64/ml-1m", "cmfrec/als-cg-64/ml-1m"]


def main() -> None:
    """Run the rounds and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--venvs", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    jobs = {job.name: job for job in (*suite.our_jobs(), *suite.peer_jobs(arguments.peers, arguments.venvs))}
    print(environment())
    rounds = [
        {case: suite.run(jobs[case], timeout=600) for case in (*OURS, *RIVALS)}
        for _ in range(arguments.repeats)
    ]
    for case in (*OURS, *RIVALS):
        seconds, rmse = ([run[case][key] for run in rounds] for key in ("fit_s", "rmse"))
        print(
            f"{case}: fit {np.median(seconds):.2f} s (median of {len(rounds)}, {min(seconds):.2f} to "
            f"{max(seconds):.2f}), RMSE {np.median(rmse):.4f}"
        )
    for ours in OURS:
        for rival in RIVALS:
            ratios = [run[ours]["fit_s"] / run[rival]["fit_s"] for run in rounds]
            print(f"{ours} / {rival}: {np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
