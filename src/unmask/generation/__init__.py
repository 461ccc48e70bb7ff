"""Text from a masked language model: filling blanks, and writing by iterative unmasking.

| file | what |
|---|---|
| `blanks.py` | where the blanks of a text are, and the tokens of a text with blanks of given lengths |
| `search.py` | batched log-probabilities at asked places, and the beam search over several places |
| `fill.py` | `fill`: the likeliest words, for a person |
| `plans.py` | how many blanks are filled at each step: a menu |
| `orders.py` | which ones: a menu |
| `drawing.py` | the draw of a token: temperature, nucleus, repeated n-grams |
| `writing.py` | the text of a filled row |
| `generate.py` | `generate`: whole texts |
"""
