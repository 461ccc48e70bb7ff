"""Which tokens are masked first: `scores(batch, keys, vocabulary)`, lowest first, equal for tokens that go together.

The keys are uint64 (B,T) hashes of (seed, epoch, row, position); a selection holds no state and draws nothing.
"""

from __future__ import annotations

from unmask.menu import Menu

SELECTIONS = Menu(
    "selection",
    {
        "uniform": "unmask.masking.selections.uniform:Uniform",
        "whole_word": "unmask.masking.selections.whole_word:WholeWord",
        "span": "unmask.masking.selections.span:Span",
        "frequency_weighted": "unmask.masking.selections.frequency_weighted:FrequencyWeighted",
        "part_of_speech_weighted": "unmask.masking.selections.part_of_speech_weighted:PartOfSpeechWeighted",
    },
)
