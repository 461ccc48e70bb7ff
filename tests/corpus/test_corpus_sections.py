"""Cutting long texts: nothing is lost, and cuts are where a reader would make them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.corpus.sections import sections, streamed

TEXTS = st.text("ab. \n#", max_size=400)


@given(TEXTS, st.integers(2, 50))
def test_no_character_is_lost_but_the_space_around_cuts(text: str, size: int) -> None:
    assert "".join("".join(sections(text, size)).split()) == "".join(text.split())


@given(TEXTS, st.integers(2, 50))
def test_sections_are_not_empty_and_at_most_one_and_a_half_times_the_size(text: str, size: int) -> None:
    found = sections(text, size)
    assert all(found)
    assert all(len(section) <= size * 3 // 2 for section in found)


@given(st.lists(TEXTS, max_size=8), st.integers(2, 50))
def test_a_streamed_text_is_cut_without_loss(blocks: list[str], size: int) -> None:
    found = list(streamed(blocks, size))
    assert "".join("".join(found).split()) == "".join("".join(blocks).split())
    assert all(len(piece) <= size * 3 // 2 for piece in found)


@given(st.lists(TEXTS, max_size=8))
def test_a_short_stream_is_one_piece_as_it_stands(blocks: list[str]) -> None:
    assert list(streamed(blocks)) == ["".join(blocks)]


@pytest.mark.parametrize(
    ("mark", "second"),
    [
        ("\n\n## Next\n", "## Next"),
        ("\n\nChapter 2\n", "Chapter 2"),
        ("\n\n第二章 归来\n", "第二章"),
        ("\n = = History = = \n", "= = History"),
        ("\n\n", "cc"),
        ("\n", "cc"),
        (". ", "cc"),
        ("。", "cc"),
    ],
)
def test_a_heading_is_better_than_a_blank_line_than_a_line_than_a_sentence(mark: str, second: str) -> None:
    words = "bb " * 10
    assert sections(f"{words}{words.strip()}{mark}{'cc ' * 30}", 80)[1].startswith(second)
