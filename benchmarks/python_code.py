"""Python by a masked language model that was pretrained on Python: a missing line, and a function's body from its
docstring. The text is the standard library of the Python that runs this; every tenth module is held out.

    python -m benchmarks.python_code data --to code                    pretraining.jsonl, train.jsonl, held-out.jsonl
    unmask pretrain modernbert data.source=code/pretraining.jsonl training.minutes=90 tokenizer.kind=bpe \\
        corpus.whitespace=false --to runs/code                         cleaning would take the indentation away
    unmask finetune runs/code sequence_to_sequence data.train=code/train.jsonl data.validation=code/held-out.jsonl \\
        task.length=128 task.metric=chrf --to runs/bodies              its table has the baselines in it
    python -m benchmarks.python_code lines --model runs/code --data code --sample 200 --keep

A missing line is asked for with the lines around it, and the model is told of how many tokens it is. The nearest line
is the one whose surroundings in the training functions are most alike (TF-IDF). It is not run by `python -m
benchmarks`, which has no such model.
"""

from __future__ import annotations

import argparse
import ast
import json
import sysconfig
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from benchmarks.measuring import keep

HELD_OUT = 10
"""One module in so many is held out."""
LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idlelib", "__pycache__"}
BODY = 600
"""The longest body in characters."""
AROUND = 6
"""Lines that are shown before a missing one, and behind it."""
INDENT = 4 * " "
FILES = ("pretraining", "train", "held-out")


@dataclass(frozen=True)
class Function:
    """A function with its docstring: what it is asked by, and what it does."""

    source: str
    """its head and its docstring"""
    target: str
    """its body, not indented"""


def main(given: Sequence[str] | None = None) -> dict[str, Any]:
    """Do what the words say: `data` writes files, `lines` measures a model."""
    asked = _parser().parse_args(given)
    if asked.verb == "data":
        return write_data(Path(asked.source), Path(asked.to))
    return missing_lines(asked.model, Path(asked.data), asked.sample, asked.keep)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.python_code")
    verbs = parser.add_subparsers(dest="verb", required=True)
    data = verbs.add_parser("data")
    data.add_argument("--source", default=sysconfig.get_path("stdlib"), metavar="FOLDER", help="of .py files")
    data.add_argument("--to", required=True, metavar="FOLDER")
    lines = verbs.add_parser("lines")
    lines.add_argument("--model", required=True, metavar="MODEL")
    lines.add_argument("--data", required=True, metavar="FOLDER", help="that `data` wrote")
    lines.add_argument("--sample", type=int, default=200)
    lines.add_argument("--keep", action="store_true", help="write benchmarks/results/python_code.json")
    return parser


# ---------------------------------------------------------------- the data


def write_data(source: Path, to: Path) -> dict[str, int]:
    """Modules for pretraining, and functions of them and of the held-out modules; how many there are of each."""
    from unmask.seeding import text_key

    written: dict[str, list[dict[str, str]]] = {name: [] for name in FILES}
    seen: set[str] = set()
    for path in modules(source):
        name = str(path.relative_to(source))
        text = path.read_text(encoding="utf-8", errors="replace")
        held_out = text_key(name) % HELD_OUT == 0
        if not held_out:
            written["pretraining"].append({"id": name, "text": text})
        for function in functions(text):
            if function.target not in seen:  # wrappers are written again and again
                seen.add(function.target)
                written["held-out" if held_out else "train"].append(vars(function))
    to.mkdir(parents=True, exist_ok=True)
    for name, rows in written.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (to / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    counts = {name: len(rows) for name, rows in written.items()}
    print(counts)
    return counts


def modules(source: Path) -> list[Path]:
    """The .py files below a folder, tests and installed packages left out."""
    found = sorted(source.rglob("*.py"))
    return [path for path in found if not LEFT_OUT & set(path.relative_to(source).parts)]


def functions(text: str) -> Iterator[Function]:
    """The functions of a module that have a docstring and a short body."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    lines = text.splitlines()
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or len(node.body) < 2:
            continue
        if ast.get_docstring(node) is None:
            continue
        head = dedent("\n".join(lines[node.lineno - 1 : node.body[0].end_lineno]))
        body = dedent("\n".join(lines[node.body[1].lineno - 1 : node.end_lineno]))
        if 0 < len(body.strip()) <= BODY:
            yield Function(head, body.strip())


# ---------------------------------------------------------------- missing lines


@dataclass(frozen=True)
class Missing:
    """A line that is missing from a text; its indentation stands in the text."""

    before: str
    line: str
    after: str

    @property
    def around(self) -> str:
        """What is known."""
        return f"{self.before}\n{self.after}"


def missing(row: dict[str, str], every: bool) -> Iterator[Missing]:
    """The lines of a function's body, each missing once; or one of them, chosen by a hash of the function."""
    from unmask.seeding import text_key

    head, lines = row["source"].splitlines(), indent(row["target"], INDENT).splitlines()
    whole = head + lines
    numbers = [number for number in range(len(head), len(whole)) if len(whole[number].strip()) > 3]
    if numbers and not every:
        numbers = [numbers[text_key(row["source"]) % len(numbers)]]
    for number in numbers:
        line = whole[number]
        blank = line[: len(line) - len(line.lstrip())]
        before = "\n".join([*whole[max(0, number - AROUND) : number], blank])
        yield Missing(before, line.strip(), "\n" + "\n".join(whole[number + 1 : number + 1 + AROUND]))


def missing_lines(name: str, data: Path, sample: int, kept: bool = False) -> dict[str, dict[str, float]]:
    """Exact matches and chrF of a model's lines, and of lines found without one."""
    from unmask import load
    from unmask.tasks.written_texts import figures_of, simple_texts

    train, held_out = ([json.loads(line) for line in _lines(data / f"{name}.jsonl")] for name in FILES[1:])
    known = [each for row in train for each in missing(row, every=True)]
    model = load(name)
    asked = [each for row in held_out for each in missing(row, every=False) if _fits(model, each)][:sample]
    if not asked:
        raise SystemExit(f"error: no held-out line of {data} fits a row of {model.row_limit} tokens")
    simple = simple_texts([(each.around, each.line) for each in known], [each.around for each in asked])
    nearest = simple["target of the nearest training source"]
    [(frequent, _)] = Counter(each.line for each in known).most_common(1)
    said = {
        "the model": [filled(model, each) for each in asked],
        "line of the nearest surroundings": nearest,
        "most frequent line": [frequent] * len(asked),
    }
    wanted = [(each.line,) for each in asked]
    table = {row: {key: figures_of(wanted, texts)[key] for key in ("exact", "chrf")} for row, texts in said.items()}
    for row, figures in table.items():
        print(f"{row:<34}" + "  ".join(f"{key} {value:.4f}" for key, value in figures.items()))
    if kept:
        keep("python_code", {"model": name, "data": str(data), "sample": len(asked)}, {}, table)
    return table


def filled(model: Any, asked: Missing) -> str:
    """The line that a model writes, the surest token first, as far as it breaks no line."""
    [made] = model.generate(asked.before, tokens=_size(model, f" {asked.line}"), suffix=asked.after, temperature=0)
    return made.fillings[0].strip().partition("\n")[0].rstrip()


def _fits(model: Any, asked: Missing) -> bool:
    """Whether a line with what is around it fits a row; texts in which a mask token is spelled out are left out."""
    whole = f"{asked.around} {asked.line}"
    return model.tokenizer.mask_token[:-1] not in whole and _size(model, whole) + 8 <= model.row_limit


def _size(model: Any, text: str) -> int:
    return len(model.tokenizer.encode([text], literal=True)[0])


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    main()
