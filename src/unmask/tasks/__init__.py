"""The menu of tasks: what an encoder is fine-tuned for, with the formats, the head, the loss and the figures of each.

A task is a settings class; `unmask.tasks.task` says what it answers. All are trained by one `finetune`.
"""

from __future__ import annotations

from unmask.menu import Menu

TASKS = Menu(
    "task",
    {
        "classification": "unmask.tasks.classification:Classification",
        "regression": "unmask.tasks.regression:Regression",
        "sequence_to_sequence": "unmask.tasks.sequence_to_sequence:SequenceToSequence",
        "token_classification": "unmask.tasks.token_classification:TokenClassification",
        "embeddings": "unmask.tasks.embeddings:Embeddings",
        "question_answering": "unmask.tasks.question_answering:QuestionAnswering",
        "cloze": "unmask.tasks.cloze:Cloze",
    },
)
