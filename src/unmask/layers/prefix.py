"""The prefix view (Dong et al. 2019, UniLM, section 2.2): a source that sees itself, and behind it a target, each token
of which sees the source and what was written before it.

Each token of the target is asked for by a blank of its own at the same position, so that the head for masked tokens
answers: the blank sees the source and the target before it, and nobody sees the blank. A token's *turn* says it all: 0
for the source, 2i for the i-th token of the target (from 1), 2i - 1 for the blank that asks for it.

Shapes: B rows, Q tokens that look, T tokens that are seen (what is remembered, then the Q), H heads, C channels of
a head.
"""

from __future__ import annotations

import torch
from torch import Tensor


class LayerMemory:
    """Keys and values of what one layer has read, (B,H,P,C) each."""

    def __init__(self) -> None:
        self._kept: tuple[Tensor, Tensor] | None = None

    def extended(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values, with new ones (B,H,Q,C) behind; they are kept from now on."""
        if self._kept is not None:
            key, value = (torch.cat(pair, 2) for pair in zip(self._kept, (key, value), strict=True))
        self._kept = key, value
        return self._kept

    def narrow(self, columns: int, rows: Tensor | None) -> None:
        """Keep the first columns alone, of some rows (in that order) or of all."""
        assert self._kept is not None
        kept = (each[:, :, :columns] for each in self._kept)
        key, value = kept if rows is None else (each.index_select(0, rows) for each in kept)
        self._kept = key, value


class Memory:
    """What an encoder has read, so that it reads on without reading again."""

    def __init__(self, layers: int) -> None:
        self.layers = [LayerMemory() for _ in range(layers)]
        self.stands: Tensor | None = None

    def view(self, groups: Tensor, positions: Tensor, turns: Tensor) -> PrefixView:
        """The view of further tokens, (B,Q) each, over everything read before and themselves."""
        new = torch.stack([groups, positions, turns])
        self.stands = new if self.stands is None else torch.cat([self.stands, new], 2)
        return PrefixView(*self.stands, looking=groups.shape[1], memory=self)

    def forget(self, count: int) -> None:
        """Forget the last `count` tokens."""
        self._narrow(count, None)

    def choose(self, rows: Tensor) -> None:
        """Keep these rows (n,), in this order; a row may be kept several times."""
        self._narrow(0, rows)

    def _narrow(self, count: int, rows: Tensor | None) -> None:
        assert self.stands is not None
        columns = self.stands.shape[2] - count
        self.stands = self.stands[:, :, :columns] if rows is None else self.stands[:, rows, :columns]
        for layer in self.layers:
            layer.narrow(columns, rows)


class PrefixView:
    """Who sees whom among tokens of these groups (0 is padding), positions and turns, (B,T) each; the last `looking`
    of them look, all of them unless said."""

    def __init__(
        self, groups: Tensor, positions: Tensor, turns: Tensor, looking: int | None = None, memory: Memory | None = None
    ) -> None:
        self.groups, self.positions, self.turns = groups, positions, turns
        self._looking, self._memory = looking or groups.shape[1], memory

    def visible(self, dtype: torch.dtype, window: int | None = None) -> Tensor:
        """To be added to the scores: 0 or -inf, (B,1,Q,T). window: as in `attention.visibility`, but a target sees all
        of its source."""
        (looking, seen), (here, there), (mine, theirs) = map(self._parted, (self.groups, self.positions, self.turns))
        visible = (looking == seen) & (theirs <= mine) & ((theirs % 2 == 0) | (theirs == mine))
        if window is not None:
            visible &= ((here - there).abs() <= window // 2) | ((theirs == 0) & (mine > 0))
        return torch.zeros_like(visible, dtype=dtype).masked_fill_(~visible, float("-inf"))[:, None]

    def memory(self, layer: int) -> LayerMemory | None:
        """What a layer remembers, if anything is to be remembered."""
        return None if self._memory is None else self._memory.layers[layer]

    def _parted(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """values (B,T) of those that look (B,Q,1) and of those that are seen (B,1,T)."""
        return values[:, -self._looking :, None], values[:, None, :]
