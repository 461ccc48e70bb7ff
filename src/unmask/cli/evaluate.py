"""`unmask evaluate`: how well a model restores words of documents it has not seen, or does at tasks."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from unmask import console
from unmask.cli.columns import columns_of
from unmask.cli.options import (
    Calibrate,
    Cloze,
    Json,
    Labels,
    ModelName,
    Quiet,
    application,
    asking,
    examples,
    few_shot,
    filling,
)
from unmask.cli.prepare import sections
from unmask.errors import SettingError

NAME = "evaluate"
EXAMPLES = examples(
    "unmask evaluate runs/demo",
    "unmask evaluate runs/demo --data stores/en --data stores/zh",
    "unmask evaluate answerdotai/ModernBERT-base --data my-texts/ --json",
    "unmask evaluate runs/demo --data news.jsonl corpus.column=body",
    "unmask evaluate runs/demo --suite blimp --data blimp/ --sample 100",
    "unmask evaluate runs/demo --suite glue --data glue/ --seeds 3",
    "unmask evaluate runs/sst2 --data test.tsv --json",
    'unmask evaluate m --data a.tsv --cloze "It was ___." --labels 1:good,0:bad',
)


def command(
    model: ModelName,
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="SETTING=VALUE", help="How --data is read: corpus.column=body, ...; how glue trains."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXTS|STORE",
            help="Default: the run's own held-out documents. May be given several times. Files of a suite, a task.",
        ),
    ] = None,
    suite: Annotated[
        str | None, typer.Option(metavar="SUITE", help="Judge by a benchmark: blimp (minimal pairs), glue.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Questions of each kind of a --suite; all by default.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Runs of --suite glue; runs/MODEL-glue by default.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Runs of each task of --suite glue; 3 by default.")] = None,
    cloze: Cloze = None,
    labels: Labels = None,
    calibrate: Calibrate = "context",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure a model: on blanked words, at its task, by a prompt, or by a suite."""
    from unmask.evaluation import SUITES, evaluate
    from unmask.tasks.folders import application_folder

    if suite is not None:
        SUITES[suite]  # an unknown one is refused before anything is loaded
    if cloze is not None or labels is not None:
        if suite is not None:
            raise SettingError("--cloze asks about the labelled texts of --data, and a suite has files: leave one out")
        return _by_words(model, data, settings or [], cloze, labels, calibrate, as_json)
    if suite == "glue":
        return _fine_tuned(model, data, settings or [], sample, to, seeds, as_json)
    if to is not None or seeds is not None:
        raise SettingError("--to and --seeds are for --suite glue, which trains: leave them out")
    if suite is None and application_folder(model) is not None:
        return _of_task(model, data, settings or [], as_json)
    if suite is not None and settings:
        raise SettingError(f"{settings[0]} says how text is read, and a suite has files of its own: leave it out")
    figures = evaluate(model, data, corpus=sections(settings or []).corpus, suite=suite, sample=sample)
    if as_json:
        console.print_json(figures)
    elif suite is not None:
        from unmask.cli.figures import suite_tables

        console.console().print(suite_tables(figures, title=f"{model} on {suite}"))
    else:
        from unmask.cli.figures import figures_tables

        where = ", ".join(data) if data else "its held-out documents"
        console.console().print(figures_tables(figures, title=f"{model} on {where}"))
    console.next_step(filling(model))


def _fine_tuned(
    model: str,
    data: list[str] | None,
    settings: list[str],
    sample: int | None,
    to: str | None,
    seeds: int | None,
    as_json: bool,
) -> None:
    """A model on the tasks of GLUE."""
    if data is None or len(data) != 1:
        raise SettingError("the files of glue are needed: name their folder with --data FOLDER")

    from unmask.tasks.glue import Glue, rows

    figures = Glue(sample, to, seeds or 3, settings).judge(model, data[0])
    if as_json:
        console.print_json(figures)
    else:
        header, made = rows(figures)
        turned = [list(row) for row in zip(header[1:], *(row[1:] for row in made), strict=True)]
        title = f"{model} on glue: mean ± spread over {figures['seeds']} seeds, in percent"
        console.console().print(console.table(title, ["", *(row[0] for row in made)], turned))
    console.next_step(f"unmask finetune {model} classification data.train=train.tsv")


def _of_task(model: str, data: list[str] | None, settings: list[str], as_json: bool) -> None:
    """A fine-tuned model on labelled examples."""
    if data is None:
        raise SettingError(f"{model} is fine-tuned: --data FILE (labelled examples) is needed to evaluate it")
    tuned = application(model, None, None, "")
    columns = asdict(columns_of(settings, tuned.data))
    _show({path: tuned.evaluate(path, **columns) for path in data}, {}, f"{model} at its task", as_json)
    console.next_step(asking(model))


def _by_words(
    model: str,
    data: list[str] | None,
    settings: list[str],
    cloze: str | None,
    labels: str | None,
    calibrate: str,
    as_json: bool,
) -> None:
    """A masked language model on labelled examples that it is asked about by a prompt, beside guessing."""
    if data is None:
        raise SettingError("which texts? --data FILE, with a label each, is needed to count right answers")
    asked = application(model, cloze, labels, calibrate)
    columns = columns_of(settings)
    figures = {path: asked.evaluate(path, **asdict(columns)) for path in data}
    task: Any = asked.task
    guessed = {"most frequent label": task.guessed(task.read(data[-1], columns), asked.labels)}
    _show(figures, guessed, f"{model} by its words, trained on no example", as_json)
    console.next_step(few_shot(model, cloze or "", labels or ""))


def _show(figures: dict[str, Any], baselines: dict[str, Any], title: str, as_json: bool) -> None:
    if as_json:
        told = next(iter(figures.values())) if len(figures) == 1 else figures
        return console.print_json({**told, **({"baselines": baselines} if baselines else {})})
    from unmask.cli.finetune import results

    console.console().print(results(figures, baselines, title=title))
