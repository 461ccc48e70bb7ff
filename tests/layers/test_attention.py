"""The fused short-row attention against torch's own kernel and against a written-out softmax."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from unmask.layers.attention import SelfAttention, _ShortRowAttention, _tiled, sight, visibility
from unmask.layers.local import Nearby
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


def long_rows(length, packed):
    """Rows of documents one behind the other and padding, with gaps in the positions, as a masked autoencoder has."""
    torch.manual_seed(length)
    groups = torch.ones(B, length, dtype=torch.long)
    if packed:
        groups[0, length // 3 :] = 2
        groups[1, length - 5 :] = 0
    steps = torch.randint(1, 3, (B, length))
    starts = torch.cat([torch.zeros(B, 1, dtype=torch.bool), groups[:, 1:] != groups[:, :-1]], 1)
    return groups, torch.cumsum(steps - 500 * starts, 1)


@pytest.mark.parametrize(
    ("length", "window", "packed"), [(97, 12, True), (96, 32, False), (130, 64, True), (64, 3, True)]
)
@pytest.mark.parametrize("only_places", [False, True])
def test_local_layers_in_blocks_give_the_values_and_gradients_of_a_whole_mask(length, window, packed, only_places):
    attention, hidden = SelfAttention(H * C, H).double(), torch.randn(B, length, H * C, dtype=torch.float64)
    groups, positions = long_rows(length, packed)
    by = angles(positions, C, 10_000.0, torch.float64)
    asked = torch.stack([torch.randperm(length)[:K] for _ in range(B)]) if only_places else None
    near = Nearby.of(groups, positions, window, torch.float64)
    assert near is not None
    whole = visibility(groups, positions, torch.float64, window)
    found = []
    for visible in (near, whole):
        given = hidden.clone().requires_grad_()
        mixed = attention(given, by, visible, asked)
        found.append((mixed, torch.autograd.grad(mixed.square().sum(), given)[0]))
    torch.testing.assert_close(*found)
    torch.testing.assert_close(attention.weights(hidden, by, near), attention.weights(hidden, by, whole))


@pytest.mark.parametrize("mixed_up", ["positions", "groups"])
def test_rows_whose_columns_do_not_follow_their_positions_get_a_whole_mask(mixed_up):
    groups, positions = long_rows(600, packed=True)
    assert isinstance(sight(groups, positions, torch.float32, 8), Nearby)
    if mixed_up == "positions":
        positions = positions.flip(1)
    else:
        groups = groups.flip(1)
    assert isinstance(sight(groups, positions, torch.float32, 8), torch.Tensor)


def test_a_local_layer_of_a_long_row_never_holds_as_many_numbers_as_its_length_squared():
    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, func, types, given=(), named=None):
            result = func(*given, **(named or {}))
            if isinstance(result, torch.Tensor):
                self.numbers = max(self.numbers, result.numel())
            return result

    attention, hidden = SelfAttention(8, 1), torch.randn(1, 2048, 8, requires_grad=True)
    groups, positions = torch.ones(1, 2048, dtype=torch.long), torch.arange(2048)[None]
    with Largest() as largest:
        visible = sight(groups, positions, torch.float32, 128)
        attention(hidden, angles(positions, 8, 10_000.0, torch.float32), visible).sum().backward()
    assert largest.numbers <= 2048 * 3 * 64
