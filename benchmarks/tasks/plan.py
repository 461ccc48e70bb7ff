"""What is proven, leg by leg, in order of worth. Guesses are seconds on two cores in bf16: a model of 6 layers of 256
trains on about 10,000 tokens a second and reads about 30,000.

Learning rates are those of trials (docs/log.md, "How fast an encoder of ours wants to be fine-tuned"): from random
weights twice that from pretrained ones, as there is nothing to forget; tags want 1e-3 from either; to tell classes of
texts and to write, pretrained embeddings learn ten times as fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.tasks.legs import GPT2, MINILM, Generated, Leg, Lines, Pretraining, Tuning, Vectors
from benchmarks.tasks.sets import FOLDS

SEEDS = (0, 1, 2)
PRETRAINED, RANDOM = ("tuning.learning_rate=3e-4",), ("tuning.learning_rate=6e-4",)
CLASSES, NUMBERS = ((*PRETRAINED, "tuning.embedding_rate=10"), RANDOM), (PRETRAINED, RANDOM)
TAGS = (("tuning.learning_rate=1e-3",), ("tuning.learning_rate=1e-3",))

# ---------------------------------------------------------------- encoders

ROWS = ("data.row_length=256", "training.batch_size=32")
ENGLISH_TEXT = ("en/wikipedia-2015-*.jsonl.zst", "en/books-*.jsonl.zst", "en/brown.jsonl.zst")
POEMS = ("zh/poetry.jsonl.zst",)
ENCODERS = {
    leg.encoder: leg
    for leg in (
        Pretraining("english", ENGLISH_TEXT, 90, 16_384, "english", ("data.language=en", *ROWS)),
        # The People's Daily is left out: its text is that of a test.
        Pretraining("chinese", ("zh/wikipedia-*.jsonl.zst",), 90, 12_288, "chinese", ("data.language=zh", *ROWS)),
        Pretraining(
            "multilingual",
            (
                "en=en/wikipedia-2015-0[01].jsonl.zst", "zh=zh/wikipedia-00.jsonl.zst", "de=other/de-novels.jsonl.zst",
                "es=other/es-novels.jsonl.zst", "fr=other/fr-novels.jsonl.zst", "ru=other/ru-plays.jsonl.zst",
                "many=other/ntrex.jsonl.zst",
            ),
            18, 24_576, "multilingual", ("data.temperature=3.3", *ROWS),
        ),
        Pretraining("python", ("code/pretraining.jsonl",), 15, 8_192, "python", ROWS, kind="bpe", indented=True),
        Pretraining("plain", ENGLISH_TEXT, 10, 16_384, "english", ("data.language=en", *ROWS)),
        Pretraining("diffusion", ENGLISH_TEXT, 10, 16_384, "english", ("data.language=en", *ROWS), "diffusion"),
        Pretraining("poems", POEMS, 6, 8_192, "poems", ("data.language=zh",)),
        Pretraining("poems-diffusion", POEMS, 6, 8_192, "poems", ("data.language=zh",), recipe="diffusion"),
        Pretraining("poems-judge", POEMS, 6, 8_192, "poems", ("data.language=zh",), recipe="lstm"),
    )
}  # fmt: skip

# ---------------------------------------------------------------- what pretraining is worth: set, seconds, settings,
# rates from pretrained and from random weights

WORTH_ENGLISH = (
    ("sst2", 80, ("training.epochs=2",), CLASSES),
    ("stsb", 65, ("training.epochs=3",), NUMBERS),
    ("conll2003", 70, ("training.epochs=3",), TAGS),
    ("ewt", 70, ("training.epochs=3",), TAGS),
    ("imdb", 205, ("training.epochs=1", "training.batch_size=16", "training.evaluations=2"), CLASSES),
)
WORTH_CHINESE = (
    ("chnsenticorp", 95, ("training.epochs=2", "training.batch_size=16"), CLASSES),
    ("cluener", 85, ("training.epochs=3",), TAGS),
    ("peoples-daily", 95, ("training.epochs=3",), TAGS),
)
BESIDE_MAJORITY = (
    ("cola", 30, ("training.epochs=3",)),
    ("mrpc", 60, ("training.epochs=3", "training.batch_size=16")),
    ("rte", 60, ("training.epochs=3", "training.batch_size=16")),
)

# ---------------------------------------------------------------- the others: table, set, model, seconds, settings

MINILM_SST2 = (
    900, ("training.epochs=3", "training.batch_size=64", "tuning.learning_rate=1e-4", "tuning.layer_decay=0.8")
)  # fmt: skip
MINILM_STSB = (
    ("cosent", ("task.objective=cosent", "tuning.learning_rate=3e-5", "training.epochs=4")),
    ("cosine", ("task.objective=cosine", "tuning.learning_rate=3e-5", "training.epochs=4")),
)
FROM_NOTHING = (
    ("sst2", 60, ("training.epochs=1", "tuning.learning_rate=6e-4")),
    ("ewt", 60, ("training.epochs=1", "tuning.learning_rate=6e-4")),
)
SUBJQA = (220, ("training.epochs=2", "training.batch_size=16"))
XQUAD = (170, ("training.epochs=3", "training.batch_size=16"))
CMRC = (700, ("training.epochs=3", "training.batch_size=16", "training.evaluations=3", "tuning.learning_rate=5e-4"))
LANGUAGES = (200, ("training.epochs=4", "training.batch_size=16", *PRETRAINED))
WRITING = (
    ("multi30k", "multilingual", 320, ("training.epochs=3",)),
    ("aeslc", "english", 230, ("training.epochs=3",)),
)
FUNCTIONS = (400, ("training.epochs=3", "training.batch_size=16"))
WRITING_RATE = ("tuning.learning_rate=1e-3",)
WRITING_STARTS = {"pretrained": (*WRITING_RATE, "tuning.embedding_rate=10"), "random": WRITING_RATE}
GENERATION = ("--steps", "4", "16", "64", "--samples", "16", "--tokens", "48")
POEM = ("--steps", "4", "16", "48", "--samples", "16", "--tokens", "48")


def planned(seeds: Sequence[int] = SEEDS) -> list[Leg]:
    """All legs in the order in which they are done."""
    return [
        ENCODERS["english"],
        *_worth("english", WORTH_ENGLISH, seeds),
        *_beside(seeds),
        *_minilm(seeds),
        ENCODERS["chinese"],
        *_worth("chinese", WORTH_CHINESE, seeds),
        *(Tuning("gpt2", name, GPT2, guess, start="random", settings=given) for name, guess, given in FROM_NOTHING),
        ENCODERS["multilingual"],
        *_questions(),
        *_writing(),
        ENCODERS["python"],
        Tuning("code", "functions", "python", *_given(FUNCTIONS, WRITING_STARTS["pretrained"])),
        Lines("python", 120, 100),
        ENCODERS["plain"],
        ENCODERS["diffusion"],
        Generated(("plain", "diffusion"), "english", 300, GENERATION),
        ENCODERS["poems"],
        ENCODERS["poems-diffusion"],
        ENCODERS["poems-judge"],
        Generated(("poems", "poems-diffusion"), "poems-judge", 200, POEM, "poems", "generated-poems"),
    ]


def _given(what: tuple[float, tuple[str, ...]], more: tuple[str, ...] = ()) -> tuple:
    """guess, seed, start and settings of a Tuning."""
    return what[0], 0, "pretrained", (*what[1], *more)


def _worth(model: str, sets: Sequence[tuple], seeds: Sequence[int]) -> Iterator[Leg]:
    for name, guess, settings, (pretrained, random) in sets:
        for seed in seeds:
            yield Tuning("worth", name, model, guess, seed, "pretrained", (*settings, *pretrained))
            yield Tuning("worth", name, model, guess, seed, "random", (*settings, *random))


def _beside(seeds: Sequence[int]) -> Iterator[Leg]:
    for name, guess, settings in BESIDE_MAJORITY:
        for seed in seeds:
            yield Tuning("beside", name, "english", guess, seed, settings=(*settings, *PRETRAINED))


def _minilm(seeds: Sequence[int]) -> Iterator[Leg]:
    yield Vectors()
    for label, settings in MINILM_STSB:
        yield Tuning("minilm", "stsb-vectors", MINILM, 200, settings=settings, label=label)
    for seed in seeds:
        yield Tuning("minilm", "sst2-all", MINILM, MINILM_SST2[0], seed, settings=MINILM_SST2[1])


def _questions() -> Iterator[Leg]:
    yield Tuning("questions", "subjqa", MINILM, *_given(SUBJQA))
    for fold in range(FOLDS):
        yield Tuning("questions", f"xquad-{fold}", MINILM, *_given(XQUAD))
    yield Tuning("questions", "cmrc2018", "chinese", *_given(CMRC))
    yield Tuning("questions", "xquad-languages", "multilingual", *_given(LANGUAGES))


def _writing() -> Iterator[Leg]:
    for name, model, guess, settings in WRITING:
        for start, rates in WRITING_STARTS.items():
            yield Tuning("writing", name, model, guess, 0, start, (*settings, *rates))
