"""`unmask tokenizer`: a tokenizer trained on texts, in an ordinary Hugging Face folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask import console
from unmask.cli.options import Json, Quiet, examples
from unmask.cli.prepare import sources_and_settings
from unmask.errors import SettingError

if TYPE_CHECKING:
    from unmask.corpus import CorpusSettings, Document
    from unmask.tokens import TokenizerSettings

NAME = "tokenizer"
EXAMPLES = examples(
    "unmask tokenizer my-texts/ --to tokenizers/a tokenizer.vocabulary_size=16384",
    "unmask tokenizer python-docs --to tokenizers/docs --json",
)

_CHECKED_CHARACTERS = 1_000_000


def command(
    words: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE SETTING=VALUE", help="As for prepare: sources, then settings."),
    ],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="The folder to make.")],
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; all cores by default.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a tokenizer on texts and check it."""
    sources, settings = sources_and_settings(words)
    if to.exists():
        raise SettingError(f"{to} exists already and is left alone; choose another folder with --to")
    checks = train(sources, to, settings.corpus, settings.tokenizer, workers)
    if as_json:
        console.print_json(checks)
    else:
        rows = [[name.replace("_", " "), value] for name, value in checks.items()]
        console.console().print(console.table(str(to), ["check", "value"], rows))
    console.next_step(f"unmask prepare SOURCE --to stores/NAME tokenizer.folder={to}")


def train(
    sources: list[str], to: Path, corpus: CorpusSettings, settings: TokenizerSettings, workers: int | None = None
) -> dict[str, float]:
    """Train on the training documents of the sources, save to a folder, and check on held-out ones."""
    from unmask.corpus import Source, collect
    from unmask.tokens.training import check_tokenizer, sample, train_tokenizer

    work = to.with_name(f"{to.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    collected = collect([Source.parse(source) for source in sources], corpus, work, workers=workers)

    def documents(split: str) -> Iterator[Document]:
        return (document for part in collected.parts for document in part.documents(split))

    made = train_tokenizer(documents("train"), settings)
    checks = check_tokenizer(made, sample(documents("validation"), _CHECKED_CHARACTERS))
    made.save(to)
    shutil.rmtree(work)
    return {"vocabulary_size": made.vocabulary_size, **checks}
