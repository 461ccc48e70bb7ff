"""The model card is read by the Hub and by people: both get the truth about the model."""

from __future__ import annotations

import pytest

from unmask.report.card import FIGURES, model_card

RUN = {
    "seed": 7,
    "architecture": {"name": "modernbert", "layers": 6, "width": 256},
    "training": {"steps": 1000, "minutes": None, "optimizer": {"name": "muon", "learning_rate": 0.02}},
    "data": {"sources": ["a.txt", "b.txt"]},
}
VALUES = {
    "loss": 3.25,
    "perplexity": 25.8,
    "token_accuracy": 0.412,
    "word_accuracy": 0.355,
    "word_error_rate": 0.09,
    "bits_per_character": 1.2,
    "unigram_loss": 6.5,
    "masked_tokens": 12345,
}


def card(**settings) -> str:
    figures = settings.pop("figures", VALUES)
    return model_card(RUN, figures, **{"name": "demo", "examples": ["The ___ is blue."]} | settings)


def metadata(text: str) -> dict:
    from huggingface_hub import ModelCard

    return ModelCard(text).data.to_dict()


def test_the_hub_reads_what_the_model_is_for() -> None:
    found = metadata(card(language=["en", "zh"], license="apache-2.0"))
    assert found["library_name"] == "transformers"
    assert found["pipeline_tag"] == "fill-mask"
    assert found["language"] == ["en", "zh"]
    assert found["license"] == "apache-2.0"
    assert "modernbert" in found["tags"]


def test_the_hub_reads_the_figures_as_they_were_measured() -> None:
    from huggingface_hub import ModelCard

    results = ModelCard(card()).data.eval_results
    assert results is not None
    measured = {result.metric_type: result.metric_value for result in results}
    assert measured == {key: VALUES[key] for key in measured}
    assert {"loss", "word_accuracy", "bits_per_character"} <= set(measured)


@pytest.mark.parametrize("mask", ["[MASK]", "<mask>"])
def test_examples_use_the_mask_token_of_the_model(mask: str) -> None:
    text = card(mask_token=mask)
    assert metadata(text)["widget"] == [{"text": f"The {mask} is blue."}]
    assert text.count(f"The {mask} is blue.") == 3, "the widget and both snippets"


def test_both_snippets_are_python() -> None:
    blocks = card(examples=['It\'s "the" ___\\.']).split("```python\n")[1:]
    assert len(blocks) == 2
    for block in blocks:
        compile(block.split("```")[0], "card", "exec")


def test_a_layout_of_our_own_is_made_known_to_transformers_first() -> None:
    for name, needed in (("lstm", True), ("gru", True), ("unmask", True), ("modernbert", False)):
        text = model_card(RUN | {"architecture": {"name": name}}, VALUES, name="demo")
        assert ("import unmask.models  # so that" in text) == needed
    text = model_card(RUN | {"objective": {"name": "masked_autoencoding"}}, VALUES, name="demo")
    assert "import unmask.models  # so that" in text


def test_every_figure_stands_in_the_table_and_an_unknown_one_in_none() -> None:
    text = card()
    assert all(f"| {label} |" in text for label, _, _ in FIGURES.values())
    assert "| Masked word accuracy | 35.5% |" in text
    without = card(figures={**VALUES, "word_error_rate": None, "bits_per_character": float("nan")})
    assert "Word error rate" not in without
    assert "Bits per" not in without
    assert "nan" not in without


def test_a_model_at_the_unigram_line_is_not_praised() -> None:
    assert "3.25 nats under the unigram line" in card()
    assert "learned little more than word frequencies" in card(figures={"loss": 6.45, "unigram_loss": 6.5})


def test_a_card_without_figures_claims_none() -> None:
    text = card(figures={})
    assert "## Figures" not in text
    assert "model-index" not in metadata(text)


def test_the_settings_can_be_typed_again() -> None:
    text = card()
    for line in ("seed=7", "architecture=modernbert", "architecture.layers=6", "training.minutes=none",
                 "training.optimizer=muon", "data.sources=a.txt,b.txt"):  # fmt: skip
        assert f"\n{line}\n" in text


def test_data_with_bars_and_line_breaks_stays_one_row() -> None:
    text = card(data={"Documents": 1234567, "Sources": ["a|b", "c\nd"]})
    assert "| Documents | 1,234,567 |" in text
    assert "| Sources | a\\|b, c d |" in text


def test_the_folders_of_the_author_are_not_published() -> None:
    run = {**RUN, "data": {"source": "/home/somebody/secret/texts", "store": None}, "evaluation": {"share": 0.3}}
    text = model_card(run, VALUES, name="demo", data={"source": "/home/somebody/secret/texts"})
    assert "somebody" not in text
    assert "\ndata.source=texts\n" in text
    assert "30 % of the words blanked" in text


def test_the_picture_is_shown_when_there_is_one() -> None:
    assert "](curves.png)" in card(picture="curves.png")
    assert "![" not in card()


def test_a_missing_licence_is_said() -> None:
    assert "No licence was chosen" in card()
    assert "No licence was chosen" not in card(license="mit")


def test_the_card_has_a_row_for_each_source_of_the_text() -> None:
    text = card(figures=VALUES | {"sources": {"en": VALUES, "zh": VALUES | {"loss": 4.125, "unigram_loss": None}}})
    assert "| en | 3.250 | 6.500 | 25.8 | 35.5% | 12,345 |" in text
    assert "| zh | 4.125 | – | 25.8 | 35.5% | 12,345 |" in text
    assert "By source" not in card()
