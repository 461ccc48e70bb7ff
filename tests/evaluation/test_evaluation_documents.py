"""Samples of documents: by hash, in any order the same, and never more text in memory than asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from unmask.corpus.documents import Document
from unmask.evaluation.documents import sampled, shortened

documents = st.lists(st.text("ab c\n", max_size=60), max_size=30).map(
    lambda texts: [Document(f"d{n}", text, "s") for n, text in enumerate(texts)]
)


@given(documents, st.integers(1, 500), st.integers(1, 80), st.randoms())
def test_a_sample_is_the_same_in_any_order_and_just_large_enough(given_documents, characters, longest, random):
    sample = sampled(given_documents, characters, longest)
    shuffled = random.sample(given_documents, len(given_documents))
    assert sampled(shuffled, characters, longest) == sample
    held = sum(len(document.text) for document in sample)
    everything = sum(len(shortened(document, longest).text) for document in given_documents)
    assert held >= min(characters, everything)
    assert not sample or held - len(sample[-1].text) < characters


def test_every_source_has_its_share_of_a_sample():
    some = [Document(f"{source}{n}", "x" * 100, source) for source in ("first", "second") for n in range(500)]
    sample = sampled(some, 20_000, 100)
    assert len(sample) == 200
    assert 60 < sum(document.source == "first" for document in sample) < 140


@given(st.text("ab c\n我", max_size=80), st.integers(1, 80))
def test_a_shortened_text_begins_the_text_and_ends_before_a_blank_where_there_is_one(text, longest):
    short = shortened(Document("x", text, "s"), longest).text
    assert text.startswith(short)
    assert len(short) <= longest
    if short != text and any(sign in text[1:longest] for sign in " \n"):
        assert text[len(short)] in " \n"
