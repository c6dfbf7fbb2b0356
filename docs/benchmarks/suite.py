"""Our cases and those of the rivals, one at a time, each in a process of its own; figures as JSON lines.

    export SKLEARN_MF_DATA=folder SKLEARN_MF_PEERS=folder SKLEARN_MF_VENVS=folder
    python docs/benchmarks/suite.py --list
    python docs/benchmarks/suite.py --match '64/ml-1m' --repeats 3 --skip-done
    python docs/benchmarks/report.py

Prints a line as each case ends and appends its figures to --out. Our cases are those of cases.py, the curves
and scale cases of the rivals those of rivals.py. All other cases of the rivals are those of a folder of
scripts peer_NAME.py, which answer `--list` with the names of their cases and `--case NAME` with a line
`RESULT {json}`. SKLEARN_MF_VENVS is a folder with a virtual environment for each group of rivals (GROUPS says
which). A rival without an environment is skipped, and the line says so. Every process gets two threads and is
pinned to as many cores.
"""

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cases
import rivals
from measuring import SIZES, THREADS, scale_file

HERE = Path(__file__).resolve().parent
GROUPS = {
    "libmf": "libmf",
    "cornac": "cornac",
    "cmfrec": "main",
    "implicit": "main",
    "surprise": "main",
    "skrecsys": "main",
    "myfm": "main",
    "mf": "mf",
    "tf": "tf",
    "lenskit": "lenskit",
    "lightfm": "lightfm",
    "spark": "spark",
}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS")
DROPPED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "SKLEARN_MF_TUNE")  # the first two can slow OpenBLAS down


@dataclass(frozen=True)
class Job:
    """A case and how to run it; `python` is None where there is no environment for it."""

    name: str
    python: Path | None
    script: Path
    group: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def interpreter(venvs: Path | None, group: str) -> Path | None:
    """Python of a group of rivals."""
    path = venvs / group / "bin" / "python" if venvs else None
    return path if path and path.exists() else None


def our_jobs() -> Iterator[Job]:
    """Cases of cases.py."""
    for case in cases.all_cases():
        yield Job(case.name, Path(sys.executable), HERE / "cases.py")


def rival_jobs(venvs: Path | None) -> Iterator[Job]:
    """Cases of rivals.py."""
    for case in rivals.all_cases():
        rival = rivals.RIVALS[case.name.split("/")[0]]
        python = interpreter(venvs, rival.group)
        yield Job(case.name, python, HERE / "rivals.py", rival.group, dict(rival.environment))


def peer_jobs(peers: Path | None, venvs: Path | None) -> Iterator[Job]:
    """Cases of the scripts in the folder of peers."""
    for script in sorted(peers.resolve().glob("peer_*.py")) if peers else []:
        group = GROUPS.get(script.stem.removeprefix("peer_"), script.stem.removeprefix("peer_"))
        python = interpreter(venvs, group)
        command = [python or sys.executable, script, "--list"]
        answer = subprocess.run(command, cwd=script.parent, env=environment(), capture_output=True, text=True)
        names = answer.stdout.split() or [f"{script.stem} (its cases could not be listed)"]
        for name in names:
            yield Job(name, python, script, group)


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """Variables of a case: threads, and none that slows a library down."""
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    threads = dict.fromkeys((*THREAD_VARIABLES, "SKLEARN_MF_THREADS"), str(THREADS))
    folders = {
        "SKLEARN_MF_DATA": str(Path(kept.get("SKLEARN_MF_DATA", ".")).resolve()),
        "SKLEARN_MF_SCRATCH": str(scale_file("").parent.resolve()),
    }
    return {"TF_CPP_MIN_LOG_LEVEL": "3", **kept, **threads, **folders, **(more or {})}


def pin() -> None:
    """In the new process: use no more cores than threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])


def make_ratings_for(job: Job) -> None:
    """Write the synthetic ratings that a scale case reads, where they are missing."""
    size = job.name.rsplit("/", 1)[-1]
    if size in SIZES and "/scale-" in job.name and not scale_file(size).exists():
        subprocess.run([sys.executable, HERE / "cases.py", "--make", size], check=True)


def run(job: Job, timeout: float) -> dict[str, object]:
    """Figures of a case, or why there are none."""
    if job.python is None:
        return {"case": job.name, "skipped": f"no environment {job.group}"}
    make_ratings_for(job)
    load = os.getloadavg()[0]
    output, log, code = in_a_process(job, timeout)
    if code is None:
        return {"case": job.name, "error": f"took longer than {timeout:g} s"}
    found = figures(job, output, log, code)
    return {**found, "machine": machine(), "load_before": round(load, 2)}


def in_a_process(job: Job, timeout: float) -> tuple[str, str, int | None]:
    """Output, log and exit status of a case; the status is None where time ran out."""
    process = subprocess.Popen(
        [job.python, job.script, "--case", job.name],
        cwd=job.script.parent,
        env=environment(job.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=pin,
    )
    try:
        return *process.communicate(timeout=timeout), process.returncode
    except BaseException as error:  # a case must not outlive the suite
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            return "", "", None
        raise


def machine() -> str:
    """Number of cores and name of the processor."""
    information = Path("/proc/cpuinfo")
    text = information.read_text() if information.exists() else ""
    processor = re.search(r"model name\s*:\s*(.+)", text)
    return f"{os.cpu_count()} cores of {processor[1] if processor else platform.processor()}"


def figures(job: Job, output: str, log: str, code: int) -> dict[str, object]:
    """The JSON of a case's output, or its last words."""
    results = [line.removeprefix("RESULT ") for line in output.splitlines() if line.startswith("RESULT ")]
    if results:
        return json.loads(results[-1])
    last = (log.strip().splitlines() or output.strip().splitlines() or ["no output"])[-1][:300]
    if re.match(r"ModuleNotFoundError|\S*PackageNotFoundError", last):
        return {"case": job.name, "skipped": f"not installed in environment {job.group}"}
    if last.startswith("skipped: "):
        return {"case": job.name, "skipped": last.removeprefix("skipped: ")}
    return {"case": job.name, "error": f"killed by signal {-code}" if code < 0 else last}


def times_done(out: Path) -> Counter[str]:
    """How often each case has figures in a file."""
    lines = out.read_text().splitlines() if out.exists() else []
    found = [json.loads(line) for line in lines if line.strip()]
    return Counter(line["case"] for line in found if "error" not in line and "skipped" not in line)


def summary(result: dict[str, object]) -> str:
    """A short line for the screen."""
    names = ("skipped", "error", "rmse", "recall@20", "fit_s", "s_per_epoch", "users_per_s", "fit_adds_mb")
    shown = [f"{name} {result[name]}" for name in names if result.get(name) is not None]
    return f"{result['case']}: {', '.join(shown)}".replace("skipped ", "skipped: ").replace(
        "error ", "error: "
    )


def arguments() -> argparse.Namespace:
    """What to run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--match", default="", metavar="REGEX", help="only cases whose name has this")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and run none")
    parser.add_argument("--out", type=Path, default=HERE / "suite.jsonl", metavar="FILE")
    parser.add_argument("--repeats", type=int, default=1, help="rounds over all cases")
    parser.add_argument("--skip-done", action="store_true", help="count figures in FILE as rounds done")
    parser.add_argument("--timeout", type=float, default=900, help="seconds a case")
    parser.add_argument(
        "--peers", default=os.environ.get("SKLEARN_MF_PEERS"), help="folder of scripts peer_*.py"
    )
    parser.add_argument("--venvs", default=os.environ.get("SKLEARN_MF_VENVS"), help="folder of environments")
    return parser.parse_args()


def main() -> None:
    """Run the chosen cases, a round at a time."""
    chosen = arguments()
    peers, venvs = (Path(path) if path else None for path in (chosen.peers, chosen.venvs))
    jobs = [*our_jobs(), *rival_jobs(venvs), *peer_jobs(peers, venvs)]
    jobs = [job for job in jobs if re.search(chosen.match, job.name)]
    if chosen.list:
        print("\n".join(job.name for job in jobs))
        return
    done = times_done(chosen.out) if chosen.skip_done else Counter()
    for number in range(chosen.repeats):
        for job in jobs:
            if done[job.name] <= number and (job.python or number == 0):
                result = run(job, chosen.timeout)
                with chosen.out.open("a") as file:
                    file.write(json.dumps(result) + "\n")
                print(summary(result), flush=True)


if __name__ == "__main__":
    main()
