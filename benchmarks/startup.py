"""Seconds from pressing Enter to the answer: `unmask --help` and `unmask list` beside what others take.

nothing                `python -c pass`, the floor
help, list             `unmask --help`, `unmask list`
verb-help              `unmask pretrain --help`
import-transformers    `python -c "import transformers"`
transformers, accelerate   their `--help`, where they are installed

Medians of ten starts each, in turns; files are in the system's cache after the first, which does not count.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measuring import keep

OURS = "import sys; from unmask.cli import main; sys.exit(main())"
COMMANDS = {
    "nothing": ["-c", "pass"],
    "help": ["-c", OURS, "--help"],
    "list": ["-c", OURS, "list"],
    "verb-help": ["-c", OURS, "pretrain", "--help"],
    "import-transformers": ["-c", "import transformers"],
}
SCRIPTS = ("transformers", "accelerate")
TARGETS = {"help": 0.3, "list": 0.5, "verb-help": 0.5}
"""Seconds that a start may take."""
STARTS = 10


def main(starts: int = STARTS) -> None:
    """Measure all commands and keep the results."""
    lines = {name: [sys.executable, *words] for name, words in COMMANDS.items()} | scripts()
    seconds: dict[str, list[float]] = {name: [] for name in lines}
    for number in range(starts + 1):
        for name, line in lines.items():
            took = timed(line)
            if number:
                seconds[name].append(took)
    medians = {name: round(statistics.median(each), 3) for name, each in seconds.items()}
    met = {name: medians[name] <= target for name, target in TARGETS.items()}
    print(keep("startup", {"starts": starts, "targets": TARGETS}, seconds, {"seconds": medians, "met": met}))


def scripts() -> dict[str, list[str]]:
    """The help pages of others that are installed beside this Python."""
    folder = Path(sys.executable).parent
    return {name: [str(folder / name), "--help"] for name in SCRIPTS if (folder / name).exists()}


def timed(line: list[str]) -> float:
    """Seconds until a command has ended; SystemExit when it fails."""
    started = time.perf_counter()
    done = subprocess.run(line, capture_output=True, text=True)
    took = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"error: {' '.join(line)} failed: {done.stderr.strip().splitlines()[-1]}")
    return took


if __name__ == "__main__":
    main()
