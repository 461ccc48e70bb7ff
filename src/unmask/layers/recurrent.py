"""Recurrence over a row in both directions, by torch's own LSTM and GRU.

Shapes: B rows, T tokens, D width, S channels of a state in one direction.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unmask.config import require
from unmask.layers.attention import at


class Recurrence(nn.Module):
    """Layers of `cell` (nn.LSTM or nn.GRU) that read each row from both ends; no token reads padding.

    Hochreiter and Schmidhuber 1997 (LSTM), Cho et al. 2014 (GRU), Schuster and Paliwal 1997 (both directions).
    """

    def __init__(self, cell: type[nn.LSTM] | type[nn.GRU], width: int, state: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.cells = cell(width, state, layers, batch_first=True, bidirectional=True)
        self.between = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """hidden (B,T,D), of each row the first `lengths` (B,) tokens real -> (B,T,2S), meaningless behind them.

        The second direction reads its rows turned round within their lengths, so that padding stays at the end: packed
        sequences give the same, but where lengths differ torch runs them token by token, in twice the time on a CPU.
        """
        back = _turned_round(lengths, hidden.shape[1])
        for layer in range(self.cells.num_layers):
            if layer > 0:
                hidden = self.between(hidden)
            forward, backward = self._read(hidden, 2 * layer), self._read(at(hidden, back), 2 * layer + 1)
            hidden = torch.cat([forward, at(backward, back)], -1)
        return hidden

    def _read(self, hidden: Tensor, number: int) -> Tensor:
        """One direction of one layer: (B,T,E) -> (B,T,S). Not through `self.cells`, which reads both directions at once
        and wants weights and biases in one dtype: biases may stay in float32 under bf16 activations."""
        weights = [weight.to(hidden.dtype) for weight in self.cells.all_weights[number]]
        start = hidden.new_zeros(1, len(hidden), self.cells.hidden_size)
        # has biases, layers, dropout, training, both directions, batch first
        settings = (weights, True, 1, 0.0, self.training, False, True)
        if isinstance(self.cells, nn.LSTM):
            return torch.lstm(hidden, (start, start), *settings)[0]
        return torch.gru(hidden, start, *settings)[0]

    @torch.no_grad()
    def start(self) -> None:
        """Torch's own uniform start, but the LSTM remembers from the beginning: its forget gate has a bias of 1 (Gers,
        Schmidhuber and Cummins 2000)."""
        if isinstance(self.cells, nn.LSTM):
            for name, parameter in self.cells.named_parameters():
                if name.startswith("bias_ih"):
                    parameter.chunk(4)[1].fill_(1.0)


def _turned_round(lengths: Tensor, row_length: int) -> Tensor:
    """Columns (B,T) in which the real tokens of each row stand the other way round; twice is once."""
    columns = torch.arange(row_length, device=lengths.device).expand(len(lengths), -1)
    last = lengths[:, None] - 1
    return torch.where(columns <= last, last - columns, columns)


def row_lengths(groups: Tensor) -> Tensor:
    """How many tokens are read of each row: (B,T) -> (B,); SettingError when a row holds more than one document."""
    real = groups > 0
    several = bool((real & (groups != groups[:, :1])).any())
    require(
        not several,
        "data.packing=packed: a recurrent model cannot keep the documents of one row apart; set data.packing=document",
    )
    return real.sum(1)
