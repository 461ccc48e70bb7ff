"""What a prediction rests on, and what the layers of a model know.

| file | what |
|---|---|
| `insides.py` | a loaded model opened up: hidden states, attention, predictions from each layer |
| `attributions.py` | integrated gradients, leave-one-out, attention rollout: functions of any score of a row |
| `explain.py` | `explain`: all of it for one blank of a text |
| `explain_answer.py` | `explain_answer`: the same for an answer of a fine-tuned model |
| `asked.py` | which score that is, task by task |
| `labelled.py` | files of words with tags, and of texts with labels |
| `probing.py` | `probe`: what the hidden states of each layer know of such a file |
| `picture.py`, `page.py` | pictures of both, and an explanation as a page of HTML |
"""
