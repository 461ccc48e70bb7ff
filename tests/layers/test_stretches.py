"""Attention by stretches against masks: with a stand-in for the kernel where there is no GPU, and with the kernel."""

import pytest
import torch
from torch.nn import functional as F

from unmask.layers import stretches
from unmask.layers.attention import SelfAttention, sight, visibility
from unmask.layers.positions import angles
from unmask.layers.stretches import Stretches

B, T, H, C, K = 3, 40, 2, 8, 5


def stand_in(query, key, value, starts, same_starts, longest, same_longest, window_size):
    """What `varlen_attn` promises, stretch by stretch in plain torch."""
    assert starts is same_starts
    assert starts.dtype == torch.int32
    mixed = []
    for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        assert 0 < stop - start <= longest
        ours = [each[start:stop].transpose(0, 1) for each in (query, key, value)]
        distance = torch.arange(stop - start)[:, None] - torch.arange(stop - start)
        near = distance.abs() <= window_size[0] if window_size[0] >= 0 else torch.ones_like(distance, dtype=torch.bool)
        mixed.append(F.scaled_dot_product_attention(*ours, attn_mask=near).transpose(0, 1))
    return torch.cat(mixed)


@pytest.fixture
def kernel(monkeypatch):
    monkeypatch.setattr(stretches, "_kernel", lambda device, dtype: stand_in)


def rows():
    """One document and padding, three documents, one alone."""
    groups = torch.ones(B, T, dtype=torch.long)
    groups[0, 30:] = 0
    groups[1, 7:] = 2
    groups[1, 20:] = 3
    positions = torch.arange(T).expand(B, T).clone()
    positions[1, 7:20] -= 7
    positions[1, 20:] -= 20
    return groups, positions


def both(channels, window, asked, dtype=torch.float32, device="cpu"):
    """Outputs at real tokens and the gradient of the weights, by stretches and by a mask."""
    torch.manual_seed(0)
    attention = SelfAttention(H * channels, H).to(device, dtype)
    groups, positions = (each.to(device) for each in rows())
    hidden = torch.randn(B, T, H * channels).to(device, dtype)
    by = angles(positions, channels, 10_000.0, dtype)
    places = torch.stack([torch.randperm(30)[:K].sort().values for _ in range(B)]).to(device) if asked else None
    real = groups > 0 if places is None else torch.ones_like(places, dtype=torch.bool)
    found = []
    for visible in (sight(groups, positions, dtype, window), visibility(groups, positions, dtype, window)):
        out = attention(hidden, by, visible, places)[real]
        found.append((out, torch.autograd.grad(out.float().square().sum(), attention.projection.weight)[0]))
    return found


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("window", [None, 6])
@pytest.mark.parametrize("channels", [8, 6])  # heads of 6 channels are none for the kernel
def test_stretches_give_the_values_and_gradients_of_a_mask(kernel, channels, window, asked):
    ours, theirs = both(channels, window, asked)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("window", [None, 6])
def test_on_a_gpu_the_kernel_gives_the_values_and_gradients_of_a_mask(window, asked):
    groups, positions = (each.cuda() for each in rows())
    assert isinstance(sight(groups, positions, torch.bfloat16, window), Stretches)
    (ours, our_gradient), (theirs, their_gradient) = both(64, window, asked, torch.bfloat16, "cuda")
    torch.testing.assert_close(ours.float(), theirs.float(), atol=0.02, rtol=0.05)
    assert F.cosine_similarity(our_gradient.float().flatten(), their_gradient.float().flatten(), dim=0) > 0.999


def test_each_stretch_begins_where_its_group_does(kernel):
    seen = sight(*rows(), torch.float32)
    assert isinstance(seen, Stretches)
    assert seen.starts.tolist() == [0, 30, 40, 47, 60, 80, 120]


def test_weights_to_be_looked_at_are_those_of_a_mask(kernel):
    attention, (groups, positions) = SelfAttention(H * C, H), rows()
    hidden = torch.randn(B, T, H * C)
    ours, theirs = (f(groups, positions, torch.float32, 6) for f in (sight, visibility))
    torch.testing.assert_close(attention.weights(hidden, None, ours), attention.weights(hidden, None, theirs))


@pytest.mark.parametrize(
    "mix", [lambda groups, positions: groups[1, 39].fill_(1), lambda groups, positions: positions[2, 5:].add_(3)]
)
def test_a_group_in_two_pieces_or_positions_with_gaps_in_a_window_take_a_mask(kernel, mix):
    groups, positions = rows()
    mix(groups, positions)
    seen = sight(groups, positions, torch.float32, 6)
    torch.testing.assert_close(seen, visibility(groups, positions, torch.float32, 6))


def test_gaps_do_not_matter_where_all_of_a_group_is_seen(kernel):
    groups, positions = rows()
    positions[2, 5:] += 3
    assert isinstance(sight(groups, positions, torch.float32), Stretches)


def test_what_was_foreseen_is_not_asked_of_the_device(kernel, monkeypatch):
    groups, positions = rows()
    there = groups.clone(), positions.clone()
    monkeypatch.setattr(stretches, "runs_ahead", lambda device: True)
    starts = stretches.foresee(groups, positions, *there)
    monkeypatch.setattr(stretches, "_looked_at", lambda *given: pytest.fail("the device was waited for"))
    for window in (None, 6):
        assert sight(*there, torch.float32, window).starts is starts


def test_processors_and_float32_take_a_mask():
    groups, positions = rows()
    assert Stretches.of(groups, positions, torch.bfloat16) is None
    assert stretches._kernel(torch.device("cuda"), torch.float32) is None
