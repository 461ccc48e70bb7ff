"""The hybrid objective: nothing behind a token tells it, the loss by hand and of a stock decoder, the schedule."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from unmask.architectures.bert import Bert
from unmask.architectures.modernbert import ModernBert
from unmask.architectures.transformer import Transformer
from unmask.architectures.unmask import Unmask
from unmask.batches import IGNORE
from unmask.config import changed, overridden
from unmask.errors import SettingError
from unmask.masking import Masking
from unmask.objectives.hybrid import Hybrid, asked_columns
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.recipes import RECIPES
from unmask.run import Run

V, T, MASK = 40, 24, 4
SIZES = {"layers": 2, "width": 16, "heads": 2, "feedforward": 24, "positions": 64}
ENCODERS = {
    "bert": Bert(**SIZES),
    "modernbert": ModernBert(**SIZES, window=6, global_every=2),
    "transformer": Transformer(**SIZES),
    "prenorm": Transformer(**SIZES, norm="pre", position_kind="learned"),
    "unmask": Unmask(**SIZES, window=6, global_every=2, value_embeddings=1),
}


@pytest.fixture(params=ENCODERS)
def encoder(request):
    return ENCODERS[request.param]


def built(architecture, **settings):
    """An objective whose weights are large enough for every token to be felt."""
    torch.manual_seed(0)
    objective = Hybrid(**settings).build(architecture.build(V), V, torch.arange(V), MASK)
    with torch.no_grad():
        for weight in objective.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return objective


def causal(batch, rows):
    """The batch with these rows causal, all tokens but the first and the last of a document asked."""
    which = torch.zeros(len(batch), dtype=torch.bool)
    which[rows] = True
    tokens = torch.where(batch.targets == IGNORE, batch.inputs, batch.targets)
    able = (tokens > MASK) & (batch.positions > 0)
    return replace(
        batch,
        inputs=tokens.where(which[:, None], batch.inputs),
        targets=tokens.where(able, IGNORE).where(which[:, None], batch.targets),
        causal=which,
    )


def losses(objective, batch):
    """The loss of each token asked of the one row of a causal batch: {column: nats}."""
    with torch.no_grad():
        found = {}
        for column in (batch.targets[0] != IGNORE).nonzero().flatten().tolist():
            alone = torch.full_like(batch.targets, IGNORE)
            alone[0, column] = batch.targets[0, column]
            found[column] = objective(replace(batch, targets=alone))["masked"].item()
    return found


# ---------------------------------------------------------------- what a token is told from


@pytest.mark.parametrize("asked_at", ["blank", "before"])
def test_what_stands_at_a_place_or_behind_it_never_changes_a_prediction_and_what_stands_before_does(
    encoder, asked_at, batch_of
):
    objective = built(encoder, asked_at=asked_at)
    batch = causal(batch_of(13, Masking()).part(12, 13), [0])  # 20 tokens, 18 of them asked
    before, changed_at = losses(objective, batch), 9
    other = batch.inputs.clone()
    other[0, changed_at] = 5 + (other[0, changed_at] - 4) % (V - 5)
    after = losses(objective, replace(batch, inputs=other))  # the targets are as they were
    for column, loss in before.items():
        if column <= changed_at:
            assert after[column] == pytest.approx(loss, abs=1e-5), column
        elif column - changed_at <= 3:  # in the reach of a local layer
            assert abs(after[column] - loss) > 1e-5, column


@pytest.mark.parametrize("asked_at", ["blank", "before"])
def test_another_document_of_the_row_tells_nothing(encoder, asked_at, batch_of):
    objective = built(encoder, asked_at=asked_at)
    batch = causal(batch_of(13, Masking()).part(12, 13), [0])
    groups, positions = batch.groups.clone(), batch.positions.clone()
    groups[0, 10:20], positions[0, 10:] = 2, torch.arange(T - 10)
    targets = batch.targets.clone()
    targets[0, 10] = IGNORE
    packed = replace(batch, groups=groups, positions=positions, targets=targets)
    other = packed.inputs.clone()
    other[0, 3:8] = 7
    ours, theirs = losses(objective, packed), losses(objective, replace(packed, inputs=other))
    assert [theirs[column] for column in range(11, 19)] == pytest.approx([ours[column] for column in range(11, 19)])
    assert abs(theirs[9] - ours[9]) > 1e-5


def test_a_blank_answers_as_the_last_token_of_a_row_cut_there_does():
    """Every token asked one at a time: [CLS], what stands before it, and a [MASK], read by the plain encoder."""
    architecture = Bert(**SIZES | {"layers": 1})  # with more, what stands before it would be seen from both sides
    objective, tokens = built(architecture), torch.tensor([[2, 7, 8, 9, 10, 11, 3]])
    columns = torch.arange(1, 6)[None]
    targets = tokens.where(tokens > MASK, IGNORE)
    batch = _of(tokens, targets)
    by_hand = 0.0
    for column in columns[0].tolist():
        row = torch.cat([tokens[:, :column], torch.tensor([[MASK]])], 1)
        positions = torch.arange(column + 1)[None]
        logits = objective.predict(row, torch.ones_like(row), positions, torch.tensor([0]), torch.tensor([column]))
        by_hand += F.cross_entropy(logits, tokens[:, column]).item()
    assert objective(batch)["masked"].item() == pytest.approx(by_hand, rel=1e-5)
    assert objective.counts(batch) == {"masked": 5}


def test_asked_at_the_token_before_the_loss_is_that_of_stock_bert_as_a_decoder(tmp_path, batch_of):
    from transformers import BertLMHeadModel

    from unmask.weights import save_objective

    architecture = ENCODERS["bert"]
    objective, batch = built(architecture, asked_at="before"), causal(batch_of(9, Masking()), slice(None))
    save_objective(tmp_path, architecture, objective.state_dict(), {"pad": 0, "cls": 2, "sep": 3})
    stock = BertLMHeadModel.from_pretrained(tmp_path, is_decoder=True).eval()
    with torch.no_grad():
        logits = stock(input_ids=batch.inputs, attention_mask=batch.groups).logits
        theirs = F.cross_entropy(
            logits[:, :-1].flatten(0, 1), batch.targets[:, 1:].flatten(), ignore_index=IGNORE, reduction="sum"
        )
        torch.testing.assert_close(objective(batch)["masked"], theirs, rtol=1e-4, atol=0)


def _of(tokens, targets):
    from unmask.batches import Batch

    return Batch(
        numbers=torch.arange(len(tokens)),
        inputs=tokens,
        targets=targets,
        groups=torch.ones_like(tokens),
        positions=torch.arange(tokens.shape[1]).expand_as(tokens),
        places=torch.zeros(len(tokens), 1, dtype=torch.long),
        maskable=(targets != IGNORE).sum(1),
        ratio=0.3,
        causal=torch.ones(len(tokens), dtype=torch.bool),
    )


# ---------------------------------------------------------------- both kinds of rows together


def test_rows_of_both_kinds_add_up_to_what_each_costs_alone(encoder, batch_of):
    objective, rows = built(encoder), [0, 3, 4, 8]
    masked = batch_of(9, Masking())
    batch = causal(masked, rows)
    plain = MaskedLanguageModeling().build(objective.encoder, V)
    plain.load_state_dict(objective.state_dict())
    others = [row for row in range(9) if row not in rows]
    expected = sum(objective(batch.part(row, row + 1))["masked"] for row in rows)
    expected = expected + sum(plain(masked.part(row, row + 1))["masked"] for row in others)
    torch.testing.assert_close(objective(batch)["masked"], expected)
    assert objective.counts(batch) == {"masked": int((batch.targets != IGNORE).sum())}


def test_without_causal_rows_it_is_masked_language_modelling(encoder, batch_of):
    objective, masked = built(encoder), batch_of(9, Masking())
    plain = MaskedLanguageModeling().build(objective.encoder, V)
    plain.load_state_dict(objective.state_dict())
    for batch in (masked, causal(masked, [])):
        assert objective(batch)["masked"].equal(plain(masked)["masked"])


@pytest.mark.parametrize("asked_at", ["blank", "before"])
def test_every_weight_learns_from_causal_rows_alone(encoder, asked_at, batch_of):
    objective = built(encoder, asked_at=asked_at)
    objective(causal(batch_of(9, Masking()), slice(None)))["masked"].backward()
    without = [name for name, weight in objective.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not without


@given(data=st.data())
def test_columns_are_all_that_is_asked_and_as_many_as_the_share_says(data):
    length, share = data.draw(st.integers(8, 40)), data.draw(st.floats(0.05, 1))
    most = max(1, round(share * length))
    rows = data.draw(
        st.lists(st.sets(st.integers(1, length - 1), max_size=min(most, length - 1)), min_size=1, max_size=4)
    )
    targets = torch.full((len(rows), length), IGNORE)
    for row, columns in enumerate(rows):
        targets[row, list(columns)] = 7
    found = asked_columns(targets, share)
    assert found.shape == (len(rows), most)
    for row, columns in enumerate(rows):
        assert {c for c in found[row].tolist() if targets[row, c] != IGNORE} == columns
        assert len(set(found[row].tolist())) == most


# ---------------------------------------------------------------- settings


def test_the_share_goes_straight_from_its_start_to_its_end_and_stays_there():
    shares = [Hybrid(causal=0.8, causal_end=0.2, until=0.4).causal_share(p) for p in (0, 0.1, 0.2, 0.4, 0.7, 1)]
    assert shares == pytest.approx([0.8, 0.65, 0.5, 0.2, 0.2, 0.2])
    assert Hybrid(until=0.0).causal_share(0.0) == 0.0
    assert Hybrid(causal=0.0625, causal_end=0.0625).causal_share(0.5) == 0.0625


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("causal=1.5", r"^objective\.causal=1\.5: a share from 0 to 1 is needed$"),
        ("until=-0.1", r"^objective\.until=-0\.1: a share from 0 to 1 is needed$"),
        ("asked=0", r"^objective\.asked=0\.0: a share above 0, up to 1, is needed$"),
        ("asked_at=blanks", r"^objective\.asked_at: unknown place 'blanks'; did you mean 'blank'\? \(known: .*\)$"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(setting, words):
    with pytest.raises(SettingError, match=words):
        overridden(Run(), ["objective=hybrid", f"objective.{setting}"])


@pytest.mark.parametrize("name", ["lstm", "cbow"])
def test_an_architecture_that_reads_both_ways_always_is_refused_by_name(name):
    run = changed(Run(), data={"source": "texts", "packing": "document"}, training={"steps": 1})
    with pytest.raises(
        SettingError,
        match=rf"^objective=hybrid reads rows left to right, which architecture={name} cannot: modernbert, bert, tra",
    ):
        overridden(run, [f"architecture={name}", "objective=hybrid"]).checked()


def test_the_recipe_begins_causal_and_ends_masked():
    run = RECIPES.load("hybrid")()
    assert (run.objective.causal_share(0.0), run.objective.causal_share(0.5)) == (1.0, 0.0)
