"""Folders that are whole or do not count: the sizes and hashes of all files stand in a manifest, written last."""

from __future__ import annotations

import json
import os
from pathlib import Path

import xxhash

MANIFEST = "manifest.json"


def seal(folder: Path) -> None:
    """Flush every file below a folder and write the manifest of their sizes and hashes, last."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        flush(path)
        files[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "xxh3": hashed(path)}
    (folder / MANIFEST).write_text(json.dumps({"files": files}, indent=2) + "\n", encoding="utf-8")
    flush(folder / MANIFEST)
    flush(folder)


def fault(folder: Path) -> str | None:
    """What is wrong with a sealed folder, in a few words; None when it is whole."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return f"{MANIFEST} is missing or unreadable"
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != expected["bytes"]:
            return f"{name} has {path.stat().st_size:,} of {expected['bytes']:,} bytes"
        if hashed(path) != expected["xxh3"]:
            return f"{name} was altered"
    return None


def hashed(path: Path) -> str:
    """The xxh3 hash (128 bits) of a file."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def flush(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
