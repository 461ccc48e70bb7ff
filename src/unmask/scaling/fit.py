"""law.json: the law as it was fitted, how far off it was, and from which runs. Written by benchmarks/scaling_fit.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from unmask.scaling.law import Law, Point, fitted, left_out, residuals, root_mean_square, rounded

FILE = Path(__file__).with_name("law.json")


@dataclass(frozen=True)
class Fitted:
    """The law with its error."""

    law: Law
    error: float
    """nats: the usual error for a run that the fit has not seen"""
    most_parameters: float
    """of the runs it was fitted to: what is larger is extrapolated"""
    most_tokens: float


@cache
def known() -> Fitted:
    """The law of law.json; its error is that on other text where that was tried and is larger."""
    data = json.loads(FILE.read_text(encoding="utf-8"))
    errors, runs = data["error"], data["runs"]
    most = (max(run[what] for run in runs) for what in ("parameters", "tokens"))
    return Fitted(Law(**data["law"]), max(errors["left_out"], errors.get("other", 0.0)), *most)


def report(points: Sequence[Point], runs: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> dict[str, Any]:
    """What law.json holds: the law of these points, its errors in nats, and the runs, each with what is expected of it
    by the law and by the law without it. runs: what is known of the points, in their order."""
    law = rounded(fitted(points))
    off, unseen = residuals(law, points), left_out(points, law)
    errors = {"fitted": round(root_mean_square(off), 4), "left_out": round(root_mean_square(unseen), 4)}
    beside = [
        {**run, "expected": round(point.loss - one, 4), "left_out": round(point.loss - other, 4)}
        for run, point, one, other in zip(runs, points, off, unseen, strict=True)
    ]
    return {**about, "law": asdict(law), "error": errors, "runs": beside}
