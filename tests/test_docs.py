"""The code on the pages runs, every page can be found, and public docstrings are complete."""

import doctest
import inspect
import re
import textwrap
import tomllib
from pathlib import Path

import pytest
from numpydoc.validate import ERROR_MSGS, validate

import sklearn_mf

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in [ROOT / "README.md", *DOCS.glob("*.rst")] if path.exists())
BLOCKS = {
    ".rst": r"^\.\. code-block:: python\n\n((?:(?: {3}.*)?\n)+)",
    ".md": r"^```python\n((?s:.*?))^```",
}
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def line(text, place):
    return text.count("\n", 0, place)


def snippets(path):
    """Code of a page in order: (line, source of a plain block or doctest example)."""
    text = path.read_text(encoding="utf-8")
    blocks = re.finditer(BLOCKS[path.suffix], text, flags=re.MULTILINE)
    plain = [
        (line(text, block.start(1)), textwrap.dedent(block[1])) for block in blocks if ">>>" not in block[1]
    ]
    examples = [(example.lineno, example) for example in doctest.DocTestParser().get_examples(text)]
    return sorted(plain + examples, key=lambda snippet: snippet[0])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
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
    assert sum(len(snippets(path)) for path in PAGES) > 50


def test_every_page_is_in_a_toctree():
    entries = set()
    for path in DOCS.glob("*.rst"):
        for tree in re.findall(r"\.\. toctree::\n((?: {3}.*\n|\n)+)", path.read_text(encoding="utf-8")):
            entries |= set(tree.split())
    assert {path.stem for path in DOCS.glob("*.rst")} - entries <= {"index", "sg_execution_times"}


def public_names():
    for name in sklearn_mf.__all__:
        thing = getattr(sklearn_mf, name)
        if inspect.isclass(thing):
            yield f"sklearn_mf.{name}"
            for member, value in inspect.getmembers(thing):
                module = getattr(getattr(value, "fget", value), "__module__", "") or ""
                if not member.startswith("_") and module.startswith("sklearn_mf"):
                    yield f"sklearn_mf.{name}.{member}"
        elif callable(thing):
            yield f"sklearn_mf.{name}"


@pytest.mark.parametrize("name", list(public_names()))
def test_docstring(name):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["numpydoc_validation"]["checks"]
    checks = set(ERROR_MSGS) - set(settings) if "all" in settings else set(settings)
    found = [f"{code}: {message}" for code, message in validate(name)["errors"] if code in checks]
    assert not found
    doc = inspect.getdoc(eval(name, {"sklearn_mf": sklearn_mf}))
    is_property = len(doc.splitlines()) == 1
    assert is_property or ">>>" in doc, "an example is missing"
