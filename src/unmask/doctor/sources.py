"""A source of text: what `unmask prepare` would meet, from a sample of at most 10 million characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from unmask.doctor import machine, repeats
from unmask.doctor.diagnosis import Diagnosis, Finding, ordered

if TYPE_CHECKING:
    from unmask.corpus import CorpusSettings, Part

SAMPLE_CHARACTERS = 10_000_000
SAMPLE_PARTS = 200
TOKENIZER_CHARACTERS = 1_000_000
VOCABULARY = 8192
LITTLE_WORDS = 1_000_000
SHORT_WORDS = 20


@dataclass
class Sample:
    """Texts from all over a source; `share` of its bytes were read; `broken` says which parts could not be."""

    texts: list[str] = field(default_factory=list)
    encodings: Counter[str] = field(default_factory=Counter)
    scripts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    share: float = 1.0


def examine(target: str) -> Diagnosis:
    """The findings on a source; DataError when there is none of this name."""
    from unmask.corpus import CorpusSettings, Source, parts

    found = parts([Source.parse(target)], CorpusSettings(skip_unreadable=True))
    sample = sampled(found)
    findings = [*_readable(sample), *_encodings(sample)]
    figures: dict[str, Any] = {}
    if any(sample.texts):
        figures = _figures(sample)
        findings += _amount(figures)
        findings += repeats.findings(
            repeats.repeats(sample.texts), "its documents", "prepare drops whole copies; look where the lines come from"
        )
        estimates = machine.estimates(figures["tokens"])
        figures["recipes"] = [vars(estimate) for estimate in estimates]
        findings += machine.findings(estimates)
    return Diagnosis("source", target, ordered(findings), f"unmask prepare {target} --to stores/NAME", figures)


def sampled(parts: Sequence[Part]) -> Sample:
    """Documents of evenly spread parts, cleaned, an equal share of the sample from each."""
    sample = Sample()
    count = min(len(parts), SAMPLE_PARTS)
    chosen = [parts[len(parts) * number // count] for number in range(count)]
    taken = [_take(part, sample, SAMPLE_CHARACTERS // count) for part in chosen]
    expected = sum(_whole_bytes(part, taken) for part in taken)
    if expected:
        sample.share = min(1.0, sum(part.text for part in taken) / expected) * count / len(parts)
    return sample


@dataclass(frozen=True)
class _Taken:
    """What a part gave, in bytes: `text` of it as UTF-8, `read` from its file, which has `size`; `whole`: all of it."""

    text: int
    read: int
    size: int
    whole: bool


def _whole_bytes(part: _Taken, all_taken: Sequence[_Taken]) -> float:
    """The bytes of text in the whole part, as its beginning suggests."""
    if part.whole or not part.size:
        return part.text
    if part.read:
        return part.text * max(1.0, part.size / part.read)
    # A reader that does not say how much of the file it read: text a byte of file as in the parts read to their end.
    whole = [other for other in all_taken if other.whole and other.size]
    density = sum(other.text for other in whole) / sum(other.size for other in whole) if whole else 1.0
    return max(part.text, part.size * density)


def _take(part: Part, sample: Sample, budget: int) -> _Taken:
    """Add documents of a part to the sample, up to a budget in characters."""
    from unmask.corpus import Problem, files
    from unmask.corpus.readers import READERS

    reader, characters, taken, before = READERS.load(part.reader)(), 0, 0, files.Meter.read
    try:
        if reader.textual and part.start == 0:
            sample.encodings[files.encoding_of(part.path, part.settings.encoding)] += 1
            before = files.Meter.read
        for item in reader.read(part):
            if isinstance(item, Problem):
                sample.problems.append(str(item))
                continue
            text = _added(item.text, part.settings, sample)
            characters, taken = characters + len(text), taken + len(text.encode("utf-8", "replace"))
            if characters >= budget:
                return _Taken(taken, files.Meter.read - before, part.size, whole=False)
    except Exception as error:  # whatever a reader meets in a broken file is what the doctor is asked for
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        sample.broken.append(line if part.path in line or part.name in line else f"{part.path}: {line}")
    return _Taken(taken, files.Meter.read - before, part.size, whole=True)


def _added(text: str, settings: CorpusSettings, sample: Sample) -> str:
    from unmask.corpus import clean
    from unmask.corpus.scripts import count_scripts

    text = clean(text, settings)
    sample.texts.append(text)
    sample.scripts.update(count_scripts(text))
    return text


def _readable(sample: Sample) -> list[Finding]:
    findings = [
        Finding("warning", f"cannot be read: {line}", "mend the file or leave it out") for line in sample.broken[:5]
    ]
    if len(sample.broken) > 5:
        findings.append(Finding("warning", f"{len(sample.broken) - 5} more files cannot be read", "mend or leave out"))
    if sample.problems:
        findings.append(
            Finding(
                "warning",
                f"{len(sample.problems)} lines cannot be read, e.g. {sample.problems[0]}",
                "mend them, or skip and count them with corpus.skip_unreadable=true",
            )
        )
    if not any(sample.texts) and not sample.broken:
        findings.append(Finding("warning", "there is no text in it", "name files that hold text"))
    return findings


def _encodings(sample: Sample) -> list[Finding]:
    other = {name: count for name, count in sample.encodings.items() if name not in ("utf-8", "ascii")}
    if not other:
        return [Finding("ok", "all text files are UTF-8")] if sample.encodings else []
    named = ", ".join(f"{count} {name}" for name, count in sorted(other.items()))
    mend = "look at some of them; name the encoding with corpus.encoding=NAME where the guess is wrong"
    return [Finding("note", f"files that are not UTF-8: {named} (detected)", mend)]


def _figures(sample: Sample) -> dict[str, Any]:
    from unmask.tokens.training import TokenizerSettings, train_on_sample
    from unmask.tokens.words import word_spans

    lengths = [len(word_spans(text)) for text in sample.texts]
    excerpt = _excerpt(sample.texts, TOKENIZER_CHARACTERS)
    tokenizer = train_on_sample(excerpt, TokenizerSettings(vocabulary_size=VOCABULARY))
    tokens = sum(len(encoded.ids) for encoded in tokenizer.encode(excerpt, literal=True))
    per_word = tokens / max(1, sum(len(word_spans(text)) for text in excerpt))
    letters = max(1, sum(sample.scripts.values()))
    words = round(sum(lengths) / max(sample.share, 1e-9))
    return {
        "documents": round(len(lengths) / max(sample.share, 1e-9)),
        "words": words,
        "tokens": round(words * per_word),
        "tokens_per_word": round(per_word, 3),
        "median_words_in_a_document": median(lengths),
        "scripts": {name: round(count / letters, 3) for name, count in sample.scripts.most_common()},
        "sampled_share": round(sample.share, 4),
    }


def _excerpt(texts: Sequence[str], characters: int) -> list[str]:
    """The beginnings of texts from all over the sample, so many characters together."""
    each = max(200, characters // len(texts))
    step = max(1, each * len(texts) // characters)
    return [text[:each] for text in texts[::step] if text]


def _amount(figures: dict[str, Any]) -> list[Finding]:
    words, typical = figures["words"], figures["median_words_in_a_document"]
    guessed = "about " if figures["sampled_share"] < 1 else ""
    scripts = ", ".join(f"{name} {share:.0%}" for name, share in figures["scripts"].items() if share >= 0.01)
    size = (
        f"{guessed}{figures['documents']:,} documents, {words:,} words, {figures['tokens']:,} tokens "
        f"({figures['tokens_per_word']:.2f} a word with {VOCABULARY:,} of them); scripts: {scripts or 'none'}"
    )
    little = words < LITTLE_WORDS
    findings = [
        Finding(
            "warning" if little else "ok", size, "a model of words needs a million or more: add text" if little else ""
        )
    ]
    if typical < SHORT_WORDS:
        mend = "rows take several documents anyway; join lines that belong together if they are pieces of longer texts"
        findings.append(Finding("note", f"half of the documents have {typical:g} words or fewer", mend))
    if figures["documents"] < 50:
        mend = "corpus.documents=paragraphs or lines cuts files into documents; huge ones are cut by section"
        findings.append(Finding("note", f"only {figures['documents']} documents to hold some out from", mend))
    return findings
