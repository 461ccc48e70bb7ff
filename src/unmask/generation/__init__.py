"""Text from a masked language model: filling blanks.

| file | what |
|---|---|
| `blanks.py` | where the blanks of a text are, and the tokens of a text with blanks of given lengths |
| `search.py` | batched log-probabilities at asked places, and the beam search over several places |
| `fill.py` | `fill`: what a person calls |
"""
