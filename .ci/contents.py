"""Check the files of a wheel and of a source distribution: `python .ci/contents.py dist`."""

import sys
import tarfile
import zipfile
from pathlib import Path

# The source distribution holds these; with them its tests run.
NEEDED = (
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "pyproject.toml",
    "docs/conf.py",
    "examples/plot_recommend_movies.py",
    "sklearn_mf/__init__.py",
    "sklearn_mf/py.typed",
    "tests/conftest.py",
)


def only(folder: Path, pattern: str) -> Path:
    """The one file of a folder with such a name."""
    (path,) = folder.glob(pattern)
    return path


def check_wheel(path: Path) -> None:
    """A wheel holds every module of the package, its licence and nothing else."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    strangers = {name for name in names if not name.startswith(("sklearn_mf/", "sklearn_mf-"))}
    assert not strangers, f"{path.name} holds {sorted(strangers)[:5]}"
    sources = {file.as_posix() for file in Path("sklearn_mf").rglob("*.py")}
    assert sources <= names, f"{path.name} lacks {sorted(sources - names)[:5]}"
    assert "sklearn_mf/py.typed" in names, f"{path.name} lacks py.typed"
    assert any(name.endswith("licenses/LICENSE") for name in names), f"{path.name} lacks the licence"
    print(f"{path.name}: {len(names)} files, {path.stat().st_size / 1e6:.2f} MB")


def check_source(path: Path) -> None:
    """A source distribution holds what is needed to run the tests, and no built file."""
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    wanted = {*NEEDED, *(file.as_posix() for file in Path("tests").rglob("*") if is_source(file))}
    assert wanted <= names, f"{path.name} lacks {sorted(wanted - names)[:5]}"
    built = {name for name in names if "__pycache__" in name or name.startswith("docs/_build")}
    assert not built, f"{path.name} holds {sorted(built)[:5]}"
    print(f"{path.name}: {len(names)} files, {path.stat().st_size / 1e6:.2f} MB")


def is_source(path: Path) -> bool:
    """Whether a path is a file that nothing has built."""
    return path.is_file() and "__pycache__" not in path.parts


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    check_wheel(only(folder, "*.whl"))
    check_source(only(folder, "*.tar.gz"))
