"""metrics.jsonl: one JSON object a step, each step once; and TensorBoard beside it when it is installed and wanted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unmask.errors import DataError, MissingExtra


class Journal:
    """Appends records to metrics.jsonl; opened at a step, it first cuts off what was written after that step."""

    def __init__(self, folder: Path, step: int = 0, tensorboard: bool = False) -> None:
        self.path = folder / "metrics.jsonl"
        _cut(self.path, step)
        self._file = self.path.open("a", encoding="utf-8")
        self._board = _board(folder, step) if tensorboard else None

    def write(self, record: Mapping[str, Any]) -> None:
        """One line, on disk as far as the operating system is concerned."""
        finite = {key: value if _finite(value) else None for key, value in record.items()}
        self._file.write(json.dumps(finite) + "\n")
        self._file.flush()
        if self._board is not None:
            for key, value in finite.items():
                if isinstance(value, (int, float)) and key != "step":
                    self._board.add_scalar(key, value, record["step"])

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a metrics.jsonl, none when there is no file; a last line cut short by a crash is passed over.

    DataError when another line cannot be read.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(json.loads(line))
        except ValueError:
            if number < len(lines):
                raise DataError(f"{path} line {number} is not JSON: remove the line") from None
    return records


def _cut(path: Path, step: int) -> None:
    kept = [record for record in read(path) if record["step"] <= step]
    temporary = path.with_suffix(".writing")
    temporary.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")
    temporary.replace(path)


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtra("tensorboard", extra="tensorboard", why="for training.tensorboard=true") from None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
