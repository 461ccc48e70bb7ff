"""The text masked autoencoder against a reference that knows no batches: a row at a time, in plain torch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from unmask.architectures.bert import Bert
from unmask.architectures.modernbert import ModernBert
from unmask.architectures.transformer import Transformer
from unmask.batches import IGNORE
from unmask.config import changed, overridden
from unmask.errors import SettingError
from unmask.masking import Masking
from unmask.objectives.masked_autoencoding import MaskedAutoencoding, gathered
from unmask.recipes import RECIPES
from unmask.run import Run

V, MASK = 40, 4
SIZES = {"layers": 3, "width": 24, "heads": 2, "feedforward": 40, "positions": 64}
ENCODERS = {
    "modernbert": ModernBert(**SIZES, window=6, global_every=2),
    "bert": Bert(**SIZES),
    "transformer": Transformer(**SIZES, norm="pre"),
}
HIDING = Masking(ratio=0.5, ratio_end=None, mask_share=1.0, random_share=0.0)


def built(architecture, mask_id=MASK, **decoder):
    """An objective whose weights are large enough for every one of them to be felt."""
    torch.manual_seed(0)
    objective = MaskedAutoencoding(**decoder).build(architecture.build(V), V, torch.arange(V), mask_id)
    with torch.no_grad():
        for parameter in objective.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return objective.eval()


def packed(batch):
    """The same batch with two documents in every row, the second from column 5 on."""
    groups, positions = batch.groups.clone(), batch.positions.clone()
    groups[:, 5:] *= 2
    positions[:, 5:] -= 5
    return replace(batch, groups=groups, positions=positions.clamp(min=0))


@pytest.fixture(params=["a document a row", "two documents a row"])
def batch(request, batch_of):
    made = batch_of(12, HIDING)
    return made if request.param == "a document a row" else packed(made)


# ---------------------------------------------------------------- the reference


def turned(x, positions):
    """Rotary positions as complex numbers: channels c and c + C/2 are one number. x (n,H,C)."""
    half = x.shape[-1] // 2
    numbers = torch.complex(x[..., :half].double(), x[..., half:].double())
    phase = positions[:, None].double() * 10_000.0 ** (-torch.arange(half).double() / half)
    numbers = numbers * torch.polar(torch.ones_like(phase), phase)[:, None]
    return torch.cat([numbers.real, numbers.imag], -1).float()


def decoded_by_hand(decoder, known, positions, heads):
    """known: for each token of one document its encoded vector (D,), or None where it is hidden -> (n,D)."""
    x = torch.stack([decoder.mask if each is None else decoder.projection.weight @ each for each in known])
    for layer in decoder.layers:
        normed = F.layer_norm(x, x.shape[-1:], layer.attention_norm.weight)
        query, key, value = (normed @ layer.attention.projection.weight.T).unflatten(-1, (3, heads, -1)).unbind(1)
        query, key = turned(query, positions), turned(key, positions)
        scores = torch.einsum("qhc,khc->hqk", query, key) / query.shape[-1] ** 0.5
        mixed = torch.einsum("hqk,khc->qhc", scores.softmax(-1), value).flatten(1)
        x = x + mixed @ layer.attention.output.weight.T
        inner = F.layer_norm(x, x.shape[-1:], layer.feedforward_norm.weight) @ layer.feedforward.projection.weight.T
        active, gate = inner.chunk(2, -1)
        x = x + (F.gelu(active) * gate) @ layer.feedforward.output.weight.T
    x = F.layer_norm(x, x.shape[-1:], decoder.final_norm.weight)
    return x if isinstance(decoder.output, torch.nn.Identity) else x @ decoder.output.weight.T


def logits_by_hand(objective, batch, row, heads):
    """Logits (n,V) at the hidden places of a row, each of its documents by itself, and the columns of those places."""
    columns, found = [], []
    for group in batch.groups[row].unique().tolist():
        document = ((batch.groups[row] == group) & (batch.groups[row] > 0)).nonzero()[:, 0]
        visible = [int(c) for c in document if batch.targets[row, c] == IGNORE]
        if len(visible) == len(document):
            continue
        known = dict.fromkeys(document.tolist())
        if visible:
            tokens, positions = batch.inputs[row, visible][None], batch.positions[row, visible][None]
            known |= zip(visible, objective.encoder(tokens, torch.ones_like(tokens), positions)[0], strict=True)
        states = decoded_by_hand(objective.decoder, list(known.values()), batch.positions[row, document], heads)
        for column, state in zip(known, states, strict=True):
            if known[column] is None:
                columns.append(column)
                found.append(objective.head(state, objective.encoder.embedding.weight))
    return torch.stack(found), torch.tensor(columns)


@pytest.mark.parametrize("decoder", [{}, {"decoder_layers": 3, "decoder_width": 12, "decoder_heads": 3}], ids=str)
@pytest.mark.parametrize("kind", ENCODERS)
def test_loss_predictions_and_gradients_equal_a_row_at_a_time_by_hand(batch, kind, decoder):
    objective = built(ENCODERS[kind], **decoder)
    weights, by_hand = list(objective.parameters()), torch.zeros(())
    for row in range(len(batch)):
        logits, columns = logits_by_hand(objective, batch, row, decoder.get("decoder_heads", 2))
        by_hand = by_hand + F.cross_entropy(logits, batch.targets[row, columns], reduction="sum")
        with torch.no_grad():
            rows = torch.full_like(columns, row)
            found = objective.predict(batch.inputs, batch.groups, batch.positions, rows, columns)
        torch.testing.assert_close(found, logits, atol=1e-4, rtol=1e-4)
    ours = objective(batch)["masked"]
    torch.testing.assert_close(ours, by_hand, rtol=1e-5, atol=0)
    mine, theirs = (torch.autograd.grad(loss, weights, allow_unused=True) for loss in (ours, by_hand))
    for (name, weight), one, other in zip(objective.named_parameters(), mine, theirs, strict=True):
        one, other = (torch.zeros_like(weight) if each is None else each for each in (one, other))
        assert torch.allclose(one, other, atol=1e-3, rtol=1e-3), name


# ---------------------------------------------------------------- what the encoder reads


@pytest.mark.parametrize("kind", ENCODERS)
def test_left_out_is_the_same_as_not_to_be_seen_with_positions_and_windows_as_they_were(batch, kind):
    """The plain encoder over whole rows, in which the hidden tokens stand in a group of their own."""
    encoder = built(ENCODERS[kind]).encoder
    visible = (batch.targets == IGNORE) & (batch.groups > 0)
    seen = gathered(batch.inputs, batch.groups, batch.positions, visible)
    with torch.no_grad():
        found = encoder(seen.tokens, seen.groups, seen.positions)
        expected = encoder(batch.inputs, batch.groups.where(visible, 99), batch.positions)
    row, column = visible.nonzero(as_tuple=True)
    torch.testing.assert_close(found[row, seen.slots[row, column]], expected[row, column], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ENCODERS)
def test_with_nothing_masked_the_encoder_gives_the_hidden_states_of_the_plain_encoder(batch, kind):
    objective, given = built(ENCODERS[kind]), []
    objective.encoder.register_forward_hook(lambda module, inputs, hidden: given.append(hidden))
    whole = batch.inputs.where(batch.targets == IGNORE, batch.targets)
    with torch.no_grad():
        loss = objective(replace(batch, inputs=whole, targets=torch.full_like(batch.targets, IGNORE)))["masked"]
        plain = objective.encoder(whole, batch.groups, batch.positions)
    real = batch.groups > 0
    assert given[0].shape[1] == int(real.sum(1).max())
    torch.testing.assert_close(given[0][real[:, : given[0].shape[1]]], plain[real], atol=1e-5, rtol=1e-4)
    assert loss.item() == 0.0


def test_the_encoder_reads_the_visible_tokens_alone_each_at_its_true_position(batch):
    objective, given = built(ENCODERS["modernbert"]), []
    objective.encoder.register_forward_pre_hook(lambda module, inputs: given.append(inputs))
    objective(batch)
    for row, (tokens, groups, positions) in enumerate(zip(*given[0], strict=True)):
        visible = (batch.targets[row] == IGNORE) & (batch.groups[row] > 0)
        for found, whole in ((tokens, batch.inputs), (groups, batch.groups), (positions, batch.positions)):
            assert found[: visible.sum()].tolist() == whole[row][visible].tolist()
            assert not found[visible.sum() :].any()


def test_what_stands_at_asked_places_has_no_part_in_loss_or_prediction(batch_of):
    batch, objective = batch_of(12, Masking(ratio=0.4, ratio_end=None)), built(ENCODERS["modernbert"])
    other = replace(batch, inputs=batch.inputs.where(batch.targets == IGNORE, 7))
    rows, columns = (batch.targets != IGNORE).nonzero(as_tuple=True)
    with torch.no_grad():
        assert objective(batch)["masked"] == objective(other)["masked"]
        one, two = (objective.predict(b.inputs, b.groups, b.positions, rows, columns) for b in (batch, other))
    assert one.equal(two)


def test_a_mask_that_is_not_asked_is_hidden_all_the_same(batch_of):
    """Two blanks in a row, one of them asked: as if the other one were asked too, and not as if [MASK] were read."""
    batch, blanks = batch_of(3, HIDING), torch.tensor([2, 4])
    tokens = batch.inputs.where(batch.targets == IGNORE, batch.targets)
    tokens[1, blanks] = MASK
    knowing, unknowing, row = built(ENCODERS["bert"]), built(ENCODERS["bert"], mask_id=None), torch.tensor([1])
    given = (tokens, batch.groups, batch.positions)
    with torch.no_grad():
        both = unknowing.predict(*given, row.expand(2), blanks)
        torch.testing.assert_close(knowing.predict(*given, row, blanks[:1])[0], both[0])
        assert not torch.allclose(unknowing.predict(*given, row, blanks[:1])[0], both[0], atol=1e-3)
        torch.testing.assert_close(knowing.logits(*given)[1, blanks], both)


def test_a_row_without_any_visible_token_is_predicted_without_fault():
    objective, tokens = built(ENCODERS["modernbert"]), torch.full((2, 5), MASK)
    groups, places = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]), torch.tensor([0, 1])
    with torch.no_grad():
        logits = objective.predict(tokens, groups, torch.arange(5).expand(2, 5), places, places)
    assert logits.isfinite().all()


# ---------------------------------------------------------------- settings


def test_the_recipe_hides_half_of_the_tokens_at_first_and_15_percent_at_the_end():
    run = RECIPES.load("mae")()
    assert isinstance(run.objective, MaskedAutoencoding)
    assert isinstance(run.architecture, ModernBert)
    assert [run.masking.ratio_at(progress) for progress in (0, 0.5, 1)] == pytest.approx([0.5, 0.325, 0.15])
    assert (run.masking.mask_share, run.masking.random_share) == (1.0, 0.0)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_recurrent_encoder_is_refused_and_what_fits_is_named(name):
    run = changed(RECIPES.load(name)(), objective=MaskedAutoencoding())
    with pytest.raises(
        SettingError, match=r"which architecture=\w+ cannot be told: modernbert, bert and transformer can$"
    ):
        overridden(run, ["data.store=store"]).checked()


@pytest.mark.parametrize("name", ["modernbert", "bert", "transformer"])
def test_other_encoders_are_taken(name):
    run = overridden(
        Run(), ["data.store=store", "training.steps=1", f"architecture={name}", "objective=masked_autoencoding"]
    )
    assert run.checked() is run


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"decoder_layers": 0}, r"^objective\.decoder_layers=0: 1 to 4 are needed$"),
        ({"decoder_layers": 5}, r"^objective\.decoder_layers=5: 1 to 4 are needed$"),
        (
            {"decoder_width": 128},
            r"^objective\.decoder_width=128 and objective\.decoder_heads=0 go together: give both",
        ),
        ({"decoder_heads": 2}, r"decoder_heads=2 go together: give both, .* or leave both at 0 to take the encoder's$"),
        ({"decoder_width": -8, "decoder_heads": -2}, r"decoder_width=-8 .* go together"),
        (
            {"decoder_width": 90, "decoder_heads": 4},
            r"^objective\.decoder_heads=4: must divide objective\.decoder_width=90 into an even number$",
        ),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused_in_one_line(settings, words):
    with pytest.raises(SettingError, match=words):
        MaskedAutoencoding(**settings)
