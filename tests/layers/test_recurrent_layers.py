"""The recurrence against its equations, written out one token at a time."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unmask.errors import SettingError
from unmask.layers.recurrent import Recurrence, row_lengths

B, T, D, S, LAYERS = 3, 7, 5, 4, 2
LENGTHS = torch.tensor([7, 4, 1])


def lstm_step(x, h, c, weight_x, weight_h, bias_x, bias_h):
    """Hochreiter and Schmidhuber 1997 with a forget gate; gates stand in the order input, forget, new, output."""
    i, f, new, o = (weight_x @ x + bias_x + weight_h @ h + bias_h).chunk(4)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(new)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru_step(x, h, c, weight_x, weight_h, bias_x, bias_h):
    """Cho et al. 2014; gates stand in the order reset, update, new, and reset acts on the product (torch's form)."""
    from_x, from_h = (weight_x @ x + bias_x).chunk(3), (weight_h @ h + bias_h).chunk(3)
    reset, update = torch.sigmoid(from_x[0] + from_h[0]), torch.sigmoid(from_x[1] + from_h[1])
    new = torch.tanh(from_x[2] + reset * from_h[2])
    return (1 - update) * new + update * h, c


def by_hand(step, cells, row):
    """row (n,D) through all layers, both directions, token by token -> (n,2S)."""
    for layer in range(LAYERS):
        directions = []
        for suffix in ("", "_reverse"):
            names = [f"{kind}_l{layer}{suffix}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            weights = [getattr(cells, name) for name in names]
            h, c, out = torch.zeros(S), torch.zeros(S), []
            for x in row.flip(0) if suffix else row:
                h, c = step(x, h, c, *weights)
                out.append(h)
            directions.append(torch.stack(out[::-1] if suffix else out))
        row = torch.cat(directions, -1)
    return row


@pytest.mark.parametrize(("cell", "step"), [(nn.LSTM, lstm_step), (nn.GRU, gru_step)])
def test_each_row_is_what_the_equations_give_token_by_token_from_both_ends(cell, step):
    torch.manual_seed(0)
    recurrence = Recurrence(cell, D, S, LAYERS, 0.0)
    recurrence.start()
    hidden = torch.randn(B, T, D)
    read = recurrence(hidden, LENGTHS)
    assert read.shape == (B, T, 2 * S)
    for row, length in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(read[row, :length], by_hand(step, recurrence.cells, hidden[row, :length]))


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU])
def test_it_equals_torchs_own_module_on_whole_rows(cell):
    torch.manual_seed(0)
    recurrence, hidden = Recurrence(cell, D, S, LAYERS, 0.0), torch.randn(B, T, D)
    torch.testing.assert_close(recurrence(hidden, torch.full((B,), T)), recurrence.cells(hidden)[0])


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU])
def test_it_equals_torchs_own_module_on_packed_sequences_in_values_and_gradients(cell):
    torch.manual_seed(0)
    recurrence, hidden = Recurrence(cell, D, S, LAYERS, 0.0), torch.randn(B, T, D)
    packed = pack_padded_sequence(hidden, LENGTHS, batch_first=True, enforce_sorted=False)
    theirs = pad_packed_sequence(recurrence.cells(packed)[0], batch_first=True, total_length=T)[0]
    real = torch.arange(T) < LENGTHS[:, None]
    ours = recurrence(hidden, LENGTHS)
    torch.testing.assert_close(ours[real], theirs[real])
    weights, factor = list(recurrence.parameters()), torch.randn_like(ours)[real]
    torch.testing.assert_close(
        torch.autograd.grad((ours[real] * factor).sum(), weights),
        torch.autograd.grad((theirs[real] * factor).sum(), weights),
    )


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU])
def test_padding_influences_no_token_and_gets_no_gradient(cell):
    torch.manual_seed(0)
    recurrence = Recurrence(cell, D, S, LAYERS, 0.0)
    hidden = torch.randn(B, T, D, requires_grad=True)
    read = recurrence(hidden, LENGTHS)
    other = hidden.detach().clone()
    other[1, 4:] = 99.0
    real = torch.arange(T) < LENGTHS[:, None]
    torch.testing.assert_close(recurrence(other, LENGTHS)[real], read[real])
    read[real].square().sum().backward()
    assert hidden.grad[1, :4].abs().min() > 0
    assert not hidden.grad[1, 4:].any()


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU])
def test_bf16_weights_with_float32_biases_give_nearly_the_same(cell):
    torch.manual_seed(0)
    recurrence, hidden = Recurrence(cell, D, S, LAYERS, 0.0), torch.randn(B, T, D)
    expected = recurrence(hidden, LENGTHS)
    for parameter in recurrence.parameters():
        if parameter.dim() > 1:
            parameter.data = parameter.data.bfloat16()
    read = recurrence(hidden.bfloat16(), LENGTHS)
    assert read.dtype == torch.bfloat16
    torch.testing.assert_close(read.float(), expected, atol=0.02, rtol=0.05)
    read.float().sum().backward()
    assert recurrence.cells.bias_ih_l0.grad.dtype == torch.float32


def test_dropout_acts_between_layers_in_training_alone():
    torch.manual_seed(0)
    recurrence, hidden = Recurrence(nn.LSTM, D, S, LAYERS, 0.5), torch.randn(B, T, D)
    assert not recurrence(hidden, LENGTHS).equal(recurrence(hidden, LENGTHS))
    recurrence.eval()
    assert recurrence(hidden, LENGTHS).equal(recurrence(hidden, LENGTHS))


def test_the_forget_gate_begins_open():
    recurrence = Recurrence(nn.LSTM, D, S, LAYERS, 0.0)
    recurrence.start()
    assert recurrence.cells.bias_ih_l1_reverse[S : 2 * S].tolist() == [1.0] * S
    assert recurrence.cells.bias_ih_l1_reverse[:S].abs().max() < 1


def test_lengths_count_real_tokens():
    assert row_lengths(torch.tensor([[1, 1, 1], [1, 0, 0], [0, 0, 0]])).tolist() == [3, 1, 0]


@pytest.mark.parametrize("row", [[1, 1, 2, 2], [3, 1, 1, 0]])
def test_a_row_of_several_documents_is_refused_with_the_setting_that_mends_it(row):
    with pytest.raises(SettingError, match=r"^data\.packing=packed: .* one row apart; set data\.packing=document$"):
        row_lengths(torch.tensor([[1, 1, 1, 1], row]))
