"""What an examination comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["ok", "note", "warning"]
_ORDER = ("warning", "note", "ok")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `ok`, a `note` (worth knowing), or a `warning` (mend it first)."""

    level: Level
    what: str
    mend: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """The findings on a target, warnings first, the figures they stand on, and the next useful command."""

    kind: Literal["source", "store", "run"]
    target: str
    findings: tuple[Finding, ...]
    next_step: str
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """Whether nothing needs mending."""
        return not any(finding.level == "warning" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as plain JSON types."""
        return asdict(self) | {"findings": [asdict(finding) for finding in self.findings], "healthy": self.healthy}


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Warnings first, then notes, then what is well; each in the order of the examination."""
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.level)))
