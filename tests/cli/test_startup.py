"""What a command line that trains and reads nothing may not import: seconds before a person sees a word."""

import subprocess
import sys

from unmask.cli.app import VERBS
from unmask.cli.listing import MENUS

LIBRARIES = {"torch", "transformers", "tokenizers", "numpy", "scipy", "sklearn", "pyarrow", "matplotlib", "datasets"}

# All command lines in one process: what any of them imports is there when the last one ends, and told by its name.
SCRIPT = """
import shlex, sys
from unmask.cli import main
heavy, expected = set(sys.argv[1].split(",")), int(sys.argv[2])
for line in [None, *sys.stdin.read().splitlines()]:
    code = expected if line is None else main(shlex.split(line))
    found = sorted(heavy & set(sys.modules))
    if code != expected or found:
        sys.exit(f"unmask {line or 'itself'}: exit code {code}, imports {found}")
"""


def complaint_about(lines, heavy, code):
    """What is wrong with the command lines: one that imports a heavy library, or ends with another exit code."""
    words = [sys.executable, "-c", SCRIPT, ",".join(heavy), str(code)]
    done = subprocess.run(words, input="\n".join(lines), capture_output=True, text=True, check=False)
    return done.stderr.strip().splitlines()[-1] if done.returncode else None


def test_help_imports_no_heavy_library():
    assert complaint_about(["--help", *(f"{verb.NAME} --help" for verb in VERBS)], LIBRARIES, 0) is None


def test_what_can_be_chosen_is_listed_without_a_heavy_library():
    assert complaint_about(["list", "list --json", *(f"list {menu}" for menu in MENUS)], LIBRARIES, 0) is None


def test_what_is_typed_wrong_is_told_without_a_heavy_library():
    lines = [
        "pretain",
        "pretrain",
        "pretrain nosuch",
        "pretrain demo --stps 3",
        "pretrain demo --resume runs/a",
        "adapt runs/a",
        "distill",
        "prepare a.b=c --to store",
        "tokenizer a.b=c --to folder",
        "evaluate runs/a --suite nosuch",
        "evaluate runs/a --seeds 3",
        "evaluate runs/a --suite glue",
        "fill runs/a",
        "generate runs/a --order nosuch",
        "generate runs/a --plan nosuch",
        "score runs/a A. --metric nosuch",
        "compare a --data b",
        "compare --models a",
        "finetune",
        "finetune runs/a nosuch",
        "finetune runs/a --resume runs/b",
        "predict runs/a",
        "predict runs/a A. --format nosuch",
        "embed runs/a",
        "embed runs/a A. --to a.txt",
        "list nosuch",
        "list settings nosuch",
    ]
    assert complaint_about(lines, LIBRARIES, 2) is None


def test_recipes_that_cannot_be_compared_are_told_without_torch():
    assert complaint_about(["compare", "compare nosuch data.store=a"], {"torch", "transformers"}, 2) is None


def test_the_complaint_names_the_command_line_and_what_it_imports():
    assert complaint_about(["--version", "list nosuch"], LIBRARIES, 0) == "unmask list nosuch: exit code 2, imports []"
    assert complaint_about(["list tasks"], {"unmask.tasks"}, 0).endswith("exit code 0, imports ['unmask.tasks']")
