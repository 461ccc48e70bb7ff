"""What holds the code base together: who may import whom, menus whose entries exist, files that fit in a head."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from unmask.cli.listing import MENUS
from unmask.menu import Menu

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "unmask"
FILES = sorted(SOURCE.rglob("*.py"))

CORE = {"menu", "errors", "config", "seeding", "sealed", "distributed", "console", "stopping", "devices"}
# The table of docs/architecture.md, from low to high: what each part may import beside the core and itself.
MAY_IMPORT: dict[str, set[str]] = {name: set() for name in CORE}
MAY_IMPORT |= {
    "metrics": set(),
    "corpus": set(),
    "tokens": {"corpus"},
    "masking": {"tokens"},
    "batches": {"tokens", "masking"},
    "layers": set(),
    "architectures": {"layers"},
    "objectives": {"batches", "layers", "architectures"},
    "weights": {"layers", "architectures", "objectives"},
}
MAY_IMPORT["training"] = set(MAY_IMPORT) - CORE
MAY_IMPORT["models"] = {"tokens", "layers", "weights", "objectives"}
MAY_IMPORT["start"] = {"tokens", "weights", "models", "architectures"}
MAY_IMPORT["evaluation"] = set(MAY_IMPORT) - CORE - {"training"}
MAY_IMPORT["generation"] = set(MAY_IMPORT) - CORE - {"training", "evaluation"}
MAY_IMPORT["report"] = {"training", "evaluation"}
MAY_IMPORT["teaching"] = {"models", *MAY_IMPORT["models"], "batches"}
MAY_IMPORT["run"] = MAY_IMPORT["stages"] = set(MAY_IMPORT) - CORE | {"stages"}
MAY_IMPORT["tasks"] = set(MAY_IMPORT) - CORE - {"run"}
MAY_IMPORT["understanding"] = {*MAY_IMPORT["generation"], "generation", "tasks"}
for above in ("recipes", "comparison", "adaptation", "doctor", "scaling", "cli"):
    MAY_IMPORT[above] = set(MAY_IMPORT) - CORE

# Calls upwards, by name and at the last moment, each for a reason that is written where it is done.
UPWARDS_BY_NAME = {("models", "generation"), ("models", "evaluation"), ("models", "tasks")}
LONGER_THAN_400_LINES: set[str] = set()


def part_of(module: str) -> str:
    """unmask.tokens.store -> tokens; the package itself -> ''."""
    return module.split(".")[1] if "." in module else ""


def module_of(path: Path) -> str:
    names = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(path: Path, inside_functions: bool = True) -> set[str]:
    """The modules of ours that a file imports, also by name with import_module("...")."""
    found: set[str] = set()
    known = {module_of(file) for file in FILES}

    def visit(node: ast.AST) -> None:
        if is_type_checking(node):
            for child in node.orelse:  # type: ignore[attr-defined]
                visit(child)
            return
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not inside_functions:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(inner & known)
            if inner - known:
                found.add(node.module)
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("import_module")
            and isinstance(node.args[0], ast.Constant)
        ):
            found.add(node.args[0].value)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree_of(path))
    return {name for name in found if name.split(".")[0] == "unmask"}


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(SOURCE)) for path in paths]


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_imports_go_one_way(path: Path):
    part = part_of(module_of(path))
    if not part:
        return  # the package's front door imports by name, on use
    assert part in MAY_IMPORT, f"{part} has no row in docs/architecture.md's table and in this test"
    allowed = MAY_IMPORT[part] | CORE | {part, ""}
    for module in imports(path):
        below = part_of(module)
        assert below in allowed or (part, below) in UPWARDS_BY_NAME, f"{path.name} imports {module}"
        # Through the front door everything can be reached, so only those who may reach everything go through it.
        assert below or part in {"stages", "cli"}, f"{path.name} imports the front door, not where the name lives"


def test_parts_do_not_import_in_a_circle():
    edges: dict[str, set[str]] = {}
    for path in FILES:
        part = part_of(module_of(path))
        edges.setdefault(part, set()).update(part_of(m) for m in imports(path) if part_of(m) not in (part, ""))
    for start, below in UPWARDS_BY_NAME:
        edges.get(start, set()).discard(below)
    assert_no_circle(edges)


def test_modules_do_not_import_each_other_in_a_circle_when_loaded():
    assert_no_circle({module_of(path): imports(path, inside_functions=False) - {module_of(path)} for path in FILES})


def assert_no_circle(edges: dict[str, set[str]]) -> None:
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> None:
        assert name not in way, " -> ".join([*way, name])
        if name not in done:
            for below in sorted(edges.get(name, ())):
                walk(below, [*way, name])
            done.add(name)

    for name in sorted(edges):
        walk(name, [])


def test_the_table_of_the_architecture_names_every_part_and_no_other():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text[text.index("| folder |") : text.index("## Contracts")]
    named: set[str] = set()
    for line in table.splitlines()[2:]:
        for quoted in re.findall(r"`([^`]+)`", line.split("|")[1] if line.startswith("|") else ""):
            named.update(name.strip("/").removesuffix(".py") for name in quoted.split())
    parts = {part_of(module_of(path)) for path in FILES} - {""}
    assert named == parts


@pytest.mark.parametrize("readme", ["README.md", "CONTRIBUTING.md"])
def test_the_folders_that_documents_mention_exist(readme: str):
    text = (ROOT / readme).read_text(encoding="utf-8")
    for mentioned in re.findall(r"`((?:src|tests|docs|benchmarks)/[\w./-]*)`", text):
        assert (ROOT / mentioned).exists(), f"{readme} mentions {mentioned}"


# ---------------------------------------------------------------- menus


def menus_in_source() -> dict[str, Path]:
    """Every `NAME = Menu("kind", ...)` at the top of a module, as "module:NAME"."""
    found = {}
    for path in FILES:
        for node in tree_of(path).body:
            value, target = (
                getattr(node, "value", None),
                getattr(node, "target", None) or getattr(node, "targets", [0])[0],
            )
            if isinstance(value, ast.Call) and ast.unparse(value.func) == "Menu" and isinstance(target, ast.Name):
                found[f"{module_of(path)}:{target.id}"] = path
    return found


def test_every_menu_is_shown_by_unmask_list():
    assert set(MENUS.values()) == set(menus_in_source()) - {"unmask.cli.listing:MENUS"}


@pytest.mark.parametrize("name", MENUS)
def test_every_entry_of_a_menu_imports_is_documented_and_knows_its_name(name: str):
    menu: Menu = MENUS.load(name)
    assert len(menu) > 0
    for entry in menu:
        thing = menu.load(entry)
        assert (thing.__doc__ or "").strip(), f"{name}: {entry} has no docstring"
        assert not (thing.__doc__ or "").startswith(f"{thing.__name__}("), f"{name}: {entry} has a generated docstring"
        assert menu.name_of(thing) == entry


# ---------------------------------------------------------------- sizes and words


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_a_module_is_at_most_400_lines(path: Path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert (lines > 400) == (str(path.relative_to(SOURCE)) in LONGER_THAN_400_LINES)


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_everything_public_has_a_docstring(path: Path):
    tree = tree_of(path)
    assert ast.get_docstring(tree), "the module has no docstring"
    for node in public(tree):
        assert ast.get_docstring(node), f"{node.name} (line {node.lineno}) has no docstring"


def public(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Functions and classes of a module whose names are public.

    Methods are left out: most of them answer a contract whose words stand at the class.
    """
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_names_that_say_nothing_are_not_used(path: Path):
    assert not {"utils", "helpers", "manager", "common", "misc"} & set(module_of(path).split("."))
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.arg):
            assert node.arg not in {"args", "cfg", "kwargs"}, f"{node.arg} in line {node.lineno}"


def test_test_files_have_names_of_their_own():
    files = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(files) == len(set(files))


def test_the_front_door_opens_every_name_it_promises():
    import unmask

    for name, home in unmask._HOMES.items():
        assert getattr(import_module(home), name) is getattr(unmask, name)
    assert set(unmask.__all__) == set(unmask._HOMES) | {"__version__"}


def test_every_dependency_has_a_pinned_version_that_the_project_allows():
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pins[requirement.name]), requirement
