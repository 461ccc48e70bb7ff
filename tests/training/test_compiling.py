"""Compiled layers: what they compute, how often they are compiled, and what happens without a compiler."""

import pytest
import torch
from torch import library

from unmask.architectures.modernbert import ModernBert
from unmask.errors import SettingError
from unmask.layers import stretches
from unmask.layers.losses import chunk_terms
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.training import compiling
from unmask.training.compiling import Compiled, compiles

WORDS = 97
CPU, GPU = torch.device("cpu"), torch.device("cuda")


def shares(query, key, starts, reach):
    """What each token takes of each other: (H,N,N)."""
    group = torch.bucketize(torch.arange(len(query)), starts, right=True)
    seen = group[:, None] == group
    if reach >= 0:
        seen &= (torch.arange(len(query))[:, None] - torch.arange(len(query))).abs() <= reach
    scores = torch.einsum("ihc,jhc->hij", query, key) * query.shape[-1] ** -0.5
    return scores.masked_fill(~seen, float("-inf")).softmax(-1)


@library.custom_op("unmask_tests::by_stretches", mutates_args=())
def by_stretches(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, starts: torch.Tensor, reach: int
) -> torch.Tensor:
    """What the kernel of a GPU promises, as one operation that no compiler looks into."""
    return torch.einsum("hij,jhc->ihc", shares(query, key, starts, reach), value).contiguous()


@by_stretches.register_fake
def _(query, key, value, starts, reach):
    return torch.empty_like(query)


def _setup(ctx, inputs, output):
    ctx.save_for_backward(*inputs[:4])
    ctx.reach = inputs[4]


# The gradient is an operation of its own, as that of the kernel is.
@library.custom_op("unmask_tests::by_stretches_backward", mutates_args=())
def by_stretches_backward(
    gradient: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    starts: torch.Tensor,
    reach: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    taken = shares(query, key, starts, reach)
    of_shares = torch.einsum("ihc,jhc->hij", gradient, value)
    of_scores = taken * (of_shares - (of_shares * taken).sum(-1, keepdim=True)) * query.shape[-1] ** -0.5
    of_query, of_key = torch.einsum("hij,jhc->ihc", of_scores, key), torch.einsum("hij,ihc->jhc", of_scores, query)
    return of_query.contiguous(), of_key.contiguous(), torch.einsum("hij,ihc->jhc", taken, gradient).contiguous()


@by_stretches_backward.register_fake
def _(gradient, query, key, value, starts, reach):
    return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)


by_stretches.register_autograd(
    lambda context, gradient: (*by_stretches_backward(gradient, *context.saved_tensors, context.reach), None, None),
    setup_context=_setup,
)


def kernel(query, key, value, starts, same, longest, same_longest, *, window_size=(-1, -1)):
    return by_stretches(query, key, value, starts, window_size[0])


def objective():
    torch.manual_seed(0)
    encoder = ModernBert(layers=5, width=16, heads=2, feedforward=24, window=8, positions=32).build(WORDS)
    return MaskedLanguageModeling().build(encoder, WORDS)


def batch(number, places):
    """Rows of one or of several documents, with so many places asked."""
    from unmask.batches import IGNORE, Batch

    torch.manual_seed(number)
    groups = torch.ones(4, 32, dtype=torch.long)
    for row in range(number):
        groups[row, 10 + row :] = 2
    positions = torch.arange(32).expand(4, 32) - (groups == 2) * (10 + torch.arange(4)[:, None])
    tokens = torch.randint(5, WORDS, (4, 32))
    asked = torch.stack([torch.randperm(32)[:places].sort().values for _ in range(4)])
    targets = torch.full((4, 32), IGNORE).scatter(1, asked, tokens.gather(1, asked))
    return Batch(torch.arange(4), tokens, targets, groups, positions, asked, torch.full((4,), 32), 0.3)


def learned(model, some, compiled=None):
    """Losses and gradients of some batches."""
    found = []
    for each in some:
        if compiled is not None:
            found_stretches = stretches.Stretches.of(each.groups, each.positions, torch.float32)
            assert found_stretches is not None
            compiled.vary((found_stretches.starts, 0))
            compiled.vary((each.places, 1))
        model.zero_grad()
        loss = model(each)["masked"]
        loss.backward()
        found.append((loss.detach(), model.encoder.layers[0].attention.projection.weight.grad.clone()))
    return found


@pytest.mark.slow
def test_compiled_layers_learn_the_same_and_are_compiled_once_whatever_the_batch(monkeypatch):
    import torch._dynamo
    from torch._dynamo.utils import counters

    monkeypatch.setattr(stretches, "_kernel", lambda device, dtype: kernel)
    torch._dynamo.reset()
    counters.clear()
    some = [batch(1, 9), batch(3, 7), batch(2, 6)]
    expected, model = learned(objective(), some), objective()
    compiled = Compiled(model, backend="aot_eager")
    first = learned(model, some[:1], compiled)
    graphs = counters["stats"]["unique_graphs"]
    # The first layer (global, without a norm), a local one, a global one, the last; and the terms of the loss.
    assert graphs == 5
    assert not counters["graph_break"]
    torch.testing.assert_close(first + learned(model, some[1:], compiled), expected)
    # The terms are compiled once more when the number of places changes, and nothing else is.
    assert counters["stats"]["unique_graphs"] <= graphs + 1
    with compiling.uncompiled():
        torch.testing.assert_close(learned(model, some[:1]), expected[:1])


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_compiled_layers_learn_what_uncompiled_ones_do():
    some = [batch(number, 9 - number).to("cuda") for number in range(3)]
    found = []
    for wanted in (False, True):
        model = objective().to("cuda", torch.bfloat16)
        model.head.bias.data = model.head.bias.data.float()
        if wanted:
            Compiled(model)
        found.append(learned(model, some))
    for (loss, gradient), (expected, expected_gradient) in zip(*found, strict=True):
        assert float(loss) == pytest.approx(float(expected), rel=0.01)
        assert torch.cosine_similarity(gradient.flatten(), expected_gradient.flatten(), dim=0) > 0.99


def test_where_the_compiler_fails_a_line_says_so_and_learning_goes_on(capfd):
    model = objective()
    compiled, calls = Compiled(model, backend="eager"), []

    def learn():
        calls.append([layer._compiled_call_impl is None for layer in model.encoder.layers])
        if len(calls) == 1:
            raise RuntimeError("no such instruction: tl.dot\nand a long trace")

    compiled.tried(learn)
    assert calls == [[False] * 5, [True] * 5]
    assert model.head.terms is chunk_terms
    written = " ".join(capfd.readouterr().err.split())
    assert "layers are not compiled, for the compiler fails (no such instruction: tl.dot)" in written
    assert "trace" not in written


def test_operations_are_counted_on_some_rows_and_leave_no_gradient():
    model = objective()
    compiled = Compiled(model, backend="eager")

    def count(few):
        model(few)["masked"].backward()
        torch.rand(3)
        return 7 * len(few)

    some = batch(0, 4)
    torch.manual_seed(1)
    assert compiled.counted(count, some) == 28
    assert all(parameter.grad is None for parameter in model.parameters())
    torch.testing.assert_close(torch.rand(1), torch.rand(1, generator=torch.manual_seed(1)))


def test_pretraining_on_a_gpu_is_compiled_and_nothing_else_by_itself(monkeypatch):
    monkeypatch.setattr(compiling, "_lacking", lambda device: None)
    assert compiles("auto", GPU, fixed_shapes=True)
    assert not compiles("auto", GPU, fixed_shapes=False)
    assert not compiles("auto", CPU, fixed_shapes=True)
    assert not compiles("off", GPU, fixed_shapes=True)
    assert compiles("on", CPU, fixed_shapes=False)


def test_without_a_compiler_auto_goes_on_and_on_is_refused(monkeypatch, capfd):
    monkeypatch.setattr(compiling, "find_spec", lambda name: None)
    assert not compiles("auto", GPU, fixed_shapes=True)
    written = " ".join(capfd.readouterr().err.split())
    assert "layers are not compiled, which takes Triton: training is slower" in written
    with pytest.raises(
        SettingError, match=r"training.compile=on: Triton is needed and not installed; set training.com"
    ):
        compiles("on", GPU, fixed_shapes=True)
