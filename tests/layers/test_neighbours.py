"""Fresh encoders look at their neighbours: seen in the attention they pay, computed here by hand."""

import pytest
import torch

from unmask.architectures.bert import Bert
from unmask.architectures.modernbert import ModernBert
from unmask.architectures.transformer import Transformer
from unmask.architectures.unmask import Unmask
from unmask.layers.attention import SelfAttention
from unmask.layers.neighbours import OFFSETS, looking, turned_heads, unmoved, waved_heads
from unmask.layers.positions import angles, sinusoids, turn, wave_frequencies
from unmask.objectives.masked_autoencoding import MaskedAutoencoding

T, AT = 96, 40
ENCODERS = {
    "modernbert": ModernBert(layers=4, width=128, heads=2, feedforward=64),
    "unmask": Unmask(layers=4, width=128, heads=2, feedforward=64),
    "bert": Bert(layers=4, width=256, heads=4, feedforward=64),
    "post-norm waves": Transformer(layers=4, width=256, heads=4, feedforward=64),
    "pre-norm learned": Transformer(layers=4, width=256, heads=4, feedforward=64, norm="pre", position_kind="learned"),
}


def looks(attention, hidden, by):
    """How far from place AT each head looks on average over the rows: (H,)."""
    query, key, _ = attention.parts(hidden).permute(2, 0, 3, 1, 4)
    if by is not None:
        query, key = turn(query, by), turn(key, by)
    probabilities = (query @ key.transpose(2, 3) / query.shape[-1] ** 0.5).softmax(-1)
    return (probabilities[:, :, AT].mean(0).argmax(-1) - AT).tolist()


def seen(attentions, run):
    """What each attention was given while `run()` ran: [(hidden, angles)]."""
    given = []
    handles = [each.register_forward_pre_hook(lambda _, args: given.append(args[:2])) for each in attentions]
    run()
    for handle in handles:
        handle.remove()
    return given


def random_rows(rows=16):
    tokens = torch.randint(5, 400, (rows, T), generator=torch.Generator().manual_seed(3))
    return tokens, torch.ones_like(tokens), torch.arange(T).expand(rows, T)


@pytest.mark.parametrize("name", ENCODERS)
def test_the_heads_of_the_first_layers_look_at_the_tokens_beside_their_own(name):
    torch.manual_seed(0)
    encoder = ENCODERS[name].build(400)
    attentions = [layer.attention for layer in encoder.layers]
    with torch.no_grad():
        given = seen(attentions, lambda: encoder(*random_rows()))
        first = [looks(attention, *args) for attention, args in zip(attentions, given, strict=True)]
    for number, offsets in enumerate(OFFSETS):
        wanted = offsets[: encoder.config.heads]
        assert all(abs(is_ - want) <= 1 and is_ * want > 0 for is_, want in zip(first[number], wanted, strict=True))


def test_half_of_the_layers_look_anywhere():
    assert [looking(layers) for layers in (1, 2, 3, 4, 12)] == [0, 1, 1, 2, 2]


def test_hidden_places_of_the_autoencoder_look_at_the_tokens_beside_them():
    torch.manual_seed(0)
    objective = MaskedAutoencoding().build(ENCODERS["modernbert"].build(400), 400, None, 4)
    tokens, groups, positions = random_rows()
    tokens[:, ::2] = 4
    attention = objective.decoder.layers[0].attention
    with torch.no_grad():
        (given,) = seen([attention], lambda: objective.logits(tokens, groups, positions))
        before, after = looks(attention, *given)
    assert -3 <= before < 0 < after <= 3


def test_turned_scores_are_the_mean_of_cosines_of_the_distance_to_the_offset():
    width, heads, theta = 64, 2, 10_000.0
    attention = SelfAttention(width, heads)
    common = torch.nn.functional.normalize(torch.randn(width), dim=0)
    with torch.no_grad():
        attention.projection.weight.zero_()
        turned_heads(attention, common, 3.0, theta, (-1, 2))
        hidden, by = (3.0 * common).expand(1, T, width), angles(torch.arange(T)[None], 32, theta, torch.float32)
        query, key, _ = attention.projection(hidden).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        scores = turn(query, by) @ turn(key, by).transpose(2, 3) / 32**0.5
    frequencies = torch.tensor([theta ** (-k / 16) for k in range(16) if theta ** (-k / 16) > 0.1])
    for head, offset in enumerate((-1, 2)):
        distance = torch.arange(T) - AT - offset
        expected = 6 * (frequencies * distance[:, None]).cos().mean(1)
        torch.testing.assert_close(scores[0, head, AT], expected, atol=1e-4, rtol=1e-4)


def test_waved_scores_are_the_mean_of_cosines_of_the_distance_to_the_offset():
    width, heads = 64, 2
    attention = SelfAttention(width, heads)
    frequencies = wave_frequencies(width)[:8]
    with torch.no_grad():
        attention.projection.weight.zero_()
        waved_heads(attention, frequencies, 0.1, (-1, 3))
        query, key, _ = (
            attention.projection(sinusoids(T, width)[None]).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        )
        scores = query @ key.transpose(2, 3) / 32**0.5
    for head, offset in enumerate((-1, 3)):
        expected = 8 * (frequencies * (torch.arange(T) - AT - offset)[:, None]).cos().mean(1)
        torch.testing.assert_close(scores[0, head, AT], expected, atol=1e-4, rtol=1e-4)


def test_what_is_unmoved_by_a_direction_takes_a_share_of_it_and_all_of_the_others():
    weight, directions = torch.randn(5, 6), torch.linalg.qr(torch.randn(6, 2)).Q.T
    other = torch.linalg.qr(torch.cat([directions, torch.randn(1, 6)]).T).Q[:, 2]
    before = weight.clone()
    unmoved(weight, directions, left=0.25)
    torch.testing.assert_close(weight @ directions.T, 0.25 * before @ directions.T)
    torch.testing.assert_close(weight @ other, before @ other)
