"""An encoder whose embeddings have a width of their own and are projected to that of its layers (Clark et al. 2020,
"ELECTRA", section 3.2; Lan et al. 2020, "ALBERT", section 3.1). Not on the menu: the generator of replaced-token
detection is one, and stock ELECTRA folders are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Projected:
    """The settings of an encoder, and the channels of its embeddings."""

    encoder: Any
    embedding_width: int

    @property
    def layout(self) -> str:
        """How it is saved: as stock ELECTRA where it is BERT but for the projection, else in a layout of ours."""
        return "electra" if self.encoder.layout == "bert" else "unmask-generator"

    @property
    def plain(self) -> Any | None:
        """The encoder by itself, None where its embeddings do have another width."""
        return self.encoder if self.embedding_width == self.encoder.width else None

    @property
    def layers(self) -> int:
        """Layers of the encoder."""
        return self.encoder.layers

    @property
    def positions(self) -> int:
        """The longest row."""
        return self.encoder.positions

    def build(self, vocabulary_size: int) -> Any:
        """The encoder with random weights (seed torch first)."""
        return self.encoder.build(vocabulary_size, self.embedding_width)
