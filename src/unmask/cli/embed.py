"""`unmask embed`: texts as vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask import console
from unmask.cli.options import Quiet, examples
from unmask.errors import SettingError

if TYPE_CHECKING:
    import numpy as np

NAME = "embed"
EXAMPLES = examples(
    'unmask embed runs/demo "A text." "Another one."',
    "unmask embed runs/demo-embeddings --data articles.tsv --to articles.npy",
    "cat texts.txt | unmask embed runs/demo - --pooling cls > vectors.jsonl",
)


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run, any encoder's folder, or a hub name.")],
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT...", help="Texts; - reads lines.")] = None,
    data: Annotated[
        str | None, typer.Option(metavar="FILE", help="A .tsv, .csv or .jsonl file, or a .txt file of lines.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column of --data that holds the text.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="A .npy (N,D) or .jsonl file; else jsonl is printed.")
    ] = None,
    pooling: Annotated[
        str | None, typer.Option(metavar="mean|cls", help="As the model's folder says, else mean.")
    ] = None,
    normalize: Annotated[
        bool | None, typer.Option("--normalize/--raw", help="Length 1 or not; as the folder says, else 1.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Turn texts into vectors."""
    if (data is None) == (not texts):
        raise SettingError("which texts? unmask embed MODEL TEXT, or --data FILE, or - for lines of standard input")
    if to is not None and to.suffix not in (".npy", ".jsonl"):
        raise SettingError(f"--to {to}: a name that ends in .npy or .jsonl is needed")

    from unmask.cli.predict import progress
    from unmask.tasks.embedder import ready

    asked = _texts(texts, data, column)
    made = ready(model, pooling, normalize, None)
    with progress() as done:
        vectors = made.embed(asked, done=done)
    if to is not None:
        _write(to, asked, vectors)
        console.say(f"{len(vectors):,} vectors of {vectors.shape[1]} numbers: {to}")
    else:
        for line in _lines(asked, vectors):
            print(line)
    console.next_step(f"unmask finetune {model} embeddings data.train=pairs.tsv")


def _texts(texts: list[str] | None, data: str | None, column: str | None) -> list[str]:
    from unmask.cli.fill import lines
    from unmask.corpus.files import text_lines
    from unmask.tasks.tables import Columns, read_rows, suffix_of

    if data is None:
        return list(lines(texts or []))
    if suffix_of(data) == ".txt" and Path(data).is_file():
        return [line.strip() for line in text_lines(data) if line.strip()]
    return [row.text for row in read_rows(data, Columns(text=column), None)]


def _write(path: Path, texts: Sequence[str], vectors: np.ndarray) -> None:
    import numpy as np

    if path.suffix == ".npy":
        np.save(path, vectors)
    else:
        path.write_text("".join(f"{line}\n" for line in _lines(texts, vectors)), encoding="utf-8")


def _lines(texts: Sequence[str], vectors: np.ndarray) -> list[str]:
    """A JSON object a text."""
    return [
        json.dumps({"text": text, "embedding": [round(float(number), 7) for number in vector]}, ensure_ascii=False)
        for text, vector in zip(texts, vectors, strict=True)
    ]
