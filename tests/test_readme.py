"""What the documents tell a reader to type is what the program understands."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer

from unmask.cli import main
from unmask.cli.app import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FAST = ("unmask list", "--dry-run", "--version", "--help")


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Every line of README's code blocks that calls unmask, also by torchrun, and every `unmask ...` in a sentence."""
    blocks = re.sub(r"^torchrun .* -m unmask\.cli ", "unmask ", README, flags=re.MULTILINE)
    blocks = "".join(re.findall(r"^```(?:bash)?\n(.*?)^```", blocks, re.DOTALL | re.MULTILINE))
    lines = re.findall(r"^(?:\$ )?(?:\.venv/bin/)?(unmask .*)$", blocks, re.MULTILINE)
    return [*lines, *re.findall(r"`(unmask [^`]+)`", README)]


def test_there_are_commands_to_check():
    assert len(commands()) > 15
    assert any("pretrain" in command for command in commands())


@pytest.mark.parametrize("line", commands())
def test_every_command_parses(line: str):
    words = shlex.split(line, comments=True)[1:]
    verbs = typer.main.get_command(app).commands
    assert words[0] in verbs
    if words[1:]:
        verbs[words[0]].make_context(words[0], words[1:])


@pytest.mark.parametrize("line", [line for line in commands() if "unmask pretrain " in line and "=" in line])
def test_every_setting_of_a_training_command_exists(line: str):
    from unmask.cli.pretrain import resolved
    from unmask.recipes import RECIPES

    name, *settings = verbs_words(line)
    for word in settings:
        assert word.partition("=")[2], f"{word} is not a setting"
    recipe = "modernbert" if name.startswith("runs/") else name  # a model to go on from is not there
    assert resolved([recipe, *settings]).name == recipe
    assert recipe in RECIPES


@pytest.mark.parametrize("line", [line for line in commands() if "unmask prepare " in line and "=" in line])
def test_every_setting_of_a_preparing_command_exists(line: str):
    from unmask.cli.prepare import sources_and_settings

    sources, _ = sources_and_settings(verbs_words(line))
    assert sources


def verbs_words(line: str) -> list[str]:
    """The words of a command that are neither the verb nor options."""
    words = shlex.split(line, comments=True)[2:]
    options = {number for number, word in enumerate(words) if word in ("--to", "--workers")}
    taken = options | {number + 1 for number in options}
    return [word for number, word in enumerate(words) if number not in taken and not word.startswith("--")]


@pytest.mark.parametrize("line", [line for line in commands() if any(part in line for part in FAST)])
def test_the_fast_commands_run(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line, comments=True)[1:]) == 0
    assert capsys.readouterr().out
    assert not list(tmp_path.iterdir()), "a command that only shows something wrote a file"


@pytest.mark.parametrize("block", code_blocks("python"))
def test_the_python_examples_import_what_exists(block: str):
    tree = ast.parse(block)
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names: dict[str, object] = {}
    exec(compile(ast.Module(imports, []), "README.md", "exec"), names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "unmask":
            assert hasattr(names["unmask"], node.attr)


def test_the_make_targets_that_documents_name_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        named = set(re.findall(r"^(?:\$ )?make ([a-z-]+)", text, re.MULTILINE))
        named |= {target for line in re.findall(r"`make ([a-z -]+)`", text) for target in line.split()}
        assert named
        assert named <= targets


def test_the_table_of_verbs_is_complete():
    assert set(re.findall(r"^\| `unmask (\w+)`", README, re.MULTILINE)) == set(typer.main.get_command(app).commands)
