"""The fused short-row attention against torch's own kernel and against a written-out softmax."""

import pytest
import torch

from unmask.layers.attention import SelfAttention, _ShortRowAttention, _tiled, visibility
from unmask.layers.positions import angles

B, T, H, C, K = 2, 24, 3, 8, 5


def inputs(dtype=torch.float64):
    torch.manual_seed(0)
    projected = torch.randn(B, T, 3, H, C, dtype=dtype, requires_grad=True)
    groups = torch.ones(B, T, dtype=torch.long)
    groups[0, 10:] = 2
    groups[1, 20:] = 0
    positions = torch.arange(T).expand(B, T).clone()
    positions[0, 10:] -= 10
    return projected, groups, positions


def places():
    return torch.stack([torch.randperm(T)[:K].sort().values for _ in range(B)])


@pytest.mark.parametrize("only_places", [False, True])
@pytest.mark.parametrize("window", [None, 6])
def test_short_rows_give_the_values_and_gradients_of_the_tiled_kernel(only_places, window):
    projected, groups, positions = inputs()
    by = angles(positions, C, 10_000.0, torch.float64)
    visible = visibility(groups, positions, torch.float64, window)
    asked = places() if only_places else None
    if asked is not None:
        visible = visible.gather(2, asked[:, None, :, None].expand(-1, -1, -1, T))
    ours = _ShortRowAttention.apply(projected, *by, visible, asked)
    theirs = _tiled(projected, by, visible, asked)
    torch.testing.assert_close(ours, theirs)
    weight = torch.randn_like(ours)
    (gradient,) = torch.autograd.grad((ours * weight).sum(), projected, retain_graph=True)
    (expected,) = torch.autograd.grad((theirs * weight).sum(), projected)
    torch.testing.assert_close(gradient, expected)


def test_gradients_agree_with_finite_differences():
    projected, groups, positions = inputs()
    by = angles(positions, C, 10_000.0, torch.float64)
    visible = visibility(groups, positions, torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: _ShortRowAttention.apply(x, *by, visible, None), (projected,), fast_mode=True
    )


def test_asking_some_places_gives_what_asking_all_gives_there():
    torch.manual_seed(0)
    attention = SelfAttention(H * C, H)
    _, groups, positions = inputs()
    hidden, asked = torch.randn(B, T, H * C), places()
    by, visible = angles(positions, C, 10_000.0, torch.float32), visibility(groups, positions, torch.float32, 6)
    everywhere = attention(hidden, by, visible)
    torch.testing.assert_close(
        attention(hidden, by, visible, asked), everywhere.gather(1, asked[..., None].expand(-1, -1, H * C))
    )


def test_a_group_never_sees_another_nor_padding():
    torch.manual_seed(0)
    attention = SelfAttention(H * C, H)
    _, groups, positions = inputs()
    by, visible = angles(positions, C, 10_000.0, torch.float32), visibility(groups, positions, torch.float32)
    hidden = torch.randn(B, T, H * C)
    changed = hidden.clone()
    changed[0, :10] += 1.0  # the first group of row 0
    changed[1, 20:] += 1.0  # the padding of row 1
    before, after = attention(hidden, by, visible), attention(changed, by, visible)
    torch.testing.assert_close(before[0, 10:], after[0, 10:])
    torch.testing.assert_close(before[1, :20], after[1, :20])
    assert not torch.allclose(before[0, :10], after[0, :10])


def test_one_group_without_padding_needs_no_mask():
    assert visibility(torch.ones(B, T, dtype=torch.long), torch.arange(T).expand(B, T), torch.float32) is None


@pytest.mark.parametrize("only_places", [False, True])
def test_without_angles_short_rows_give_the_values_and_gradients_of_a_written_out_softmax(only_places):
    projected, groups, positions = inputs()
    visible = visibility(groups, positions, torch.float64)
    asked = places() if only_places else None
    ours = _ShortRowAttention.apply(
        projected,
        None,
        None,
        visible if asked is None else visible.gather(2, asked[:, None, :, None].expand(-1, -1, -1, T)),
        asked,
    )
    query, key, value = projected.permute(2, 0, 3, 1, 4)
    theirs = (torch.softmax(query @ key.transpose(2, 3) / C**0.5 + visible, -1) @ value).transpose(1, 2).flatten(2)
    if asked is not None:
        theirs = theirs.gather(1, asked[..., None].expand(-1, -1, H * C))
    torch.testing.assert_close(ours, theirs)
    weight = torch.randn_like(ours)
    (gradient,) = torch.autograd.grad((ours * weight).sum(), projected, retain_graph=True)
    (expected,) = torch.autograd.grad((theirs * weight).sum(), projected)
    torch.testing.assert_close(gradient, expected)


def test_with_biases_and_without_angles_it_is_torchs_own_attention_on_either_path(monkeypatch):
    torch.manual_seed(0)
    attention, hidden = SelfAttention(H * C, H, bias=True), torch.randn(B, T, H * C)
    peer = torch.nn.MultiheadAttention(H * C, H, batch_first=True)
    with torch.no_grad():
        peer.in_proj_weight.copy_(attention.projection.weight)
        peer.in_proj_bias.copy_(attention.projection.bias)
        peer.out_proj.weight.copy_(attention.output.weight)
        peer.out_proj.bias.copy_(attention.output.bias)
    expected = peer(hidden, hidden, hidden)[0]
    torch.testing.assert_close(attention(hidden, None, None), expected)
    monkeypatch.setattr("unmask.layers.attention.SHORT_ROW", 4)
    torch.testing.assert_close(attention(hidden, None, None), expected)
