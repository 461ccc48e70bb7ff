"""The documentation of installed packages, beside what a syntax tree says."""

import ast
import email
import json
from collections import Counter
from pathlib import Path

import pytest

from unmask.corpus import CorpusSettings, Document, Source, parts
from unmask.corpus.readers.python_docs import PythonDocsReader, docstrings, prose
from unmask.corpus.sources import Part

SETTINGS = CorpusSettings()


def reference(source: str) -> list[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return [text for text in (ast.get_docstring(node, clean=False) for node in nodes) if text]


@pytest.mark.parametrize("package", [json, email])
def test_nearly_all_docstrings_are_those_of_the_syntax_tree(package: object) -> None:
    found, wanted = Counter(), Counter()
    for path in sorted(Path(package.__file__).parent.rglob("*.py")):  # type: ignore[attr-defined, arg-type]
        source = path.read_text(encoding="utf-8")
        found.update(text for _, text in docstrings(source))
        wanted.update(reference(source))
    assert (found & wanted).total() > 0.95 * wanted.total()
    assert (found & wanted).total() > 0.98 * found.total()


def test_a_module_reads_as_signatures_and_prose(tmp_path: Path) -> None:
    package = tmp_path / "tool"
    package.mkdir()
    (package / "__init__.py").write_text('# a licence\n"""A tool that does one thing."""\n')
    (package / "core.py").write_text(
        "class Box:\n    '''Holds things.\n\n    Notes\n    -----\n    Only small ones.\n    '''\n"
        '    def put(self, thing: str = "a:b", *, times=1) -> None:\n        r"""Put the \\\\thing in.\n\n'
        '        >>> box.put(1)\n        1\n\n        It stays there.\n        """\n'
        '        text = """not a docstring"""\n'
        '    def same(self): \n        """Holds things, as was said; holds things."""\n'
        '    def again(self):\n        """Holds things, as was said; holds things."""\n'
        'add_docstr(Box.count, r"""\ncount() -> int\n\nHow many things.\n""")\n'
    )
    part = Part("python_docs", str(package), "docs/tool", "docs", 1.0, SETTINGS)
    assert list(PythonDocsReader().read(part)) == [
        Document("docs/tool:tool.core", CORE, "docs"),
    ]


CORE = """class Box
Holds things.

Notes
Only small ones.

put(thing, times)
Put the \\\\thing in.

It stays there.

same()
Holds things, as was said; holds things.

count() -> int

How many things."""


def test_the_help_topics_are_documents() -> None:
    found = parts([Source("python-docs")], SETTINGS)
    (topics,) = [part for part in found if part.name == "python-docs/pydoc-topics"]
    documents = {document.id: document for document in PythonDocsReader().read(topics)}
    assert len(documents) > 50
    assert documents["python-docs/pydoc-topics:while"].text.startswith('The "while" statement')


def test_every_installed_package_is_a_part_and_none_twice() -> None:
    found = parts([Source("python-docs", "docs")], SETTINGS)
    names = [part.name for part in found]
    assert len(set(names)) == len(names)
    assert {"docs/json", "docs/numpy", "docs/torch"} <= set(names)
    assert all(part.size > 0 for part in found)


def test_examples_and_rules_are_left_out_of_prose() -> None:
    assert (
        prose("Title\n    =====\n\n    Text.\n\n    >>> f(1)\n    2\n\n    ```python\n    x\n    ```\n    More.")
        == "Title\n\nText.\n\nMore."
    )
