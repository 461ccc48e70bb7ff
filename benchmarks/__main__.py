"""Run all benchmarks, or those named: `python -m benchmarks throughput scoring`; the tables of docs/performance.md
follow. Long ones have words of their own: `python -m benchmarks tasks --data DATA` (the proofs of fine-tuning),
`python -m benchmarks babylm --data DATA`."""

from __future__ import annotations

import sys

from benchmarks import (
    embedding,
    filling,
    finetuning,
    growth,
    masked_autoencoder,
    preparation,
    scoring,
    startup,
    tables,
    throughput,
)

ALL = {
    "throughput": throughput.main,
    "masked_autoencoder": masked_autoencoder.main,
    "preparation": preparation.main,
    "scoring": scoring.main,
    "filling": filling.main,
    "finetuning": finetuning.main,
    "embedding": embedding.main,
    "startup": startup.main,
    "growth": growth.main,
}


def main(names: list[str]) -> None:
    """Run the named benchmarks, all by default."""
    if names[:1] == ["tasks"]:
        from benchmarks import tasks

        return tasks.main(names[1:])
    if names[:1] == ["babylm"]:
        from benchmarks import babylm

        babylm.main(names[1:])
        return tables.main()
    for name in names or ALL:
        if name not in ALL:
            sys.exit(f"error: no benchmark '{name}' (known: {', '.join(ALL)})")
        ALL[name]()
        tables.main()


if __name__ == "__main__":
    main(sys.argv[1:])
