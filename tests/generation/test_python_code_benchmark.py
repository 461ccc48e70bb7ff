"""The benchmark of Python: which functions and lines it asks for, and that it runs."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from unmask.models import Model

ROOT = Path(__file__).parents[2]
MODULE = '''
class Cat:
    def sit(self, mat):
        """Sit on a mat."""
        mat.cat = self
        if mat:
            return mat

    def purr(self):
        return "prr"

    async def sleep(self):
        """Sleep."""
        await self.bed()

    def only(self):
        """Says it all."""
'''


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import python_code

    return python_code


def test_functions_are_those_with_a_docstring_and_a_body(benchmark) -> None:
    found = list(benchmark.functions(MODULE))
    assert [function.target for function in found] == [
        "mat.cat = self\nif mat:\n    return mat",
        "await self.bed()",
    ]
    assert found[0].source == 'def sit(self, mat):\n    """Sit on a mat."""'
    assert all(ast.parse(f"async def f():\n    {each.target.splitlines()[0]}") for each in found[1:])
    assert list(benchmark.functions("def broken(:")) == []


def test_a_line_is_missing_and_everything_around_it_is_there(benchmark) -> None:
    row = {"source": "def f(x):\n    '''Doc.'''", "target": "y = x + 1\nif y:\n    y -= 1\nreturn y"}
    every = list(benchmark.missing(row, every=True))
    assert [each.line for each in every] == ["y = x + 1", "if y:", "y -= 1", "return y"]
    whole = row["source"] + "\n    y = x + 1\n    if y:\n        y -= 1\n    return y"
    assert all(f"{each.before}{each.line}{each.after}".rstrip("\n") == whole for each in every)
    assert every[2].before.endswith("if y:\n        ")
    [one] = benchmark.missing(row, every=False)
    assert one in every


def test_data_are_parted_by_modules_and_a_model_is_measured_on_them(benchmark, bert: Model, tmp_path: Path) -> None:
    for number in range(40):
        name = f"m{number}"
        text = f'def f():\n    "{number}"\n    a = {number}\n    return the\n'
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "left_out.py").write_text(MODULE)
    counts = benchmark.main(["data", "--source", str(tmp_path), "--to", str(tmp_path / "data")])
    assert counts["pretraining"] == counts["train"] == 40 - counts["held-out"]
    assert 0 < counts["held-out"] < 20
    rows = [json.loads(line) for line in (tmp_path / "data" / "held-out.jsonl").read_text().splitlines()]
    assert all(set(row) == {"source", "target"} for row in rows)
    table = benchmark.main(["lines", "--model", str(bert.path), "--data", str(tmp_path / "data"), "--sample", "2"])
    assert list(table) == ["the model", "line of the nearest surroundings", "most frequent line"]
    assert all(0 <= figure <= 1 for figures in table.values() for figure in figures.values())
