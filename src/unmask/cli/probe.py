"""`unmask probe`: what each layer of a model knows of a task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask import console
from unmask.cli.options import Json, ModelName, Quiet, examples

if TYPE_CHECKING:
    from unmask.understanding.probing import Probed

NAME = "probe"
EXAMPLES = examples(
    "unmask probe runs/demo --data en_ewt-ud-dev.conllu --to probe.png",
    "unmask probe runs/demo --data train.tsv --test dev.tsv",
    "unmask probe bert-base-uncased --data tags.txt data.label=4 --json",
)
_BAR = 24


def command(
    model: ModelName,
    data: Annotated[
        str, typer.Option(metavar="FILE", help="Words with tags (.conllu, columns), or texts with labels (.tsv).")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="SETTING=VALUE", help="How files are read: data.label=xpos, data.text=body."),
    ] = None,
    test: Annotated[
        str | None, typer.Option(metavar="FILE", help="What to test on; without it a fifth of the data.")
    ] = None,
    most: Annotated[int, typer.Option(metavar="N", help="Words or texts to train on.")] = 10_000,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the control task's random labels.")] = 0,
    to: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw the layers into a picture.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure what each layer knows of a task, by linear probes."""
    from unmask.cli.columns import columns_of
    from unmask.models import load
    from unmask.understanding.probing import probe

    folder = Path(model)
    title = f"{folder.parent.name if folder.name == 'model' else folder.name} on {Path(data).name}"
    found = probe(load(model), data, test=test, columns=columns_of(settings or []), most=most, seed=seed)
    if as_json:
        console.print_json(found.as_dict())
    else:
        _show(found, title)
    if to is not None:
        from unmask.understanding.picture import draw_probed

        console.say(f"written: {draw_probed(found, title, to)}")
    console.next_step(f"unmask evaluate {model}")


def _show(found: Probed, title: str) -> None:
    """A line for each layer, the best in bold, and what guessing gets right."""
    what = "words" if found.of_words else "texts"
    best = max(found.layers, key=lambda layer: layer.accuracy)
    out = console.console()
    out.print(f"[bold]{title}[/bold]")
    out.print(f"[dim]{found.labels} labels, trained on {found.trained:,} {what}, tested on {found.tested:,}[/dim]", "")
    made = console.table("", ["", "right", "control", "selectivity", ""], [])
    made.title, made.columns[4].justify = None, "left"
    for layer in found.layers:
        made.add_row(
            "embeddings" if layer.number == 0 else f"layer {layer.number}",
            *(f"{100 * share:.1f} %" for share in (layer.accuracy, layer.control, layer.selectivity)),
            "█" * round(_BAR * layer.accuracy),
            style="bold" if layer is best else "",
        )
    made.add_row("majority", f"{100 * found.majority:.1f} %", "", "", "█" * round(_BAR * found.majority), style="dim")
    out.print(made)
