"""Tags of entities in every scheme, against seqeval."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities

from unmask.tasks.schemes import Entity, entities, is_of_entities, of_entities, to_bio
from unmask.tasks.token_classification import of_tags

TAGS = st.lists(st.sampled_from(["O", *(f"{letter}-{kind}" for letter in "BIES" for kind in ("PER", "LOC"))]))
BIO = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


@given(TAGS)
def test_entities_are_those_that_seqeval_finds_even_in_tags_that_break_the_rules(tags):
    assert [tuple(entity) for entity in entities(tags)] == [(kind, a, b + 1) for kind, a, b in get_entities(tags)]


@given(st.lists(st.lists(st.tuples(BIO, BIO), min_size=1), min_size=1))
def test_precision_recall_and_f1_are_those_of_seqeval(texts):
    truths, said = [[[pair[side] for pair in text] for text in texts] for side in (0, 1)]
    figures = of_tags(truths, said, LABELS)
    expected = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
    for name, score in expected.items():
        assert figures[name] == pytest.approx(score(truths, said, zero_division=0)), name


WELL_FORMED = {
    "IOB1": "I-PER I-PER O I-LOC B-LOC I-LOC O I-PER I-LOC",
    "BIO": "B-PER I-PER O B-LOC B-LOC I-LOC O B-PER B-LOC",
    "BIOES": "B-PER E-PER O S-LOC B-LOC E-LOC O S-PER S-LOC",
    "BMES": "B-PER E-PER O S-LOC B-LOC E-LOC O S-PER S-LOC",
    "BILOU": "B-PER L-PER O U-LOC B-LOC L-LOC O U-PER U-LOC",
}


@pytest.mark.parametrize("scheme", WELL_FORMED)
def test_every_scheme_is_converted_to_bio(scheme):
    assert to_bio(WELL_FORMED[scheme].split()) == WELL_FORMED["BIO"].split()


def test_the_middle_letter_of_bmes_is_inside():
    assert entities(["B-ORG", "M-ORG", "M-ORG", "E-ORG", "S-ORG"]) == [Entity("ORG", 0, 4), Entity("ORG", 4, 5)]


@given(TAGS)
def test_to_bio_keeps_the_entities_and_is_its_own_fixed_point(tags):
    assert entities(to_bio(tags)) == entities(tags)
    assert to_bio(to_bio(tags)) == to_bio(tags)
    assert of_entities(entities(tags), len(tags)) == to_bio(tags)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [(["O", "B-PER"], True), (["O"], False), (["NN", "VB"], False), (["B-PER", "NN"], False), (["S-GPE.NAM"], True)],
)
def test_tags_of_entities_are_told_from_parts_of_speech(tags, expected):
    assert is_of_entities(tags) is expected
