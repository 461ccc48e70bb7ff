"""What is wrong with a source of text, a token store, or a run, and how to mend it.

    diagnosis = diagnose("runs/demo")
    for finding in diagnosis.findings: print(finding.level, finding.what, finding.mend)

| file | what |
|---|---|
| `diagnosis.py` | `Finding` and `Diagnosis` |
| `sources.py`, `stores.py`, `runs.py` | one examination each |
| `repeats.py` | documents and lines that come again and again |
| `machine.py` | how long the recipes take here |
"""

from __future__ import annotations

from pathlib import Path

from unmask.doctor.diagnosis import Diagnosis, Finding

__all__ = ["Diagnosis", "Finding", "diagnose"]


def diagnose(target: str | Path) -> Diagnosis:
    """Examine a run folder, a token store, or else a source of text as `unmask prepare` takes it.

    Raises DataError for a source that does not exist; what is broken inside is a finding.
    """
    folder = Path(target)
    if (folder / "run.json").is_file() and not (folder / "config.json").is_file():
        from unmask.doctor.runs import examine
    elif (folder / "shards").is_dir() or (folder / "manifest.json").is_file():
        from unmask.doctor.stores import examine
    else:
        from unmask.doctor.sources import examine
    return examine(str(target))
