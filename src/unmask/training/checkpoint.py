"""Checkpoints that are whole or not there at all.

checkpoints/step-N/ is an ordinary Hugging Face folder, plus state/ (optimizer.safetensors, state.json), plus a
manifest with the size and hash of every file. It is written under a temporary name, flushed, and renamed when the
manifest is in it: a folder without a valid manifest does not count.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from unmask import console
from unmask.errors import Stopped
from unmask.sealed import fault, flush, seal
from unmask.stopping import is_full


@dataclass(frozen=True)
class Checkpoint:
    """A valid checkpoint: its folder is a Hugging Face folder; `state` is what the loop needs to go on."""

    folder: Path
    step: int
    state: dict[str, Any]

    def optimizer(self) -> dict[str, Tensor]:
        """The optimizer's tensors."""
        return load_file(self.folder / "state" / "optimizer.safetensors")


def save(
    checkpoints: Path,
    step: int,
    write_model: Callable[[Path], None],
    state: Mapping[str, Any],
    optimizer: Mapping[str, Tensor],
    verb: str = "pretrain",
) -> Path:
    """Write checkpoints/step-N; a full disk or an unwritable folder raises Stopped and leaves the others alone."""
    final, temporary = checkpoints / f"step-{step}", checkpoints / f".step-{step}.writing"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        (temporary / "state").mkdir(parents=True)
        write_model(temporary)
        save_file(dict(optimizer), temporary / "state" / "optimizer.safetensors")
        (temporary / "state" / "state.json").write_text(json.dumps(state, indent=2), encoding="utf-8")
        seal(temporary)
        if final.exists():  # an invalid one of the same step, or the same state again
            shutil.rmtree(final)
        os.replace(temporary, final)
        flush(checkpoints)
    except Exception as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if not _is_disk_trouble(error):
            raise
        kept = newest(checkpoints)
        whole = f"{kept.folder.name} is whole" if kept else "there is none before it"
        raise Stopped(
            f"{final} could not be written ({error}); {whole}. Make room, then: unmask {verb} --resume "
            f"{checkpoints.parent}"
        ) from None
    return final


def newest(checkpoints: Path) -> Checkpoint | None:
    """The newest whole checkpoint; broken ones on the way are named and passed over."""
    for step, folder in reversed(listed(checkpoints)):
        broken = fault(folder)
        if broken is None:
            state = json.loads((folder / "state" / "state.json").read_text(encoding="utf-8"))
            return Checkpoint(folder, step, state)
        console.warn(f"{folder} is broken ({broken}); the one before it is used")
    return None


def listed(checkpoints: Path) -> list[tuple[int, Path]]:
    """(step, folder) of every checkpoint, whole or not, oldest first."""
    found = []
    for folder in checkpoints.glob("step-*"):
        match = re.fullmatch(r"step-(\d+)", folder.name)
        if match:
            found.append((int(match[1]), folder))
    return sorted(found)


def prune(checkpoints: Path, keep: int, best: int | None) -> None:
    """Remove all but the newest `keep` checkpoints and the one of step `best`."""
    for step, folder in listed(checkpoints)[:-keep]:
        if step != best:
            shutil.rmtree(folder)


def _is_disk_trouble(error: Exception) -> bool:
    words, numbers = ("Permission denied", "Read-only", "os error 13"), (errno.EACCES, errno.EROFS)
    told = getattr(error, "errno", None) in numbers or any(word in str(error) for word in words)
    return told or is_full(error)
