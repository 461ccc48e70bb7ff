"""The documentation inside the installed Python packages: text that every machine already has.

A document is a module: the docstrings of it, its classes and functions, in order. Sources are read, never imported.
Beside the packages stand the help topics of `pydoc`, a document each.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from unmask.corpus import files
from unmask.corpus.documents import Document, Problem
from unmask.corpus.sources import Part

_SKIPPED_FOLDERS = {"test", "tests", "testing", "_testing", "_vendor", "_distutils", "site-packages", "dist-packages",
                    "lib2to3", "__pycache__", "node_modules"}  # fmt: skip
_SKIPPED_PACKAGES = {"unmask", "pip", "setuptools", "pkg_resources", "wheel"}
_SHORTEST = 40
"""Characters; shorter docstrings ("Return the name.") are left out when they stand alone in a module."""

_QUOTES = re.compile("\"\"\"|'''")
_ONLY_COMMENTS = re.compile(r"(?:\s*#[^\n]*\n)*\s*")
_DEFINITION = re.compile(r"(?P<kind>def|class)[ \t]+(?P<name>\w+)")
_ADDED = re.compile(r"\badd_(?:newdoc|docstr)\w*\([^()]*,\s*$")
_COMMENT = re.compile(r"#[^\n\"\']*$")
_WINDOW = 400
_ESCAPED_LINE_END = re.compile(r"\\\n")
_DOCTEST = re.compile(r"^[ \t]*>>> .*(?:\n[ \t]*\S.*)*\n?", re.M)
_BLANK_LINES = re.compile(r"\n{3,}")
_PLACEHOLDER = re.compile(r"^[ \t]*\{\w+\}[ \t]*$\n?", re.M)
_FENCED = re.compile(r"^[ \t]*```.*?^[ \t]*```[ \t]*\n?", re.M | re.S)
_UNDERLINE = re.compile(r"^[ \t]*([-=~^*\"])\1{2,}[ \t]*$\n?", re.M)


class PythonDocsReader:
    """python-docs. Ids are tag/package:module.name, or tag/pydoc-topics:topic."""

    textual = False

    def read(self, part: Part) -> Iterator[Document | Problem]:
        """The documents of a package. A docstring that the package repeats counts once."""
        if part.path.endswith("topics.py"):
            yield from _topics(part)
            return
        root, seen = Path(part.path), set()
        for path in _modules(root):
            text = _module_text(path, seen)
            if len(text) >= _SHORTEST:
                yield Document(f"{part.name}:{_module_name(path, root)}", text, part.tag)


def packages() -> Iterator[tuple[str, str, int]]:
    """(folder or file, name, bytes of source) of the standard library's and the installed packages, sorted by name."""
    standard = Path(sysconfig.get_path("stdlib"))
    roots = {standard, Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib"))}
    found = {}
    for root in sorted(roots, key=lambda root: root != standard):
        for entry in sorted(root.iterdir()) if root.is_dir() else []:
            name = entry.name.removesuffix(".py")
            if name.isidentifier() and name not in _SKIPPED_FOLDERS | _SKIPPED_PACKAGES | set(found):
                size = sum(path.stat().st_size for path in _modules(entry))
                if size:
                    found[name] = (str(entry), name, size)
    topics = standard / "pydoc_data" / "topics.py"
    if topics.is_file():
        found["pydoc_data"] = (str(topics), "pydoc-topics", topics.stat().st_size)
    yield from (found[name] for name in sorted(found))


def _modules(root: Path) -> Iterator[Path]:
    """The .py files of a package, or the file itself, in a fixed order."""
    if root.is_file():
        if root.suffix == ".py":
            yield root
        return
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if name not in _SKIPPED_FOLDERS)
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def _module_name(path: Path, root: Path) -> str:
    name = ".".join((root.stem, *path.relative_to(root).with_suffix("").parts)) if root.is_dir() else path.stem
    return name.removesuffix(".__init__")


def _topics(part: Part) -> Iterator[Document]:
    with files.open_plain(part.path) as file:
        tree = ast.parse(file.read())
    for statement in tree.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and isinstance(statement.value, ast.Dict):
            for topic, text in sorted(ast.literal_eval(statement.value).items()):
                yield Document(f"{part.name}:{topic}", prose(text), part.tag)


def _module_text(path: Path, seen: set[int]) -> str:
    """The docstrings of a module that were not seen before, each after the name and arguments of what it describes."""
    with files.open_plain(path) as file:
        source = file.read().decode("utf-8", "ignore").replace("\r\n", "\n")
    found = []
    for signature, docstring in docstrings(source):
        text = prose(docstring)
        if text and hash(text) not in seen:
            seen.add(hash(text))
            found.append(signature + text)
    return "\n\n".join(found)


def docstrings(source: str) -> Iterator[tuple[str, str]]:
    """(signature line, docstring as it stands) of a module, its classes and functions, in order.

    Found by the quotes and what stands before them: many times as fast as a syntax tree, and the same in 98 of 100
    docstrings. Those in plain quotes are left out, and a string that holds code may count as code.
    """
    begin = position = 0
    while quotes := _QUOTES.search(source, position):
        position = quotes.end()
        before = source[max(begin, quotes.start() - _WINDOW) : quotes.start()]
        lead = before.rstrip("rRuU")
        signature = _described(source, begin, quotes.start() - len(before) + len(lead), lead)
        if signature is None:
            continue
        end = source.find(quotes[0], quotes.end())
        if end < 0:
            return
        yield signature, _literal(source[quotes.end() : end], raw=before[len(lead) :].lower() == "r")
        begin = position = end + 3


def _described(source: str, begin: int, place: int, lead: str) -> str | None:
    """The signature line for a docstring that opens at `place`; None when no docstring opens there."""
    if begin == 0 and _ONLY_COMMENTS.fullmatch(source, 0, place):
        return ""
    if _ADDED.search(lead):  # how NumPy and PyTorch document what is written in C
        return ""
    if not _COMMENT.sub("", lead.rstrip()).rstrip().endswith(":"):
        return None
    header = max(source.rfind("def ", begin, place), source.rfind("class ", begin, place))
    found = _DEFINITION.match(source, header) if header >= 0 else None
    if not found or source[source.rfind("\n", 0, header) + 1 : header].strip() not in ("", "async"):
        return None
    return _signature(found["kind"], found["name"], source[found.end() : begin + source[begin:place].rindex(":")])


def _literal(body: str, raw: bool) -> str:
    return body if raw or "\\" not in body else _ESCAPED_LINE_END.sub("", body).replace("\\\\", "\\")


def _signature(kind: str, name: str, rest: str) -> str:
    """The line before a docstring, e.g. name(first, second); nothing for special methods, whose names say nothing."""
    if kind == "class":
        return f"class {name}\n"
    if name.startswith("__"):
        return ""
    try:
        definition = ast.parse(f"def {name}{rest}:0").body[0]
    except SyntaxError:
        return ""
    given = definition.args  # type: ignore[attr-defined]
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs) if one.arg not in ("self", "cls")]
    return f"{name}({', '.join(names)})\n"


def prose(docstring: str) -> str:
    """A docstring without its indentation, its console sessions, code blocks, placeholders, and heading rules."""
    text = inspect.cleandoc(docstring)
    for pattern in (_DOCTEST, _FENCED, _UNDERLINE, _PLACEHOLDER):
        text = pattern.sub("", text)
    return _BLANK_LINES.sub("\n\n", text).strip()
