"""The card says what the record says, and leaves out what nobody filled."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from huggingface_hub import ModelCard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hubcharlstm import CharLSTMConfig, Vocabulary
from hubcharlstm.hub import model_card
from hubcharlstm.inspection.cell_report import CellReport
from hubcharlstm.inspection.cells import NamedCell
from tests.conftest import tiny_model
from tests.support.hub_client import Client

VOCABULARY = Vocabulary.from_text("abc`|* \n<>é")
CONFIG = CharLSTMConfig(len(VOCABULARY), 4, 8, 2)
RECORD: dict[str, Any] = {
    "name": "charlstm-recipes",
    "corpus": {
        "name": "recipes", "title": "recipes.txt", "sha256": "ab" * 32, "chars": 120_000, "train_chars": 108_000,
        "held_out": "the last 12,000 of 120,000 characters",
    },
    "card": {"language": "en", "license": "cc0-1.0", "datasets": ["user/recipes"]},
    "base_model": "user/charlstm-shakespeare",
    "kept_epochs": [1, 12],
    "baselines": {"5-gram, Kneser-Ney": {"nats": 1.5, "seconds": 2.0}, "xz": {"nats": 1.75, "seconds": 0.1}},
    "copying": {"sampled": {"20": 0.25, "40": 0.031, "80": 0.0}, "held_out": {"20": 0.125, "40": 0.01, "80": 0}},
    "words": {"0.5": 0.975, "1": 0.9, "held_out": 0.96},
    "val_loss": 1.25,
    "val_bpc": 1.8034,
    "sample_prompt": "Take two eggs",
    "samples": [{"prompt": "Take ", "temperature": 0.5, "seed": 7, "text": "two `eggs` and ~~~"}],
    "time_lapse": [
        {"characters_read": 2400, "minutes": 0.25, "val_loss": 3.0161, "text": "xqz"},
        {"characters_read": 99_000, "minutes": 2.5, "val_loss": 1.25, "text": "two eggs"},
    ],
    "time_lapse_prompt": "Take ",
    "command": "python -m training fit recipes.txt --out runs/recipes",
    "seconds": 180.0,
    "hardware": "CPU, 2 threads",
    "versions": ["torch 2.13.0"],
}  # fmt: skip


def test_the_command_for_new_lines_names_the_model() -> None:
    """Without --model it asked the shipped model, which is none of a list."""
    record = RECORD | {"copied_lines": {"0.8": 0.5, "held_out": 0.0}}
    for revision, printed in ((None, ""), ("epoch-01", " --revision epoch-01")):
        text = model_card.render(CONFIG, VOCABULARY, record, repo_id="user/names", revision=revision)
        assert f"`hubcharlstm generate --model user/names{printed} --novel`" in text


def test_the_card_shows_a_request_where_an_endpoint_can_serve_the_model() -> None:
    record = RECORD | {"sample_prompt": 'A "```" b\n'}
    texts = [model_card.render(CONFIG, VOCABULARY, record, endpoint=endpoint) for endpoint in (False, True)]
    assert "Inference Endpoint" not in texts[0]
    blocks = [token.content for token in MarkdownIt().parse(texts[1]) if token.type == "fence" and token.info == "json"]
    assert [json.loads(block)["inputs"] for block in blocks] == ['A "```" b\n']


def test_a_full_record_makes_a_full_card() -> None:
    text = model_card.render(CONFIG, VOCABULARY, RECORD, repo_id="user/recipes", has_loss_plot=True)
    for part in (
        'CharLSTM.from_pretrained("user/recipes")',
        "Take two eggs",
        "two `eggs`",
        "temperature 0.5, seed 7",
        "1.2500",
        "108,000 characters",
        "loss.png",
        "After 2,400 characters, 15 seconds, held-out loss 3.016",
        "Take xqz",
        'revision="epoch-01"`, `revision="epoch-12"`',
        "| this model, state carried | 1.2500 | 1.8034 |",
        "| 5-gram, Kneser-Ney | 1.5000 | 2.1640 |",
        "| xz | 1.7500 | 2.5247 |",
        "| 20 | 25.0 % | 12.5 % |",
        "| 80 | 0.0 % | 0.0 % |",
        "97.5 % of what it writes at temperature 0.5, 90.0 % of what it writes at temperature 1, 96.0 % of the",
        "before that what [user/charlstm-shakespeare]",
        "fit recipes.txt --out runs/recipes",
        "3.0 minutes on CPU, 2 threads",
        "2 LSTM layers of 8 units",
    ):
        assert part in text
    order = [
        "## Use",
        "## How it learned",
        "loss.png",
        "## Samples",
        "## How good",
        "## How much",
        "## Real",
        "## Inside",
    ]
    assert sorted(order, key=text.index) == order
    letters_are_no_words = RECORD | {"words": {"0.5": 0.3, "held_out": 0.2}}
    assert "## Real words" not in model_card.render(
        CONFIG, VOCABULARY, letters_are_no_words, repo_id=None, has_loss_plot=False
    )
    assert text.count("~~~~") == 2  # the sample holds ~~~, which must not end its own fence


def test_the_metadata_survives_a_round_trip() -> None:
    data = ModelCard(model_card.render(CONFIG, VOCABULARY, RECORD, repo_id="user/recipes")).data
    assert data.library_name == "hubcharlstm"
    assert data.pipeline_tag == "text-generation"
    assert (data.language, data.license, data.datasets) == ("en", "cc0-1.0", ["user/recipes"])
    assert data.base_model == "user/charlstm-shakespeare"
    assert data.tags == model_card.TAGS
    assert data.eval_results is not None
    assert {(r.metric_type, r.metric_value, r.dataset_type, r.dataset_split) for r in data.eval_results} == {
        ("cross_entropy", 1.25, "recipes", "held out"),
        ("bits_per_character", 1.8034, "recipes", "held out"),
    }
    text = model_card.render(CONFIG, VOCABULARY, RECORD, repo_id="user/recipes")
    assert str(ModelCard(text)) == text


@pytest.mark.parametrize("record", [RECORD, {}, {key: RECORD[key] for key in ("corpus", "val_loss", "val_bpc")}])
def test_the_hub_finds_nothing_wrong_with_a_card(author: Client, record: dict[str, Any]) -> None:
    author.call("validate_card", model_card.render(CONFIG, VOCABULARY, record, repo_id="user/recipes"))


def test_the_hub_of_these_tests_does_find_what_is_wrong(author: Client) -> None:
    text = model_card.render(CONFIG, VOCABULARY, RECORD | {"card": {"license": "my own"}})
    assert "license" in author.outcome("validate_card", text)["error"]
    record = RECORD | {"card": {"language": "English"}}
    assert "language" in author.outcome("validate_card", model_card.render(CONFIG, VOCABULARY, record))["error"]


def test_the_card_of_an_earlier_epoch_loads_that_epoch() -> None:
    text = model_card.render(CONFIG, VOCABULARY, RECORD, repo_id="user/recipes", revision="epoch-01")
    assert 'from_pretrained("user/recipes", revision="epoch-01")' in text
    assert "As it was earlier" not in text


def test_a_card_tells_how_to_install_only_where_it_knows() -> None:
    """The snippet imports a library that is on no package index."""
    for source, lines in (
        ("user/chat", "hf download user/chat --repo-type space --local-dir chat\npip install ./chat\n"),
        ("git+https://example.org/lstm.git@v1", 'pip install "git+https://example.org/lstm.git@v1"\n'),
        ("https://example.org/hubcharlstm.whl?x=1&y=2", 'pip install "https://example.org/hubcharlstm.whl?x=1&y=2"\n'),
    ):
        text = model_card.render(CONFIG, VOCABULARY, RECORD, repo_id="user/recipes", install_from=source)
        assert f"{lines}```\n\n```python\nfrom hubcharlstm" in text
        assert model_card.render(CONFIG, VOCABULARY, RECORD, repo_id="user/recipes") in text.replace(
            text[text.index("```bash") : text.index("```python")], ""
        )
    assert "pip install" not in model_card.render(CONFIG, VOCABULARY, RECORD, repo_id="user/recipes")


@pytest.mark.parametrize(
    "source", ["", "hubcharlstm", "https://x/`rm`", 'https://x/"', "https://x/$HOME", "-x/y", "a b/c"]
)
def test_what_is_no_source_of_the_library_is_refused(source: str) -> None:
    """It ends up in a line that readers paste into a shell."""
    with pytest.raises(ValueError, match="is to be installed from") as refused:
        model_card.render(CONFIG, VOCABULARY, RECORD, install_from=source)
    assert "\n" not in str(refused.value)


def test_a_time_lapse_as_the_first_runs_wrote_it() -> None:
    lapse = {"prompt": "Take ", "seed": 1, "temperature": 0.8, "moments": [{"chars": 2400, "text": "xqz"}]}
    text = model_card.render(
        CONFIG, VOCABULARY, {key: v for key, v in RECORD.items() if "lapse" not in key} | {"time_lapse": lapse}
    )
    assert "After 2,400 characters:" in text and "Take xqz" in text


def test_without_a_record_the_sections_are_left_out() -> None:
    text = model_card.render(CONFIG, VOCABULARY, {})
    for heading in (
        "## Samples",
        "## How good",
        "## How it learned",
        "## How much",
        "## Training",
        "loss.png",
        "None",
        "Undefined",
    ):
        assert heading not in text
    assert "## Use" in text
    assert ModelCard(text).data.eval_results is None


@pytest.mark.parametrize("key", [*RECORD, *(f"corpus.{name}" for name in RECORD["corpus"])])
@pytest.mark.parametrize("value", [None, 7, "text", [], [1], {}, {"a": 1}])
def test_a_record_that_somebody_else_wrote_never_breaks_the_card(key: str, value: Any) -> None:
    """A model from the Hub with an odd training.json loaded, but could not be saved again."""
    record = RECORD | {"corpus": dict(RECORD["corpus"])}
    if key.startswith("corpus."):
        record["corpus"][key.removeprefix("corpus.")] = value
    else:
        record[key] = value
    assert "## Use" in model_card.render(CONFIG, VOCABULARY, record)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*RECORD, "text"]), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(list(RECORD)), json_values))
def test_any_json_makes_a_card(record: dict[str, Any]) -> None:
    assert "## Use" in model_card.render(CONFIG, VOCABULARY, record)


def test_a_saved_model_has_its_card(tmp_path: Any) -> None:
    model = tiny_model(VOCABULARY)
    model.record = RECORD
    model.save_pretrained(tmp_path / "m", repo_id="user/recipes")
    assert 'from_pretrained("user/recipes")' in (tmp_path / "m" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    ["a | b.txt", "it's `py`.txt", "<img src=x onerror=alert(1)>", "[x](http://y)", "**a** _b_ c_d", "``", "🐍\tx"],
)
def test_odd_names_and_prompts_are_shown_as_they_stand(name: str) -> None:
    """A pipe in a file's name broke the table, and an emoji's prompt was another one in the snippet."""
    record = RECORD | {
        "corpus": RECORD["corpus"] | {"title": name}, "sample_prompt": name, "command": f"fit '{name}'",
        "samples": [{"prompt": name, "temperature": 0.5, "seed": 7, "text": "x"}],
    }  # fmt: skip
    text = model_card.render(CONFIG, Vocabulary.from_text("ab\t\n `|"), record, repo_id="user/recipes")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    shown = ["".join(child.content for child in token.children or ()) for token in tokens if token.type == "inline"]
    assert f"It has read {' '.join(name.split())} (108,000" in " ".join(shown)
    assert not [c for t in tokens for c in t.children or () if c.type in ("html_inline", "em_open", "strong_open")]
    assert any(f"Prompt {json.dumps(name, ensure_ascii=False)}, temperature 0.5" in one for one in shown)
    fences = [token.content for token in tokens if token.type == "fence"]
    assert f"fit '{name}'\n" in fences
    [call] = [line for fence in fences for line in fence.splitlines() if line.startswith("print(")]
    argument = ast.parse(call, mode="eval").body.args[0].args[0]  # type: ignore[attr-defined]
    assert argument.value == name
    assert "besides line break" not in text and "besides tab, line break, space." in text


@given(st.text(min_size=1, alphabet="`a |"))
def test_a_code_span_holds_any_backticks(text: str) -> None:
    [span] = MarkdownIt().parse(model_card.code_span(text))[1].children or ()
    assert (span.type, span.content) == ("code_inline", text)


def test_a_large_vocabulary_is_shown_in_part() -> None:
    chars = Vocabulary.from_text("".join(chr(0x4E00 + n) for n in range(1000)))
    assert "and 700 more" in model_card.render(CONFIG, chars, RECORD)
    assert "`丁`" in model_card.render(CONFIG, chars, RECORD)


def test_how_long_it_took_is_never_no_time() -> None:
    """The first moments stood at 0.0 minutes."""
    assert [model_card.format_duration(seconds) for seconds in (0.4, 59, 90)] == [
        "less than a second",
        "59 seconds",
        "1.5 minutes",
    ]


def test_named_cells_are_listed_and_colour_a_passage_whatever_it_holds() -> None:
    passage = "</pre><script>alert(1)</script>\n\n# `x` {{ 7 * 7 }} |"
    report = CellReport(
        (NamedCell(1, 3, "upper_case", -0.91, 0.005), NamedCell(0, 2, "in_word", 0.5, 0.005)),
        passage,
        (tuple([100] * len(passage)), tuple([-50] * len(passage))),
    )
    text = model_card.render(CONFIG, VOCABULARY, {}, cells=report)
    assert "2 of 16 cells follow something" in text
    assert "| 1, 3 | an upper-case letter | -0.91 |" in text and "| 0, 2 | inside a word | 0.50 |" in text
    html = MarkdownIt("commonmark", {"html": True}).render(text.split("---", 2)[2])
    assert html.count("<pre style") == 2 and "<script" not in html and "<h1>" in html
    assert html.count("<h1>") == 1  # the heading of the card alone
    assert "rgba(0,114,178,0.65)" in html and "rgba(230,159,0,0.3" in html
    assert "## Cells" not in model_card.render(CONFIG, VOCABULARY, {}, cells=CellReport(()))
    assert "## Cells" not in model_card.render(CONFIG, VOCABULARY, {})


GATES = {
    "characters": 12_288,
    "layers": [
        {gate: {"above": 0.25, "below": 0.5} for gate in ("input_gate", "forget_gate", "output_gate")}
        | {"half_life": {"median": 1.25, "longest": 95.3}}
    ],
}  # fmt: skip


def test_the_gates_are_told_by_layer() -> None:
    text = model_card.render(CONFIG, VOCABULARY, {"gates": GATES})
    assert "over 12,288 held-out characters" in text
    assert "| 0 | 25 %, 50 % | 25 %, 50 % | 25 %, 50 % | 1.2, 95 |" in text


@pytest.mark.parametrize(
    "gates",
    [3, {}, {"characters": 5, "layers": []}, {"characters": "5", "layers": GATES["layers"]},
     {"characters": 5, "layers": [3]}, {"characters": 5, "layers": [{"input_gate": {"above": "<b>"}}]},
     {"characters": 5, "layers": GATES["layers"] * 65}],
)  # fmt: skip
def test_gates_of_another_form_are_left_out(gates: Any) -> None:
    assert "stand open" not in model_card.render(CONFIG, VOCABULARY, {"gates": gates})
