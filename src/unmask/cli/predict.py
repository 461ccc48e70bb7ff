"""`unmask predict`: what a fine-tuned model answers to texts, a file, or standard input."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.markup import escape

from unmask import console
from unmask.cli.options import Calibrate, Cloze, Labels, Quiet, application, evaluating, examples, few_shot
from unmask.errors import SettingError

NAME = "predict"
EXAMPLES = examples(
    'unmask predict runs/sst2 "A gorgeous, witty, seductive movie."',
    "unmask predict runs/sst2 --data reviews.tsv --format jsonl",
    "unmask predict runs/squad --data questions.jsonl --format jsonl",
    "cat texts.txt | unmask predict runs/ner - --format json",
    'unmask predict runs/demo "Bravo!" --cloze "It was ___." --labels good,bad',
)
FORMATS = ("text", "json", "jsonl")


def command(
    model: Annotated[str, typer.Argument(metavar="RUN", help="A fine-tuned run, or a folder with a task's head.")],
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT...", help="Texts; of a pair, or question and context, a tab between; - reads lines."
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="FILE", help="A .tsv, .csv or .jsonl file, or one of words.")
    ] = None,
    shape: Annotated[
        str, typer.Option("--format", metavar="text|json|jsonl", help="How answers are printed.")
    ] = "text",
    column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column of --data that holds the text.")
    ] = None,
    cloze: Cloze = None,
    labels: Labels = None,
    calibrate: Calibrate = "context",
    quiet: Quiet = False,
) -> None:
    """Answer with a fine-tuned model, or by a prompt with a blank."""
    from unmask.cli.fill import lines

    if shape not in FORMATS:
        raise SettingError(f"--format {shape}: one of {', '.join(FORMATS)} is needed")
    if (data is None) == (not texts):
        raise SettingError("which texts? unmask predict RUN TEXT, or --data FILE, or - for lines of standard input")
    answering = application(model, cloze, labels, calibrate)
    with progress() as done:
        if data is not None:
            named = {} if column is None else {"text": column}
            found, answers = answering.predict_file(data, done, **named)
            asked = [example.text for example in found]
        else:
            asked = list(lines(texts or []))
            answers = answering.predict(asked, done)
    _print(asked, answers, shape)
    if cloze is not None and labels is not None:
        console.next_step(few_shot(model, cloze, labels))
    else:
        console.next_step(evaluating(model))


@contextmanager
def progress() -> Iterator[Callable[[int], None] | None]:
    """A progress bar of rows on a terminal."""
    if console.quiet() or not console.live(sys.stderr):
        yield None
        return
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console.progress_console(), transient=True) as progress:
        task = progress.add_task("rows", total=None)
        yield lambda count: progress.advance(task, count)


def _print(asked: Sequence[str], answers: Sequence[dict[str, Any]], shape: str) -> None:
    records = [{"text": text, **answer} for text, answer in zip(asked, answers, strict=True)]
    if shape == "json":
        console.print_json(records[0] if len(records) == 1 else records)
    elif shape == "jsonl":
        for record in records:
            print(json.dumps(record, ensure_ascii=False))
    else:
        for record in records:
            console.console().print(_line(record), soft_wrap=True)


def _line(record: dict[str, Any]) -> str:
    """One answer on a line: what was said, how sure, and the text."""
    text = escape(" ".join(record["text"].split()))
    if "entities" in record:
        found = "; ".join(f"[bold]{escape(one['text'])}[/bold] {escape(one['label'])}" for one in record["entities"])
        return f"{found or '–'}  [dim]{text}[/dim]"
    if "tags" in record:
        pairs = zip(record["words"], record["tags"], strict=True)
        return " ".join(f"{escape(word)}[dim]/{escape(tag)}[/dim]" for word, tag in pairs)
    if "embedding" in record:
        vector = record["embedding"]
        return f"{' '.join(f'{number:.3f}' for number in vector[:4])} ... ({len(vector)})  [dim]{text}[/dim]"
    if "answer" in record:
        return f"[bold]{escape(record['answer']) or '–'}[/bold]  {record['score']:.4f}  [dim]{text}[/dim]"
    if "labels" in record:
        return f"[bold]{escape(', '.join(record['labels']) or '–')}[/bold]  [dim]{text}[/dim]"
    if "output" in record:
        return f"[bold]{escape(record['output'])}[/bold]  [dim]{text}[/dim]"
    label = f"[bold]{escape(record['label'])}[/bold]  " if "label" in record else ""
    return f"{label}{record['score']:.4f}  [dim]{text}[/dim]"
