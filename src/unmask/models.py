"""Any masked language model as one `Model`: a run folder, a Hugging Face folder, or a name on the Hub.

    model = load("runs/demo")            its model/, or the newest whole checkpoint while it is still training
    model.fill("Returns a new [MASK].")
    model.generate("Returns a new", tokens=20)
    model.score("Returns a new array.")
    model.predict(tokens, groups, rows, columns)     the mechanism below evaluation, filling and scoring

Architectures of ours are read by `weights/`; every other one by transformers' AutoModelForMaskedLM. A weight that
the folder lacks is an error: a head with random weights would answer, and nobody would know.

Shapes: B rows, T tokens in a row, N places asked, V vocabulary.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask.console import say, warn
from unmask.devices import best_device, sent
from unmask.errors import ModelError
from unmask.sealed import fault
from unmask.weights.auto import register

if TYPE_CHECKING:
    from torch import Tensor, nn

    from unmask.tokens.tokenizer import Tokenizer

CONFIG, RUN, COUNTS = "config.json", "run.json", "token_counts.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
NO_LIMIT = 1 << 30
_HUB_NAME = re.compile(r"^[\w.-]+(/[\w.-]+)?$")
_FITTING = "a BERT, RoBERTa, DistilBERT, ModernBERT or any other masked language model"

Forward = Callable[["Tensor", "Tensor", "Tensor", "Tensor", "Tensor"], "Tensor"]
"""(tokens, groups, positions: (B,T) each, rows, columns: (N,) each) -> logits (N,V)"""

# So that AutoModelForMaskedLM reads them wherever this file is imported.
register("unmask-lstm", "unmask-gru", "unmask-encoder", "unmask-cbow", "unmask-masked-autoencoder", "unmask-generator")


@dataclass(frozen=True)
class Model:
    """A masked language model ready to predict; made by `load`.

    `row_limit` is the longest row in tokens, [CLS] and [SEP] included. `run` is the resolved run of run.json when the
    model came with one, `token_counts` (V,) how often each token stood in its training text (for the unigram line).
    """

    path: Path
    tokenizer: Tokenizer
    row_limit: int
    vocabulary_size: int
    device: str
    run: dict[str, Any] | None
    token_counts: np.ndarray | None = field(repr=False)
    module: nn.Module = field(repr=False)
    forward: Forward = field(repr=False)

    @property
    def mask_id(self) -> int:
        return self.tokenizer.mask_id

    def predict(self, tokens: Tensor, groups: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Logits at the asked places: (B,T), (B,T), (N,), (N,) -> float32 (N,V), on its device.

        Equal `groups` see each other, 0 is padding. Raises ModelError when a row is longer than `row_limit`.
        """
        import torch

        if tokens.shape[1] > self.row_limit:
            raise ModelError(
                f"a row of {tokens.shape[1]} tokens is longer than the {self.row_limit} {self.path} can read"
            )
        inputs = [sent(given, self.device) for given in (tokens, groups, positions(groups), rows, columns)]
        with torch.inference_mode(), self._packed:
            return self.forward(*inputs).float()

    @cached_property
    def _packed(self) -> Any:
        """What makes float32 products faster on the processor; it keeps the weights it has packed."""
        from unmask.layers.packed import PackedLinears

        return PackedLinears()

    def fill(self, text: str | list[str], **settings: Any) -> list[Any]:
        """Fill the blanks of a text (or of several): `unmask.generation.fill.fill` with this model."""
        # By name: filling stands above models, so this file must not depend on it.
        return import_module("unmask.generation.fill").fill(self, text, **settings)

    def generate(self, prompt: str = "", **settings: Any) -> list[Any]:
        """Texts that begin with a prompt, or fill its blanks: `unmask.generation.generate.generate` with this model."""
        return import_module("unmask.generation.generate").generate(self, prompt, **settings)

    def embed(self, texts: str | list[str], **settings: Any) -> np.ndarray:
        """Vectors of texts: `unmask.tasks.embedder.embed` with this model."""
        return import_module("unmask.tasks.embedder").embed(self, texts, **settings)

    def score(self, text: str | list[str], **settings: Any) -> Any:
        """How likely a text is (or several): `unmask.evaluation.pseudo_likelihood.score` with this model."""
        return import_module("unmask.evaluation.pseudo_likelihood").score(self, text, **settings)


def load(name: str | Path, *, device: str | None = None) -> Model:
    """The masked language model under a path or a Hub name, in float32 and ready to predict.

    Where the model detects replaced tokens (ELECTRA), its generator below it is what predicts.

    Raises ModelError, one line, for a folder that is missing or holds no such model, an architecture without a
    masked-LM head, weights that do not fit, and a tokenizer that knows more tokens than the model.
    """
    from unmask.tokens.tokenizer import Tokenizer
    from unmask.weights import GENERATOR

    folder = resolved(name)
    predicting = folder / GENERATOR if (folder / GENERATOR / CONFIG).is_file() else folder
    config = _json(predicting / CONFIG)
    tokenizer = Tokenizer.load(folder)
    size = int(config.get("vocab_size", 0))
    if size and tokenizer.vocabulary_size > size:
        raise ModelError(
            f"{folder}: the tokenizer has {tokenizer.vocabulary_size} tokens but the model only {size}: "
            "put the tokenizer it was trained with into the folder"
        )
    device = device or best_device()
    ours = _ours(predicting)
    module, forward = ours or _stock(predicting, config)
    module.to(device).eval()
    return Model(
        path=folder,
        tokenizer=tokenizer,
        row_limit=module.encoder.config.positions if ours else row_limit(module, config),  # type: ignore[union-attr]
        vocabulary_size=size or tokenizer.vocabulary_size,
        device=device,
        run=run_beside(folder),
        token_counts=read_token_counts(folder),
        module=module,
        forward=forward,
    )


# ---------------------------------------------------------------- where it is


def resolved(name: str | Path) -> Path:
    """The Hugging Face folder meant by a run folder, a model folder or a Hub name; ModelError when there is none."""
    folder = Path(name).expanduser()
    if not folder.exists():
        return _from_hub(str(name))
    if not folder.is_dir():
        raise ModelError(f"{folder} is a file: give the folder it stands in")
    if (folder / CONFIG).exists():
        return _whole(folder)
    if (folder / RUN).exists():
        return _of_run(folder)
    raise ModelError(f"{folder} is no model: neither {RUN} (a run) nor {CONFIG} (a Hugging Face folder) is in it")


def _whole(folder: Path) -> Path:
    if not any((folder / weights).exists() for weights in WEIGHTS):
        raise ModelError(f"{folder} has a {CONFIG} but no weights: {WEIGHTS[0]} is missing")
    return folder


def _of_run(run: Path) -> Path:
    if (run / "model" / CONFIG).exists():
        return _whole(run / "model")
    for checkpoint in _newest_first(run / "checkpoints"):
        broken = fault(checkpoint)
        if broken is None:
            say(f"{run} is not finished: taking {checkpoint.name}")
            return checkpoint
        warn(f"{checkpoint} is broken ({broken}); looking at the one before")
    raise ModelError(
        f"{run} has no model and no whole checkpoint yet: continue it with `unmask pretrain --resume {run}`"
    )


def _newest_first(checkpoints: Path) -> list[Path]:
    steps = [(int(path.name[5:]), path) for path in checkpoints.glob("step-*") if path.name[5:].isdigit()]
    return [path for _, path in sorted(steps, reverse=True)]


def _from_hub(name: str) -> Path:
    near = get_close_matches(name, _folders_beside(Path(name)), n=1, cutoff=0.7)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    if not _HUB_NAME.match(name) or ("/" in name and Path(name).parent.is_dir()):
        raise ModelError(f"{name}: no such folder{hint}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    wanted = ["*.json", "*.safetensors", "*.txt", "*.model"]
    with hushed():
        try:
            folder = Path(snapshot_download(name, allow_patterns=wanted, ignore_patterns=["*/*"]))
            if not any((folder / weights).exists() for weights in WEIGHTS):
                folder = Path(snapshot_download(name, allow_patterns=[*wanted, "*.bin"], ignore_patterns=["*/*"]))
        except (OSError, HfHubHTTPError, ValueError) as error:  # its offline errors are OSErrors
            raise ModelError(f"{name}: no such folder here{hint}, and {_hub_trouble(error)}") from None
    return _whole(folder)


def _folders_beside(path: Path) -> list[str]:
    around = path.parent
    return [str(other) for other in around.iterdir() if other.is_dir()] if around.is_dir() else []


def _hub_trouble(error: Exception) -> str:
    """Why the Hub gave nothing, in a few words."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "the Hub is not asked (HF_HUB_OFFLINE is set)"
    known = {
        "RepositoryNotFoundError": "no public model of this name on the Hub",
        "GatedRepoError": "the Hub wants its terms accepted and a token (HF_TOKEN)",
        "LocalEntryNotFoundError": "the Hub cannot be reached",
    }
    return known.get(type(error).__name__, f"not to be had from the Hub ({type(error).__name__})")


def run_beside(folder: Path) -> dict[str, Any] | None:
    """The run a model came from, of run.json in its own folder or in the run folder around it; None without one."""
    for place in (folder, folder.parent, folder.parent.parent):
        if (place / RUN).exists():
            content = _json(place / RUN)
            return content.get("run", content)  # beside the run stands the machine it ran on
        if place.name not in ("model", "checkpoints") and not place.name.startswith("step-"):
            return None
    return None


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise ModelError(f"{path} cannot be read: an object is expected")
    return content


# ---------------------------------------------------------------- how often each token stood in the training text


def write_token_counts(folder: Path, counts: np.ndarray) -> None:
    """Save how often each token stood in the training text (V,) beside the weights."""
    (folder / COUNTS).write_text(json.dumps([int(count) for count in counts]), encoding="utf-8")


def read_token_counts(folder: Path) -> np.ndarray | None:
    """The counts (V,) int64 a model folder carries, or None; ModelError when they cannot be read."""
    if not (folder / COUNTS).exists():
        return None
    try:
        return np.asarray(json.loads((folder / COUNTS).read_text(encoding="utf-8")), dtype=np.int64)
    except (ValueError, TypeError, OverflowError):
        raise ModelError(f"{folder / COUNTS} cannot be read: delete it to go without the unigram line") from None


# ---------------------------------------------------------------- how it predicts


def positions(groups: Tensor) -> Tensor:
    """Positions that restart in each group: (B,T) -> int64 (B,T), on the CPU."""
    import torch

    from unmask.tokens import rows

    return torch.from_numpy(rows.positions(groups.cpu().numpy()))


def _ours(folder: Path) -> tuple[nn.Module, Forward] | None:
    """The objective of one of our own architectures, or None when the folder holds something else."""
    from unmask.weights import load_objective

    objective = load_objective(folder)
    return None if objective is None else (objective, objective.predict)


def _stock(folder: Path, config: dict[str, Any]) -> tuple[nn.Module, Forward]:
    """A model of transformers; each row must be one group, as its attention mask knows nothing else."""
    module = stock_module(folder)
    head = head_of(module, str(config.get("model_type")))

    def forward(tokens: Tensor, groups: Tensor, _: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        visible = groups > 0
        if bool(((groups != groups.amax(dim=1, keepdim=True)) & visible).any()):
            raise ModelError(f"{folder}: a {config.get('model_type')} model reads one document a row, not packed rows")
        if head is None:
            return module(input_ids=tokens, attention_mask=visible.long()).logits[rows, columns]
        hidden = module.base_model(input_ids=tokens, attention_mask=visible.long())[0]  # (B,T,D)
        return head(hidden[rows, columns])

    return module, forward


def stock_kind(folder: Path) -> str:
    """The model type of a folder; ModelError when transformers has no masked language model of it."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    kind = str(_json(folder / CONFIG).get("model_type"))
    if kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        raise ModelError(f"{folder} holds a '{kind}' model, which has no masked-LM head: give {_FITTING}")
    return kind


def stock_module(folder: Path) -> Any:
    """The masked language model of a folder as a module of transformers, in float32; ModelError when it cannot be
    loaded or lacks any weight."""
    import torch
    from transformers import AutoModelForMaskedLM

    stock_kind(folder)
    with hushed():
        try:
            module, report = AutoModelForMaskedLM.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise ModelError(f"{folder}: transformers cannot load it: {_first_line(error)}") from None
        except Exception as error:
            if type(error).__name__ != "SafetensorError":  # raised by the Rust side for a file cut short
                raise
            raise ModelError(f"{folder}: the weights cannot be read ({error}): copy or download them again") from None
    lacking = sorted({*report["missing_keys"], *(key[0] for key in report["mismatched_keys"])})
    if lacking:
        raise ModelError(
            f"{folder} lacks weights of its masked-LM model: {_listed(lacking)}; "
            "an encoder saved without its head cannot fill blanks, save the ...ForMaskedLM model"
        )
    if report["unexpected_keys"]:
        warn(f"{folder}: weights that a masked-LM model does not use: {_listed(sorted(report['unexpected_keys']))}")
    return module


def head_of(module: Any, kind: str) -> Callable[[Tensor], Tensor] | None:
    """What turns the hidden states of a stock model into logits, where it is known, so that it runs on the asked places
    only. kind: its `model_type`."""
    if kind == "modernbert":
        return lambda hidden: module.decoder(module.head(hidden))
    attribute = {"bert": "cls", "roberta": "lm_head", "xlm-roberta": "lm_head", "camembert": "lm_head"}.get(kind, "")
    return getattr(module, attribute, None)


def row_limit(module: Any, config: dict[str, Any]) -> int:
    """The most tokens a row may have: the positions a model knows, less those RoBERTa keeps for padding."""
    limit = config.get("max_position_embeddings")
    if not isinstance(limit, int) or limit <= 0:
        return NO_LIMIT
    for name, part in module.named_modules():
        if name.endswith("position_embeddings") and getattr(part, "padding_idx", None) is not None:
            return limit - part.padding_idx - 1
    return limit


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _listed(names: list[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@contextmanager
def hushed() -> Iterator[None]:
    """Silence for the bars and tables of transformers: what they say is said by our errors, in one line."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging

    level, bars, hub_bars = logging.get_verbosity(), logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
    logging.set_verbosity(50)  # critical: nothing of what it says
    logging.disable_progress_bar()
    disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
        if hub_bars:
            enable_progress_bars()
