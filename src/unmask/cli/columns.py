"""`data.text=body data.label=kind`: where files of examples hold what, given as settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import make_dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unmask.tasks.settings import TaskData
    from unmask.tasks.tables import Columns


def columns_of(settings: Iterable[str], data: TaskData | None = None) -> Columns:
    """The columns that settings name, over those of `data`."""
    from unmask.config import overridden
    from unmask.tasks.settings import TaskData

    reading = make_dataclass("Reading", [("data", TaskData)], frozen=True)(data or TaskData())
    return overridden(reading, settings).data.columns
