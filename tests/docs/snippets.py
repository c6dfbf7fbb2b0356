"""The code on a page of the documentation, which the tests and docs/benchmarks/pages.py run."""

import doctest
import re
import textwrap

BLOCKS = {
    ".rst": r"^\.\. code-block:: python\n\n((?:(?: {3}.*)?\n)+)",
    ".md": r"^```python\n((?s:.*?))^```",
}
CALLS = r"^     - ``([^`\n]+)``$"  # right-hand cells of a table that are code and nothing else


def plain_blocks(path):
    """Blocks of code without prompts: (line, source)."""
    return _plain(path.read_text(encoding="utf-8"), BLOCKS[path.suffix])


def snippets(path):
    """Code of a page in order: (line, source of a plain block, cell or doctest example); equal cells once."""
    text = path.read_text(encoding="utf-8")
    cells = {source: (line, source) for line, source in _plain(text, CALLS)}
    examples = [(example.lineno, example) for example in doctest.DocTestParser().get_examples(text)]
    found = [*plain_blocks(path), *cells.values(), *examples]
    return sorted(found, key=lambda snippet: snippet[0])


def _plain(text, pattern):
    """Matches of a pattern without prompts: (line, source)."""
    return [
        (text.count("\n", 0, code.start(1)), textwrap.dedent(code[1]))
        for code in re.finditer(pattern, text, flags=re.MULTILINE)
        if ">>>" not in code[1]
    ]
