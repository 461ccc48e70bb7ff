"""The documentation inside the installed Python packages: text that every machine already has.

A document is a module: the docstrings of it, its classes and functions, in order. Sources are parsed, never imported.
Beside the packages stand the help topics of `pydoc`, a document each.
"""

from __future__ import annotations

import ast
import gc
import inspect
import os
import re
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unmask.corpus import files
from unmask.corpus.documents import Document, Problem
from unmask.corpus.sources import Part

_SKIPPED_FOLDERS = {"test", "tests", "testing", "_testing", "_vendor", "_distutils", "site-packages", "dist-packages",
                    "lib2to3", "__pycache__", "node_modules"}  # fmt: skip
_SKIPPED_PACKAGES = {"unmask", "pip", "setuptools", "pkg_resources", "wheel"}
_SHORTEST = 40
"""Characters; shorter docstrings ("Return the name.") are left out when they stand alone in a module."""

_DOCTEST = re.compile(r"^[ \t]*>>> .*(?:\n[ \t]*\S.*)*\n?", re.M)
_FENCED = re.compile(r"^[ \t]*```.*?^[ \t]*```[ \t]*\n?", re.M | re.S)
_UNDERLINE = re.compile(r"^[ \t]*([-=~^*\"])\1{2,}[ \t]*$\n?", re.M)


class PythonDocsReader:
    """python-docs. Ids are tag/package:module.name, or tag/pydoc-topics:topic."""

    textual = False

    def read(self, part: Part) -> Iterator[Document | Problem]:
        """The documents of a package. A docstring that the package repeats counts once; unparsable files have none."""
        if part.path.endswith("topics.py"):
            yield from _topics(part)
            return
        root, seen = Path(part.path), set()
        for path in _modules(root):
            with _uncollected():
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


@contextmanager
def _uncollected() -> Iterator[None]:
    """A syntax tree is a million objects without cycles: looking for cycles among them costs as much as parsing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _module_text(path: Path, seen: set[int]) -> str:
    with files.open_plain(path) as file:
        source = file.read()
    if source.count(b'"""') + source.count(b"'''") < 2:
        return ""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ""
    return "\n\n".join(_described(tree, seen))


def _described(tree: ast.AST, seen: set[int]) -> Iterator[str]:
    """Docstrings below a node in order, each after the name and the arguments of what it describes."""
    if isinstance(tree, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        text = prose(ast.get_docstring(tree, clean=False) or "")
        if text and hash(text) not in seen:
            seen.add(hash(text))
            yield f"{_signature(tree)}{text}"
    for node in getattr(tree, "body", []):
        # Docstrings stand in definitions, and these in bodies: expressions need no visit.
        if hasattr(node, "body"):
            yield from _described(node, seen)


def _signature(node: ast.AST) -> str:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("__"):
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        return f"{node.name}({', '.join(one.arg for one in given if one.arg not in ('self', 'cls'))})\n"
    return f"class {node.name}\n" if isinstance(node, ast.ClassDef) else ""


def prose(docstring: str) -> str:
    """A docstring without its indentation, its console sessions and code blocks, and the rules under its headings."""
    text = inspect.cleandoc(docstring.replace("\\", " ") if "\\\n" in docstring else docstring)
    for pattern in (_DOCTEST, _FENCED, _UNDERLINE):
        text = pattern.sub("", text)
    return text.strip()
