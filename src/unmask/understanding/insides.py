"""A loaded model opened up: hidden states of every layer, attention maps, and what each layer would predict.

    inside = opened(model)
    inside.hidden_states(tokens, groups)     the embeddings and each layer: (B,T,D) each
    inside.attention(tokens, groups)         (L,B,H,T,T), or None for a model that has none
    inside.lens(tokens, groups, column)      (layers + 1, V)

Our own encoders say which parts give their hidden states (`taps`), and those are listened to; stock models are asked by
`output_hidden_states` and `output_attentions`.

Shapes: B rows, T tokens, L layers, H heads, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from unmask.layers.attention import SelfAttention
from unmask.models import Model, positions
from unmask.objectives.masked_autoencoding import AutoencoderObjective
from unmask.objectives.masked_language_modeling import MaskedObjective


class Inside(Protocol):
    """What can be asked of an opened model; tokens and groups are (B,T), answers float32 on the CPU."""

    embedding: nn.Module

    def hidden_states(self, tokens: Tensor, groups: Tensor) -> list[Tensor]:
        """The embeddings, then the output of each layer: (B,T,D) each (a recurrent layer is twice its state wide)."""
        ...

    def attention(self, tokens: Tensor, groups: Tensor) -> Tensor | None:
        """Who looks at whom, (L,B,H,T,T), each row summing to 1; None for a model where the blank looks at nobody."""
        ...

    def lens(self, tokens: Tensor, groups: Tensor, column: int) -> Tensor:
        """The logits (layers + 1, V) at a column of one row (1,T), were the model to end after each layer.

        The "logit lens" (nostalgebraist 2020): a layer's output goes through the final norm and the head. The last is
        the model's own prediction. Rows of NaN where a layer has another width than the head reads.
        """
        ...


def opened(model: Model) -> Inside:
    """The insides of a model, our own class or a stock one."""
    return OwnInside(model) if isinstance(model.module, MaskedObjective) else StockInside(model)


class OwnInside:
    """One of our objectives around one of our encoders."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._objective: Any = model.module
        self._encoder: Any = model.module.encoder
        self.embedding: nn.Module = self._encoder.embedding

    def hidden_states(self, tokens: Tensor, groups: Tensor) -> list[Tensor]:
        with torch.inference_mode(), _caught(self._encoder.taps) as states:
            self._encoder(*self._given(tokens, groups))
        return [state.float().cpu() for state in states]

    def attention(self, tokens: Tensor, groups: Tensor) -> Tensor | None:
        layers = [part for part in self._encoder.modules() if isinstance(part, SelfAttention)]
        # The encoder of a masked autoencoder never reads a blank, so no map says what a blank looks at.
        if not layers or isinstance(self._objective, AutoencoderObjective):
            return None
        maps: list[Tensor] = []
        hooks = [layer.register_forward_pre_hook(_noting(maps)) for layer in layers]
        try:
            with torch.inference_mode():
                self._encoder(*self._given(tokens, groups))
        finally:
            for hook in hooks:
                hook.remove()
        return torch.stack(maps).float().cpu()

    def lens(self, tokens: Tensor, groups: Tensor, column: int) -> Tensor:
        given = self._given(tokens, groups)
        with torch.inference_mode():
            with _caught(self._encoder.taps) as states:
                last = self._objective.logits(*given)[0, column]
            # The embeddings of a recurrent encoder are not as wide as its layers.
            logits = [
                self._ending(given, state, column)
                if state.shape[-1] == states[-1].shape[-1]
                else torch.full_like(last, torch.nan)
                for state in states
            ]
        return torch.stack(logits).float().cpu()

    def _ending(self, given: tuple[Tensor, ...], state: Tensor, column: int) -> Tensor:
        """The logits (V,) with a layer's output in the place of the last one's."""
        hidden = self._encoder.finish(state)
        with _answering(self._encoder, lambda _: hidden):
            return self._objective.logits(*given)[0, column]

    def _given(self, tokens: Tensor, groups: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        device = self._model.device
        return tokens.to(device), groups.to(device), positions(groups).to(device)


class StockInside:
    """A model of transformers; each row is one document, then padding."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._module: Any = model.module
        self._base: Any = self._module.base_model
        self.embedding: nn.Module = self._module.get_input_embeddings()

    def hidden_states(self, tokens: Tensor, groups: Tensor) -> list[Tensor]:
        with torch.inference_mode():
            found = self._base(**self._given(tokens, groups), output_hidden_states=True)
        return [state.float().cpu() for state in found.hidden_states]

    def attention(self, tokens: Tensor, groups: Tensor) -> Tensor | None:
        usual = self._module.config._attn_implementation
        self._module.set_attn_implementation("eager")  # the others do not hand out what they compute
        try:
            with torch.inference_mode():
                found = self._base(**self._given(tokens, groups), output_attentions=True)
        finally:
            self._module.set_attn_implementation(usual)
        maps = getattr(found, "attentions", None)
        return torch.stack(tuple(maps)).float().cpu() if maps else None

    def lens(self, tokens: Tensor, groups: Tensor, column: int) -> Tensor:
        given = self._given(tokens, groups)
        logits = []
        with torch.inference_mode():
            for state in self._base(**given, output_hidden_states=True).hidden_states:
                with _answering(self._base, lambda answer, state=state: _with_state(answer, state)):
                    logits.append(self._module(**given).logits[0, column])
        return torch.stack(logits).float().cpu()

    def _given(self, tokens: Tensor, groups: Tensor) -> dict[str, Tensor]:
        device = self._model.device
        return {"input_ids": tokens.to(device), "attention_mask": (groups > 0).long().to(device)}


@contextmanager
def _caught(parts: tuple[nn.Module, ...]) -> Iterator[list[Tensor]]:
    """What the parts of a model give while the block lasts, in the order in which they give it."""
    outputs: list[Tensor] = []

    def catch(module: nn.Module, given: Any, output: Tensor) -> None:
        outputs.append(output)

    hooks = [part.register_forward_hook(catch) for part in parts]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _answering(part: nn.Module, answer: Callable[[Any], Any]) -> Iterator[None]:
    """Another answer in the place of a part's own while the block lasts."""
    hook = part.register_forward_hook(lambda module, given, output: answer(output))
    try:
        yield
    finally:
        hook.remove()


def _noting(maps: list[Tensor]) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    """A hook that computes the map of an attention from what it is given: (hidden, by, visible, places)."""

    def note(attention: nn.Module, given: tuple[Any, ...]) -> None:
        assert isinstance(attention, SelfAttention)
        maps.append(attention.weights(*given[:3]))

    return note


def _with_state(answer: Any, state: Tensor) -> Any:
    answer["last_hidden_state"] = state
    return answer
