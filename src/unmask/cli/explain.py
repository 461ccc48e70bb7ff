"""`unmask explain`: what a prediction rests on, token by token and layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from unmask import console
from unmask.cli.options import Json, ModelName, Quiet, examples
from unmask.errors import SettingError

if TYPE_CHECKING:
    import numpy as np
    from rich.text import Text

    from unmask.understanding.explain import Explanation

NAME = "explain"
EXAMPLES = examples(
    'unmask explain runs/demo "Returns a new [MASK] with the same shape."',
    'unmask explain runs/demo "An [MASK] is raised." --target error',
    'unmask explain runs/demo "The ___ of the ___." --blank 2 --to explained',
    'unmask explain runs/sst2 "A gorgeous, witty, seductive movie."',
    'unmask explain runs/ner "Angela Merkel visits Paris." --word Paris',
)
STRONGEST = 8
"""Tokens in the table of figures."""


def command(
    model: ModelName,
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="With a blank ([MASK], ___); any for a fine-tuned model.")
    ],
    target: Annotated[
        str | None, typer.Option(metavar="WORD", help="Explain this word (one token), label or answer, not the best.")
    ] = None,
    blank: Annotated[int | None, typer.Option(metavar="N", help="Which blank, from 1.")] = None,
    word: Annotated[
        str | None, typer.Option(metavar="WORD|N", help="Whose tag, of a tagger: a word of the text, or its number.")
    ] = None,
    part: Annotated[
        str | None, typer.Option(metavar="start|end", help="Of an answer in a text, where it starts or ends alone.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write explanation.html, .png and .json there.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show what a prediction rests on: tokens, layers and attention."""
    from unmask.tasks.folders import application_folder

    tuned = application_folder(model) is not None
    found = (
        _of_task(model, text, target, blank, word, part) if tuned else _of_blank(model, text, target, blank, word, part)
    )
    if as_json:
        console.print_json(found.as_dict())
    else:
        _show(found)
    if to is not None:
        _write(found, to)
    console.next_step(f"unmask {'predict' if tuned else 'fill'} {model} {_quoted(text)}")


def _of_task(
    model: str, text: str, target: str | None, blank: int | None, word: str | None, part: str | None
) -> Explanation:
    """An answer of a fine-tuned model."""
    from unmask.tasks.application import Application
    from unmask.understanding.explain_answer import explain_answer

    if blank is not None:
        raise SettingError(f"{model} is fine-tuned and fills no blanks: leave out --blank")
    return explain_answer(Application.load(model), text, target=target, word=word, part=part)


def _of_blank(
    model: str, text: str, target: str | None, blank: int | None, word: str | None, part: str | None
) -> Explanation:
    """A word in a blank."""
    from unmask.models import load
    from unmask.understanding.explain import explain

    loaded = load(model)
    for name, given in (("--word", word), ("--part", part)):
        if given is not None:
            raise SettingError(f"{model} fills blanks, and {name} asks a fine-tuned model: leave it out")
    return explain(loaded, text, target=target, blank=1 if blank is None else blank)


def _write(found: Explanation, to: Path) -> None:
    import json

    from unmask.understanding.page import write_page
    from unmask.understanding.picture import draw

    to.mkdir(parents=True, exist_ok=True)
    written = [write_page(found, to / "explanation.html"), draw(found, to / "explanation.png")]
    (to / "explanation.json").write_text(json.dumps(found.as_dict(), ensure_ascii=False, indent=2), encoding="utf-8")
    console.say(f"written: {', '.join(map(str, written))}")


def _show(found: Explanation) -> None:
    """The prediction, a coloured line for each method, the figures of the strongest tokens, and the layers."""
    from unmask.understanding.shades import TITLES

    out = console.console()
    others = ", ".join(f"{escape(word)} {100 * value:.1f} %" for word, value in found.answers if word != found.target)
    asked = f"{escape(found.asked)}: " if found.asked else ""
    beside = f"   [dim]{others}[/dim]" if others else ""
    out.print(f"{asked}[bold]{escape(found.target)}[/bold] {found.told}{beside}\n")
    for name, values in found.attributions.items():
        out.print(f"[dim]{TITLES[name]}[/dim]")
        out.print(_line(found, values), "")
    out.print(_figures(found), "")
    if found.lens:
        rows = [
            [
                "embeddings" if number == 0 else f"layer {number}",
                f"{100 * each.probability:.1f} %",
                each.rank,
                escape("  ".join(word for word, _ in each.answers)),
            ]
            for number, each in enumerate(found.lens, start=found.first_layer)
        ]
        made = console.table("layer by layer", ["", escape(found.target), "rank", "likeliest"], rows)
        made.columns[3].justify = "left"
        out.print(made)


def _line(found: Explanation, values: np.ndarray) -> Text:
    """The row as text: blue speaks for the word, orange against it."""
    from rich.text import Text

    from unmask.understanding.shades import shade

    strongest, line = float(abs(values).max()), Text()
    for column, (text, value) in enumerate(zip(found.tokens, values.tolist(), strict=True)):
        colour = shade(value, strongest)
        style = f"black on {colour}" if colour else ""
        space = len(text) - len(text.lstrip())
        line.append(text[:space])
        line.append(text[space:], f"bold {style}" if column in found.places else style)
    return line


def _figures(found: Explanation):
    """The tokens with the largest parts, in the order of the text."""
    from unmask.understanding.shades import TITLES

    parts = found.attributions.get("masked", found.attributions["left_out"])
    ranked = sorted(range(len(found.tokens)), key=lambda column: -abs(parts[column]))
    rows = [
        [escape(found.tokens[column].strip()), *(_part(values[column]) for values in found.attributions.values())]
        for column in sorted(ranked[:STRONGEST])
    ]
    rows.append(["all", *(f"{values.sum():+.3f}" for values in found.attributions.values())])
    made = console.table("", ["token", *(TITLES[name] for name in found.attributions)], rows)
    made.title = None
    return made


def _part(value: float) -> str:
    """A dash where a token has no part: the frame, or what is asked and cannot be left out."""
    return f"{value:+.3f}" if value else "–"


def _quoted(text: str) -> str:
    """A text as a shell takes it; a tab, which would be printed as blanks, by its name."""
    import shlex

    if "\t" not in text:
        return shlex.quote(text)
    plain = text.replace("\\", "\\\\").replace("'", "\\'").replace("\t", "\\t")
    return f"$'{plain}'"
