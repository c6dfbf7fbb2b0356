"""Whole fits on ML-1M 90/10 at rank 64 in turn, each in a fresh process: both solvers, LIBMF, cmfrec.

    SKLEARN_MF_DATA=folder python docs/benchmarks/beside.py --peers FOLDER --venvs FOLDER [--repeats 5]

The folders are those of suite.py. Prints the median of the fit times, test RMSE, and ratios round by round.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
OURS = ["sklearn_mf/als-64/ml-1m", "sklearn_mf/sgd-64/ml-1m"]
RIVALS = {
    "libmf/fpsgd-64/ml-1m": ("libmf", "peer_libmf.py"),
    "cmfrec/als-cg-64/ml-1m": ("main", "peer_cmfrec.py"),
}


def figures(command: list[str]) -> dict[str, float]:
    """Run one case on two threads and read the line that it prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "TF_CPP_MIN_LOG_LEVEL": "3"}
    output = subprocess.check_output(command, env=environment, text=True, stderr=subprocess.DEVNULL)
    return json.loads(output[output.rindex('{"case"') :].splitlines()[0])


def main() -> None:
    """Run the rounds and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--venvs", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    commands = {case: [sys.executable, str(HERE / "cases.py"), "--case", case] for case in OURS}
    for case, (group, script) in RIVALS.items():
        python = arguments.venvs / group / "bin" / "python"
        commands[case] = [str(python), str(arguments.peers / script), "--case", case]
    from data import environment

    print(environment())
    rounds = [
        {case: figures(command) for case, command in commands.items()} for _ in range(arguments.repeats)
    ]
    for case in commands:
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
