"""How well masked tokens were restored: small classes that add sums up and divide once, at the end.

    metric = METRICS.load("word_accuracy")()
    metric.update(scored); metric.merge(other_rank.state()); metric.compute()

Sums of several processes add; so do those of several parts of the text, as long as no word is divided between them.
"""

from __future__ import annotations

from unmask.menu import Menu

METRICS = Menu(
    "metric",
    {
        "loss": "unmask.metrics.losses:Loss",
        "perplexity": "unmask.metrics.losses:Perplexity",
        "token_accuracy": "unmask.metrics.accuracies:TokenAccuracy",
        "word_accuracy": "unmask.metrics.accuracies:WordAccuracy",
        "word_error_rate": "unmask.metrics.word_error_rate:WordErrorRate",
        "bits_per_character": "unmask.metrics.losses:BitsPerCharacter",
        "unigram_loss": "unmask.metrics.losses:UnigramLoss",
    },
)
