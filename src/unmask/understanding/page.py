"""An explanation as one page of HTML that needs nothing beside it: no network, no other file."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

import numpy as np

from unmask.understanding.explain import Explanation
from unmask.understanding.shades import AGAINST, FOR, TITLES, shade

_STYLE = """
body { font: 16px/1.6 system-ui, sans-serif; color: #222; background: #fff; max-width: 52rem; margin: 2.5rem auto;
       padding: 0 1.2rem }
h1 { font-size: 1.5rem; line-height: 1.35; margin: 0 0 .4rem } h2 { font-size: 1rem; margin: 2rem 0 .3rem }
p.note { color: #666; font-size: .85rem; margin: .2rem 0 }
.tokens { font-size: 1.1rem; line-height: 2.1; white-space: pre-wrap }
.tokens span { padding: .15em 0; border-radius: .2em }
.tokens .blank { font-weight: 700; border-bottom: 2px solid #222 }
table { border-collapse: collapse; font-size: .92rem } th { text-align: left; color: #666; font-weight: 500 }
td, th { padding: .15rem 1.2rem .15rem 0; font-variant-numeric: tabular-nums } td.n, th.n { text-align: right }
.bar { display: inline-block; height: .7em; background: rgb(%s); border-radius: .15em }
.key { display: inline-block; width: .9em; height: .9em; border-radius: .2em; vertical-align: -.1em }
""" % ",".join(map(str, FOR))  # noqa: UP031

_SCRIPT = """
const maps = JSON.parse(document.getElementById('maps').textContent);
const spans = document.querySelectorAll('#looks span');
function colour() {
  const layer = document.getElementById('layer').value, head = document.getElementById('head').value;
  const row = head === 'mean' ? maps[layer][0].map((_, t) =>
    maps[layer].reduce((sum, one) => sum + one[t], 0) / maps[layer].length) : maps[layer][head];
  const strongest = Math.max(...row);
  spans.forEach((span, t) => {
    span.style.background = `rgba(%s,${row[t] / strongest})`;
    span.title = (100 * row[t]).toFixed(1) + ' %%';
  });
}
document.querySelectorAll('select').forEach(one => one.addEventListener('change', colour));
colour();
""" % ",".join(map(str, FOR))  # noqa: UP031


def write_page(found: Explanation, to: Path) -> Path:
    """Write the page and return its path."""
    to.write_text(page(found), encoding="utf-8")
    return to


def page(found: Explanation) -> str:
    """The whole page."""
    parts = [_head(found)]
    parts += [_tokens(found, name, values) for name, values in found.attributions.items()]
    parts += [_lens(found)] if found.lens else []
    parts += [] if found.attention is None else [_attention(found, found.attention)]
    title = escape(f"{found.target}: {found.text}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _head(found: Explanation) -> str:
    others = ", ".join(f"{escape(word)} {100 * value:.1f} %" for word, value in found.answers)
    key = "".join(
        f'<span class="key" style="background:rgb({",".join(map(str, colour))})"></span> {text} &nbsp; '
        for colour, text in ((FOR, "speaks for it"), (AGAINST, "speaks against it"))
    )
    likeliest = f'<p class="note">The likeliest: {others}</p>\n' if found.answers else ""
    asked = f"{escape(found.asked)}: " if found.asked else ""
    return (
        f"<h1>{escape(found.text)}</h1>\n<p>{asked}<b>{escape(found.target)}</b> {found.told}</p>\n"
        f'{likeliest}<p class="note">{key}</p>'
    )


def _tokens(found: Explanation, name: str, values: np.ndarray) -> str:
    """One line of coloured tokens."""
    strongest, unit = float(np.abs(values).max()), "" if name == "rollout" or not found.unit else f" {found.unit}"
    spans = [
        _span(text, column in found.places, f"{value:+.3f}{unit}", shade(value, strongest))
        for column, (text, value) in enumerate(zip(found.tokens, values.tolist(), strict=True))
    ]
    whole = f"Together {values.sum():+.2f}{unit} from a text of blanks; {abs(found.missed):.3f} missed."
    flow = "Where attention carries the blank's content from, not what moves the prediction."
    notes = {"integrated_gradients": whole, "rollout": flow}
    note = f'<p class="note">{notes[name]}</p>' if name in notes else ""
    return f'<h2>{TITLES[name]}</h2>{note}\n<p class="tokens">{"".join(spans)}</p>'


def _span(text: str, blank: bool, told: str = "", colour: str | None = None) -> str:
    """A token, without the space before it."""
    word = text.lstrip()
    marks = ' class="blank"' * blank + f' title="{told}"' * bool(told)
    marks += f' style="background:{colour}"' if colour else ""
    return f"{text[: len(text) - len(word)]}<span{marks}>{escape(word)}</span>"


def _lens(found: Explanation) -> str:
    """What would be predicted after each layer."""
    largest = max(each.probability for each in found.lens)
    rows = [
        f'<tr><td>{"embeddings" if number == 0 else number}</td><td class="n">{100 * each.probability:.1f} %</td>'
        f'<td><span class="bar" style="width:{8 * each.probability / largest:.2f}rem"></span></td>'
        f'<td class="n">{each.rank}</td><td>{escape(", ".join(word for word, _ in each.answers))}</td></tr>'
        for number, each in enumerate(found.lens, start=found.first_layer)
    ]
    head = f'<tr><th>layer</th><th class="n">{escape(found.target)}</th><th></th><th class="n">rank</th>'
    return f"<h2>layer by layer</h2>\n<table>{head}<th>likeliest</th></tr>\n{''.join(rows)}</table>"


def _attention(found: Explanation, maps: np.ndarray) -> str:
    """What the blank looks at, by layer and head: maps (L,H,T)."""
    layers = "".join(f"<option value={number}>layer {number + 1}</option>" for number in range(len(maps)))
    heads = "".join(f"<option value={number}>head {number + 1}</option>" for number in range(maps.shape[1]))
    spans = "".join(_span(text, column in found.places) for column, text in enumerate(found.tokens))
    # "</" would end the script, wherever it stood.
    data = json.dumps(np.round(maps.astype(float), 4).tolist()).replace("</", "<\\/")
    return (
        f'<h2>what the blank looks at</h2>\n<p><select id="layer">{layers}</select> '
        f'<select id="head"><option value="mean">all heads</option>{heads}</select></p>\n'
        f'<p class="tokens" id="looks">{spans}</p>\n<script type="application/json" id="maps">{data}</script>\n'
        f"<script>{_SCRIPT}</script>"
    )
