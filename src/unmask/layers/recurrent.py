"""Recurrence over a row in both directions, by torch's own LSTM and GRU.

Shapes: B rows, T tokens, D width, S channels of a state in one direction.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from unmask.config import require


class Recurrence(nn.Module):
    """Layers of `cell` (nn.LSTM or nn.GRU) that read each row from both ends; padding is not read at all.

    Hochreiter and Schmidhuber 1997 (LSTM), Cho et al. 2014 (GRU), Schuster and Paliwal 1997 (both directions).
    """

    def __init__(self, cell: type[nn.LSTM] | type[nn.GRU], width: int, state: int, layers: int, dropout: float) -> None:
        super().__init__()
        dropout = dropout if layers > 1 else 0.0  # torch warns of a dropout that has no place to be
        self.cells = cell(width, state, layers, batch_first=True, dropout=dropout, bidirectional=True)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """hidden (B,T,D) of which the first `lengths` (B,) of each row are read -> (B,T,2S), zero behind them."""
        # A row without any token is read as one of padding: the packing knows no empty row.
        packed = pack_padded_sequence(hidden, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
        data = self._read(packed.data, packed.batch_sizes)
        read = PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        return pad_packed_sequence(read, batch_first=True, total_length=hidden.shape[1])[0]

    def _read(self, data: Tensor, batch_sizes: Tensor) -> Tensor:
        """The outputs (N,2S) of packed inputs (N,D). Not through `self.cells`, which wants weights and biases in one
        dtype: biases may stay in float32 under bf16 activations."""
        cells = self.cells
        weights = [weight.to(data.dtype) for layer in cells.all_weights for weight in layer]
        start = data.new_zeros(2 * cells.num_layers, int(batch_sizes[0]), cells.hidden_size)
        settings = (weights, True, cells.num_layers, cells.dropout, self.training, True)
        if isinstance(cells, nn.LSTM):
            return torch.lstm(data, batch_sizes, (start, start), *settings)[0]
        return torch.gru(data, batch_sizes, start, *settings)[0]

    @torch.no_grad()
    def start(self) -> None:
        """Torch's own uniform start, but the LSTM remembers from the beginning: its forget gate has a bias of 1 (Gers,
        Schmidhuber and Cummins 2000)."""
        if isinstance(self.cells, nn.LSTM):
            for name, parameter in self.cells.named_parameters():
                if name.startswith("bias_ih"):
                    parameter.chunk(4)[1].fill_(1.0)


def row_lengths(groups: Tensor) -> Tensor:
    """How many tokens are read of each row: (B,T) -> (B,); SettingError when a row holds more than one document."""
    real = groups > 0
    several = bool((real & (groups != groups[:, :1])).any())
    require(
        not several,
        "data.packing=packed: a recurrent model cannot keep the documents of one row apart; set data.packing=document",
    )
    return real.sum(1)
