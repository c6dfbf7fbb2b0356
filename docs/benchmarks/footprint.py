"""Size of an installation without TensorFlow, and the time of its import beside that of its libraries.

python docs/benchmarks/footprint.py [--full]

Builds the wheel of this clone and installs it into an empty environment as docs/install.rst says, then the
packages of the example service too; with --full also an environment with TensorFlow. Imports are timed in
fresh processes, in turn.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "docs" / "serving-requirements.txt"
SERVICE = ["fastapi", "uvicorn[standard]", "skops"]
# Names that start so come with an empty environment.
OF_VENV = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence")
LIBRARIES, PACKAGE = "import sklearn, pandas", "import sklearn_mf"
USE = """
from importlib.metadata import version
import sklearn_mf
try: sklearn_mf.MFRecommender().fit([["ann", "up"], ["bob", "up"]], [5, 1])
except ModuleNotFoundError as error: print(f"sklearn-mf {version('sklearn-mf')}, fit: {error}")
"""


def wheel(folder: str) -> str:
    """The wheel of this clone, without files of an earlier build."""
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(ROOT)]
    subprocess.run(command, check=True)
    return str(next(Path(folder).glob("*.whl")))


def environment(folder: str, *installs: list[str]) -> Path:
    """Python of a new environment after `pip install` with some arguments, one call after another."""
    venv.create(folder, with_pip=True)
    python = Path(folder) / "bin" / "python"
    for arguments in installs:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *arguments], check=True)
    return python


def packages(python: Path) -> list[tuple[str, float]]:
    """Name and megabytes on disk of all that is in site-packages, the largest first."""
    (folder,) = python.parents[1].glob("lib/python*/site-packages")
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).parts[0].removesuffix(".libs")
            found[name] = found.get(name, 0.0) + path.stat().st_blocks * 512 / 1e6
    return sorted(found.items(), key=lambda one: -one[1])


def show_size(label: str, python: Path) -> None:
    """Print the size of what was installed and its largest packages, without what `venv` installs itself."""
    sizes = [(name, size) for name, size in packages(python) if not name.startswith(OF_VENV)]
    largest = ", ".join(f"{name} {size:.0f}" for name, size in sizes[:6])
    print(f"{label}: {sum(size for _, size in sizes):.0f} MB ({largest})", flush=True)


def seconds(python: Path, code: str) -> tuple[float, float]:
    """Wall-clock seconds of a fresh process that runs some code, and seconds of CPU."""
    clock = "import time; print(time.process_time())"
    start = time.perf_counter()
    run = subprocess.run([str(python), "-I", "-c", f"{code}; {clock}"], capture_output=True, check=True)
    return time.perf_counter() - start, float(run.stdout)


def show_import(python: Path, repeats: int) -> None:
    """Print the times of the imports, and the median of their ratios."""
    for code in (LIBRARIES, PACKAGE):
        seconds(python, code)  # writes the bytecode, and fills the cache of files
    times = np.array([[seconds(python, code) for code in (LIBRARIES, PACKAGE)] for _ in range(repeats)])
    for kind, label in enumerate(("wall-clock", "CPU")):
        theirs, ours = np.median(times[:, :, kind], axis=0)
        ratio = np.median(times[:, 1, kind] / times[:, 0, kind])
        print(f"{LIBRARIES}: {theirs:.2f} s, {PACKAGE}: {ours:.2f} s, ratio {ratio:.2f} ({label})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true", help="also the size with TensorFlow")
    parser.add_argument("--repeats", type=int, default=11, help="runs of each import")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        package = wheel(folder)
        without = [["--requirement", str(REQUIREMENTS)], ["--no-deps", package]]
        python = environment(f"{folder}/serving", *without)
        show_size("without TensorFlow", python)
        subprocess.run([str(python), "-I", "-c", USE], check=True)
        show_import(python, options.repeats)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *SERVICE], check=True)
        show_size("with fastapi, uvicorn and skops", python)
        if options.full:
            show_size("with TensorFlow", environment(f"{folder}/full", [package]))
