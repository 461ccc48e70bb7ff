"""`unmask prepare`: texts from anywhere into a token store that training maps into memory."""

from __future__ import annotations

from dataclasses import make_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from unmask import console
from unmask.cli.options import Json, Quiet, Workers, examples, separated
from unmask.errors import SettingError

NAME = "prepare"
EXAMPLES = examples(
    "unmask prepare my-texts/ --to stores/mine",
    "unmask prepare 'wiki=dumps/*.jsonl.zst@2' notes/ --to stores/all",
    "unmask prepare hf:wikitext:wikitext-103-v1 --to stores/wiki tokenizer.kind=bpe",
    "zcat texts.gz | unmask prepare - --to stores/piped corpus.documents=lines",
)


def command(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE SETTING=VALUE",
            help="File, folder, glob, -, hf:NAME[:CONFIG] or python-docs, as [TAG=]SOURCE\\[@WEIGHT]; then settings.",
        ),
    ],
    to: Annotated[Path, typer.Option("--to", metavar="STORE", help="The store to make.")],
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Clean, deduplicate, split and tokenise texts into a store."""
    sources, settings = sources_and_settings(words)

    from unmask.tokens.build import prepare

    store = prepare(sources, to, corpus=settings.corpus, tokenizer=settings.tokenizer, workers=workers)
    if as_json:
        console.print_json(store.manifest)
    console.next_step(f"unmask pretrain modernbert data.store={to} training.minutes=30")


def sources_and_settings(words: list[str]) -> tuple[list[str], Any]:
    """The sources among the words, and `sections` of the others."""
    sources, assignments = separated(words)
    if not sources:
        raise SettingError("which text? name a file, a folder, a glob, - or python-docs, e.g. unmask prepare my-texts/")
    return sources, sections(assignments)


def sections(assignments: list[str]) -> Any:
    """A value with the sections `corpus` and `tokenizer`, as `section.field=value` assignments set them."""
    from unmask.config import overridden, section
    from unmask.corpus import CorpusSettings
    from unmask.tokens.training import TokenizerSettings

    fields = (("corpus", CorpusSettings), ("tokenizer", TokenizerSettings))
    made = make_dataclass("Preparation", [(name, kind, section(kind)) for name, kind in fields], frozen=True)
    return overridden(made(), assignments)
