"""Preparation: sources in, a token store out.

    prepare(["wiki=texts/*.jsonl.zst", "notes/"], "store")     -> Store

    collect     (unmask.corpus) read, clean, deduplicate, split
    tokenizer   trained on a sample of the training documents, or an existing one
    tokenise    every part of the corpus in parallel, a shard for each of its splits
    finish      validation texts, token counts and, last, the manifest; then the store gets its name

Everything is made in `STORE.work`, where a file or folder under its own name is finished: a run that was killed goes on
there. The bytes of a store do not depend on the number of workers.
"""

from __future__ import annotations

import errno
import fcntl
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import xxhash

from unmask.config import to_dict
from unmask.console import progress_console, say, warn
from unmask.corpus import Collected, CollectedPart, CollectProgress, CorpusSettings, Document, Source, collect, parts
from unmask.corpus.collecting import discard
from unmask.corpus.fingerprint import fingerprint_of
from unmask.corpus.processes import cores, mapped
from unmask.corpus.sources import standard_input
from unmask.errors import DataError, SettingError, Stopped, UnmaskError
from unmask.tokens import summary
from unmask.tokens.progress import Stages
from unmask.tokens.store import MANIFEST, SPLITS, Store
from unmask.tokens.tokenising import ShardTask, tokenise
from unmask.tokens.tokenizer import Tokenizer
from unmask.tokens.training import TokenizerSettings, check_tokenizer, sample, train_on_sample
from unmask.tokens.writing import StoreWriter, dtype_for, write_last

INPUTS = "inputs.json"
"""Says what a store was made of; beside the manifest, since the same text may come from newer files."""

_CHECKED = 2_000_000
"""Characters of the sample on which a tokenizer is checked."""


def prepare(
    sources: Sequence[str | Source],
    to: Path | str,
    *,
    corpus: CorpusSettings | None = None,
    tokenizer: TokenizerSettings | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Store:
    """Make the token store `to` of the sources, or reuse it when it was made of the same sources and settings.

    DataError when `to` is something else already, or a source cannot be read; Stopped when it was interrupted or the
    disk is full: what was finished is kept, and the same call goes on.
    """
    if not (Path(to) / MANIFEST).is_file():
        _refuse_existing(Path(to))
    plan = Plan.of(sources, Path(to), corpus, tokenizer, workers)
    with _told(plan), _alone(plan.work), Stages(progress) as stages:
        if (made := _made_before(plan)) is not None:
            return made
        collected = _collected(plan, stages)
        trained, checks = _tokenizer(plan, collected, stages)
        counts = _tokenised(plan, collected, trained, stages)
        with stages.stage("write the manifest"):
            report = _report(plan, collected, checks, counts)
            _finished(plan, collected, trained, counts, report)
    if progress:
        _show(report)
    return Store.open(plan.to, verify=False)


def place_below(
    folder: Path,
    sources: Sequence[str | Source],
    corpus: CorpusSettings | None = None,
    tokenizer: TokenizerSettings | None = None,
) -> Path:
    """Where a store of exactly these sources, as they are now, and settings stands below a folder.

    SettingError for standard input, which could not be read a second time.
    """
    found = [Source.parse(source) if isinstance(source, str) else source for source in sources]
    if any(source.what == "-" for source in found):
        raise SettingError("standard input is read once: unmask prepare - --to STORE first, then data.store=STORE")
    return folder / f"{found[0].tag}-{Plan.of(found, folder, corpus, tokenizer, 1).key[:8]}"


def build_tokenizer(
    sources: Sequence[str | Source],
    to: Path | str,
    *,
    corpus: CorpusSettings | None = None,
    tokenizer: TokenizerSettings | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> dict[str, float]:
    """Train a tokenizer on the training documents of the sources, save it in folder `to`, and return its checks."""
    _refuse_existing(Path(to))
    plan = Plan.of(sources, Path(to), corpus, tokenizer, workers)
    with _told(plan), _alone(plan.work), Stages(progress) as stages:
        collected = _collected(plan, stages)
        trained, checks = _tokenizer(plan, collected, stages)
        trained.save(plan.to)
        discard(plan.work)
    return checks


@dataclass(frozen=True)
class Plan:
    """What shall be made, where, and of what; `key` is a hash of all that decides the store's content."""

    sources: list[Source]
    to: Path
    corpus: CorpusSettings
    tokenizer: TokenizerSettings
    workers: int
    work: Path
    key: str

    @classmethod
    def of(
        cls,
        sources: Sequence[str | Source],
        to: Path,
        corpus: CorpusSettings | None,
        tokenizer: TokenizerSettings | None,
        workers: int | None,
    ) -> Plan:
        """Find the sources and hash what decides; standard input is copied to a file first."""
        corpus, tokenizer = corpus or CorpusSettings(), tokenizer or TokenizerSettings()
        work = to.absolute().with_name(to.absolute().name + ".work")
        found = [Source.parse(source) if isinstance(source, str) else source for source in sources]
        found = [_kept(source, work) if source.what == "-" else source for source in found]
        settings = to_dict(tokenizer)
        if not tokenizer.new_tokens:
            del settings["new_tokens"]  # stores keep the keys they had before there was such a setting
        decides = [fingerprint_of(parts(found, corpus), corpus), settings]
        if tokenizer.folder is not None:
            decides.append(Tokenizer.load(tokenizer.folder).fingerprint)
        key = xxhash.xxh3_128_hexdigest(json.dumps(decides, sort_keys=True).encode())
        return cls(found, to, corpus, tokenizer, workers or cores(), work, key)

    @property
    def folder(self) -> Path:
        """Where tokenizer and shards of exactly this plan are made."""
        return self.work / f"tokens-{self.key[:16]}"


# ---------------------------------------------------------------- the stages


def _made_before(plan: Plan) -> Store | None:
    """The store, when it was made of the same; DataError when something else stands there."""
    if not (plan.to / MANIFEST).is_file():
        return None
    store = Store.open(plan.to)
    inputs = plan.to / INPUTS
    if not inputs.is_file() or json.loads(inputs.read_text(encoding="utf-8"))["inputs"] != plan.key:
        raise DataError(f"{plan.to} was made of other sources or settings; choose another --to, or remove it first")
    say(f"{plan.to} is there already, made of the same sources and settings: it is used again")
    discard(plan.work)
    return store


def _refuse_existing(folder: Path) -> None:
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise DataError(f"{folder} exists and is no store of these sources; choose another --to, or remove it first")


def _collected(plan: Plan, stages: Stages) -> Collected:
    def told(now: CollectProgress) -> None:
        if now.stage == "read":
            stages.update("read", now.bytes_done, now.bytes_total, "MB")
        else:
            stages.update("find duplicates and split")

    made = collect(plan.sources, plan.corpus, plan.work, workers=plan.workers, progress=told)
    stages.done()
    return made


def _tokenizer(plan: Plan, collected: Collected, stages: Stages) -> tuple[Tokenizer, dict[str, float]]:
    folder, checks = plan.folder / "tokenizer", plan.folder / "checks.json"
    if not checks.is_file():
        with stages.stage("train the tokenizer" if plan.tokenizer.folder is None else "check the tokenizer"):
            texts = sample(_documents(collected, "train"), plan.tokenizer.sample_characters)
            tokenizer = train_on_sample(texts, plan.tokenizer)
            tokenizer.save(folder)
            write_last(checks, check_tokenizer(tokenizer, texts[: max(1, _CHECKED * len(texts) // _size(texts))]))
    return Tokenizer.load(folder), json.loads(checks.read_text(encoding="utf-8"))


def _size(texts: list[str]) -> int:
    return max(1, sum(map(len, texts)))


def _tokenised(
    plan: Plan, collected: Collected, tokenizer: Tokenizer, stages: Stages
) -> dict[tuple[str, str], dict[str, int]]:
    """Counts of the shard of every (part, split); those that a former run finished are not made again."""
    records = plan.folder / "records"
    records.mkdir(parents=True, exist_ok=True)
    tasks = [_task(plan, tokenizer, part, split) for part in collected.parts for split in SPLITS]
    left = [task for task in tasks if not task.record.is_file()]
    before = sum(task.counts()["characters"] for task in tasks if task.record.is_file())
    total = collected.report.characters
    for _ in mapped(
        tokenise, left, plan.workers, lambda n: stages.update("tokenise", before + n, total, "M characters")
    ):
        pass
    stages.done()
    return {(task.part.name, task.split): task.counts() for task in tasks}


def _task(plan: Plan, tokenizer: Tokenizer, part: CollectedPart, split: str) -> ShardTask:
    name = shard_name(part.name, split)
    return ShardTask(
        part=part,
        split=split,
        tokenizer=plan.folder / "tokenizer",
        segmenter=plan.tokenizer.segmenter,
        shard=plan.folder / "store" / "shards" / name,
        dtype=dtype_for(tokenizer.vocabulary_size),
        record=plan.folder / "records" / f"{name}.json",
    )


def shard_name(part: str, split: str) -> str:
    """The name of the shard that holds one split of a part of the corpus."""
    return f"{part.replace('/', '_')}-{split}"


def _finished(
    plan: Plan,
    collected: Collected,
    tokenizer: Tokenizer,
    counts: Mapping[tuple[str, str], dict[str, int]],
    report: dict[str, Any],
) -> None:
    writer = StoreWriter(plan.folder / "store", tokenizer, segmenter=plan.tokenizer.segmenter)
    for part in collected.parts:
        for split in SPLITS:
            writer.record(shard_name(part.name, split), split, part.source, counts[part.name, split])
    weights = {part.source: part.weight for part in collected.parts}
    writer.finish(weights, _documents(collected, "validation"), report)
    write_last(plan.folder / "store" / INPUTS, {"inputs": plan.key})
    (plan.folder / "store").rename(plan.to)
    discard(plan.work)


def _documents(collected: Collected, split: Any) -> Iterator[Document]:
    for part in collected.parts:
        yield from part.documents(split)


# ---------------------------------------------------------------- the report


def _report(
    plan: Plan,
    collected: Collected,
    checks: Mapping[str, float],
    counts: Mapping[tuple[str, str], dict[str, int]],
) -> dict[str, Any]:
    """What preparation counted: {"corpus", "tokenizer", "train", "validation"}."""
    splits: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    for (_, split), shard in counts.items():
        splits[split].update(shard)
    empty = sum(split.pop("without_tokens", 0) for split in splits.values())
    corpus = collected.report
    if empty:
        dropped = corpus.dropped | {"without_tokens": empty}
        corpus = replace(corpus, documents_kept=corpus.documents_kept - empty, dropped=dropped)
    return {
        "corpus": asdict(corpus),
        "tokenizer": {"settings": to_dict(plan.tokenizer), "checks": dict(checks)},
        **{split: dict(split_counts) for split, split_counts in splits.items()},
    }


def _show(report: Mapping[str, Any]) -> None:
    progress_console().print(summary.table(report))
    for note in summary.notes(report):
        warn(note)


# ---------------------------------------------------------------- what can go wrong around it


@contextmanager
def _told(plan: Plan) -> Iterator[None]:
    """Turn a full disk and an interruption into one line; what was finished stays in the work folder."""
    kept = f"what is finished is kept in {plan.work}; run the same command again to go on"
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped(f"interrupted: {kept}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Stopped(f"the disk is full: free some space; {kept}") from None
        raise UnmaskError(f"{error.filename or plan.to}: {error.strerror or error}; {kept}") from None


def _kept(source: Source, work: Path) -> Source:
    _make(work)
    return standard_input(source, work)


def _make(work: Path) -> None:
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnmaskError(f"{work} cannot be made ({error.strerror}); choose a --to in a folder you own") from None


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Hold the work folder against a second preparation of the same store; a killed process lets go by itself."""
    _make(work)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"another process is preparing this store (it holds {work}); wait for it to end") from None
        try:
            yield
        finally:
            _tidy(work)


def _tidy(work: Path) -> None:
    """Leave no work folder in which nothing was made."""
    if work.is_dir() and [path.name for path in work.iterdir()] == ["lock"]:
        discard(work)
