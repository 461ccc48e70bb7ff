"""The model card: the README.md of a model folder, with the metadata the Hub reads.

The card says what the model was trained on, how good it is beside guessing by frequency, how to use it with and
without this package, and every setting of the run, so that it can be trained again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

FIGURES = {
    "loss": ("Loss", "nats per masked token", "{:.3f}"),
    "unigram_loss": ("Unigram line", "loss of guessing by frequency alone", "{:.3f}"),
    "perplexity": ("Perplexity", "", "{:,.1f}"),
    "token_accuracy": ("Masked token accuracy", "", "{:.1%}"),
    "word_accuracy": ("Masked word accuracy", "every token of the word right", "{:.1%}"),
    "word_error_rate": ("Word error rate", "of the restored text", "{:.1%}"),
    "bits_per_character": ("Bits per masked character", "comparable across tokenizers", "{:.3f}"),
    "masked_tokens": ("Masked tokens", "that the figures stand on", "{:,.0f}"),
}
"""What `evaluate` measures: its name for a reader, its meaning, and how it is written."""

# Transformers does not know these by itself; every other model is saved in the layout of a stock class.
_OWN_LAYOUT = {"lstm", "gru", "unmask", "masked_autoencoding"}
_METRICS = ("loss", "perplexity", "token_accuracy", "word_accuracy", "word_error_rate", "bits_per_character")
_BY_SOURCE = ("loss", "unigram_loss", "perplexity", "word_accuracy", "masked_tokens")


def model_card(
    run: Mapping[str, Any],
    figures: Mapping[str, Any],
    *,
    name: str,
    mask_token: str = "[MASK]",
    examples: Sequence[str] = ("The ___ of the book is on the first page.",),
    data: Mapping[str, Any] | None = None,
    parameters: int | None = None,
    language: Sequence[str] = (),
    license: str = "other",
    picture: str | None = None,
) -> str:
    """The README.md of a model folder.

    run: the resolved run as JSON. figures: what `evaluate` gave, any of the keys of FIGURES, and `sources`. examples:
    sentences with `___` for their blanks, the Hub's widget shows them. data: what is known of the training text, by
    label. language: ISO 639-1 codes, left out when none is given. license: an identifier of the Hub; "other" says that
    nobody chose one yet. picture: the learning curves, a path relative to the card.
    """
    texts = [example.replace("___", mask_token) for example in examples]
    architecture = _chosen(run, "architecture", "encoder")
    parts = [
        _front_matter(name, architecture, texts, figures, language, license),
        _opening(name, architecture, parameters, continued=bool((run.get("start") or {}).get("model"))),
        _uses(
            name,
            texts[0] if texts else f"A {mask_token}.",
            _own_layout(run),
            "/generator" if _detects(run) else "",
        ),
        _figures(figures, (run.get("evaluation") or {}).get("share", 0.15)),
        f"![Learning curves: loss over the steps of training]({picture})" if picture else "",
        _data(data or {}),
        _settings(run),
        _limits(license),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _chosen(run: Mapping[str, Any], section: str, unnamed: str = "") -> str:
    """The name of what was chosen for a section; of a stock model of transformers its kind."""
    chosen = run.get(section, {})
    return str(chosen.get("kind") or chosen.get("name", unnamed)) if isinstance(chosen, Mapping) else str(chosen)


def _front_matter(
    name: str,
    architecture: str,
    texts: Sequence[str],
    figures: Mapping[str, float | None],
    language: Sequence[str],
    license: str,
) -> str:
    import yaml

    results = {
        "task": {"type": "fill-mask", "name": "Masked language modelling"},
        "dataset": {"type": "held-out", "name": "Held-out documents of the training corpus", "split": "validation"},
        "metrics": [
            {"type": key, "name": FIGURES[key][0], "value": round(float(value), 6)}
            for key in _METRICS
            if (value := figures.get(key)) is not None and math.isfinite(value)
        ],
    }
    metadata: dict[str, Any] = {"language": list(language)} if language else {}
    metadata |= {
        "license": license,
        "library_name": "transformers",
        "pipeline_tag": "fill-mask",
        "tags": ["fill-mask", "masked-lm", architecture, "unmask"],
        "widget": [{"text": text} for text in texts],
    }
    if results["metrics"]:
        metadata["model-index"] = [{"name": name, "results": [results]}]
    return f"---\n{yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=1000)}---"


def _opening(name: str, architecture: str, parameters: int | None, continued: bool) -> str:
    size = f" of {_amount(parameters)} parameters" if parameters else ""
    return f"# {name}\n\nA masked language model ({architecture}{size}) that fills blanks in text, " + (
        "a trained one that went on with unmask." if continued else "trained from scratch with unmask."
    )


def _detects(run: Mapping[str, Any]) -> bool:
    """Whether the model detects replaced tokens, so that its generator is what fills blanks."""
    return _chosen(run, "objective") == "replaced_token_detection"


def _own_layout(run: Mapping[str, Any]) -> bool:
    """Whether transformers must be told of what fills blanks: stock ELECTRA is BERT or a post-norm Transformer."""
    architecture = _chosen(run, "architecture")
    if _detects(run):
        return architecture != "bert" and run["architecture"].get("norm") != "post"
    return bool(_OWN_LAYOUT & {architecture, _chosen(run, "objective")})


def _uses(name: str, text: str, own_layout: bool, below: str) -> str:
    first = "import unmask.models  # so that transformers knows this kind of model\n" if own_layout else ""
    return f"""## How to use

```python
{first}from transformers import pipeline

fill = pipeline("fill-mask", model="{name}{below}")  # or the path of this folder{below}
fill({text!r})
```

With unmask, several blanks at once, words of several tokens, and candidates of your own:

```python
import unmask

model = unmask.load("{name}")
model.fill({text!r}, top_k=5)
```"""


def _figures(figures: Mapping[str, Any], share: float) -> str:
    rows = [
        f"| {label} | {form.format(value)} | {meaning} |"
        for key, (label, meaning, form) in FIGURES.items()
        if (value := figures.get(key)) is not None and math.isfinite(value)
    ]
    if not rows:
        return ""
    table = "\n".join(["| Figure | Value | |", "|---|---:|---|", *rows])
    said = f"## Figures\n\nOn held-out documents, {100 * share:g} % of the words blanked.\n\n{table}"
    return said + _verdict(figures) + _by_source(figures.get("sources") or {})


def _by_source(sources: Mapping[str, Mapping[str, float | None]]) -> str:
    """A row for each source of the text, where there are several."""
    if not sources:
        return ""
    lines = [
        f"| By source | {' | '.join(FIGURES[key][0] for key in _BY_SOURCE)} |",
        "|---|" + "---:|" * len(_BY_SOURCE),
    ]
    for name, figures in sources.items():
        values = ((key, figures.get(key)) for key in _BY_SOURCE)
        cells = ["–" if value is None else FIGURES[key][2].format(value) for key, value in values]
        lines.append(f"| {_cell(name)} | {' | '.join(cells)} |")
    return "\n\n" + "\n".join(lines)


def _verdict(figures: Mapping[str, float | None]) -> str:
    loss, line = figures.get("loss"), figures.get("unigram_loss")
    if loss is None or line is None:
        return ""
    if line - loss < 0.1:
        return "\n\n**The loss stands at the unigram line: this model has learned little more than word frequencies.**"
    return f"\n\nThe loss is {line - loss:.2f} nats under the unigram line."


def _data(data: Mapping[str, Any]) -> str:
    if not data:
        return ""
    rows = [f"| {_cell(label)} | {_cell(_written(value))} |" for label, value in data.items()]
    return "\n".join(["## Data", "", "| | |", "|---|---|", *rows])


def _settings(run: Mapping[str, Any]) -> str:
    lines = [f"{path}={value}" for path, value in _flat(run)]
    if not lines:
        return ""
    body = "\n".join(lines)
    return (
        "## Training\n\n<details><summary>Every setting, as <code>unmask pretrain</code> takes them</summary>\n\n"
        f"```\n{body}\n```\n\n</details>"
    )


def _limits(license: str) -> str:
    said = " No licence was chosen: ask its author before passing it on." if license == "other" else ""
    return (
        "## Limits\n\nThe model knows what its training text says, its errors and prejudices included. "
        f"It predicts likely words, which need not be true ones.{said}"
    )


def _flat(run: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The settings as `section.field`, value pairs; the name of a component stands under its section's own name."""
    for key, value in run.items():
        path = prefix.rstrip(".") if key == "name" and prefix else f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        else:
            yield path, ",".join(map(str, value)) if isinstance(value, (list, tuple)) else _plain(value)


def _plain(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else _public(str(value))


def _public(text: str) -> str:
    """A path without the folders around it, which are the author's own business; other text as it is."""
    return PurePath(text).name if PurePath(text).is_absolute() else text


def _written(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_public(str(part)) for part in value)
    return f"{value:,}" if isinstance(value, (int, float)) and not isinstance(value, bool) else _public(str(value))


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _amount(number: int) -> str:
    for scale, unit in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return str(number)
