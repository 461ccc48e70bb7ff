"""`unmask generate`: texts by iterative unmasking, from any masked language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from unmask import console
from unmask.cli.options import Json, ModelName, Quiet, examples

if TYPE_CHECKING:
    from rich.text import Text

    from unmask.generation.generate import Generated, Step
    from unmask.models import Model

NAME = "generate"
EXAMPLES = examples(
    'unmask generate runs/demo "Returns a new" --tokens 30 --samples 3',
    'unmask generate runs/demo "Returns [MASK:12] or raises [MASK:6]."',
    'unmask generate runs/demo "Parameters" --suffix "None." --order entropy',
    'unmask generate runs/demo "The array" --steps 16 --plan cosine --show-steps',
)
BLANK = "░"
SHOWN = 12
"""Steps that are shown, the others in between left out."""


def command(
    model: ModelName,
    prompt: Annotated[
        str, typer.Argument(metavar="PROMPT", help="How the text begins, or a text with blanks: [MASK:20].")
    ] = "",
    tokens: Annotated[
        int | None, typer.Option(metavar="N", help="Tokens behind a prompt without blanks: 64 by default.")
    ] = None,
    suffix: Annotated[str, typer.Option(metavar="TEXT", help="How the text ends.")] = "",
    samples: Annotated[int, typer.Option(metavar="N", help="How many texts.")] = 1,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Steps until all is filled; by default a token at each.")
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(
            metavar="ORDER",
            help="confidence, entropy, random, left_to_right or blocks; by default left_to_right at the end of a text, "
            "confidence inside one and for a model of masked diffusion.",
        ),
    ] = None,
    ahead: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Blanks in view behind those filled next, at a text's end: 0 without --order, else all."
        ),
    ] = None,
    block: Annotated[int, typer.Option(metavar="N", help="Tokens in a block, with --order blocks.")] = 16,
    plan: Annotated[
        str, typer.Option(metavar="PLAN", help="linear: as many at every step; cosine: few at first.")
    ] = "linear",
    temperature: Annotated[float, typer.Option(metavar="T", help="Below 1 surer, 0 the likeliest token.")] = 1.0,
    top_p: Annotated[float, typer.Option(metavar="P", help="Draw among the likeliest of this probability.")] = 0.9,
    no_repeat: Annotated[int, typer.Option(metavar="N", help="No N tokens in a row twice; 0 allows all.")] = 3,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed, another text.")] = 0,
    show_steps: Annotated[bool, typer.Option("--show-steps", metavar="", help="Show how the blanks fill.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write texts: go on behind a prompt, or fill its blanks."""
    from unmask.generation.orders import ORDERS, Blocks
    from unmask.generation.plans import PLANS

    chosen = Blocks(block) if order == "blocks" else ORDERS.load(order)() if order else None
    PLANS[plan]  # before a model is loaded for nothing

    from unmask.generation.generate import generate
    from unmask.models import load

    loaded = load(model)
    seen: list[Step] = []
    made = generate(
        loaded,
        prompt,
        tokens=tokens,
        suffix=suffix,
        samples=samples,
        steps=steps,
        order=chosen,
        ahead=ahead,
        plan=plan,
        temperature=temperature,
        top_p=top_p,
        no_repeat=no_repeat,
        seed=seed,
        watch=seen.append if show_steps and not as_json else None,
    )
    if as_json:
        console.print_json([each.as_dict() for each in made])
    else:
        _show_steps(loaded, seen)
        _show(made)
    console.next_step(f"unmask evaluate {model}")


def _show(made: list[Generated]) -> None:
    """The texts, what was written in bold; with a number above each of several."""
    from rich.text import Text

    out = console.console()
    for number, each in enumerate(made, start=1):
        if len(made) > 1:
            out.print(f"[dim]{number}  {each.mean_log_probability:.2f} nats a token[/dim]")
        text = Text(each.text)
        for start, end in each.spans:
            text.stylize("bold", start, end)
        out.print(text)
        if number < len(made):
            out.print()


def _show_steps(model: Model, seen: list[Step]) -> None:
    """Some of the steps of the first sample, one below the other: what is new since the last one in colour."""
    from rich.table import Table

    seen = [step for step in seen if step.first_sample == 0]
    if not seen:
        return
    made, new = Table.grid(padding=(0, 1)), set()
    made.add_column(justify="right", style="dim")
    made.add_column(overflow="fold")
    for step in seen:
        new |= set(step.new[0].tolist())
        if step.number in _shown(step.of):
            made.add_row(f"{step.number}/{step.of}", _line(model, step.tokens[0].tolist(), new))
            new = set()
    console.console().print(made, "")


def _shown(steps: int) -> set[int]:
    """The numbers of the steps that are shown: the first, the last, and some between them."""
    count = min(steps, SHOWN)
    return {1 + round(number * (steps - 1) / max(1, count - 1)) for number in range(count)}


def _line(model: Model, row: list[int], new: set[int]) -> Text:
    """A row as text; blanks as shaded boxes, new tokens in colour."""
    from rich.text import Text

    from unmask.generation.writing import added

    line = Text()
    for place, token in enumerate(row):
        piece = added(model.tokenizer, row, place, place + 1)
        blank = token == model.mask_id
        shown = piece.replace(model.tokenizer.mask_token, BLANK) if blank else piece
        line.append(shown, "dim" if blank else "bold green" if place in new else "")
    return line
