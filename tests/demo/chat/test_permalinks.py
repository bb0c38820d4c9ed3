"""Permalinks: what they say generates the same text, and what strangers put into a link is refused."""

from __future__ import annotations

import shlex
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlencode

import pytest

from hubcharlstm.cli_options import parser

pytest.importorskip("gradio")

from hubcharlstm.demo.chat import permalinks
from hubcharlstm.demo.chat.requests import ExpectedText
from hubcharlstm.demo.errors import UserError
from tests.support.chat_doubles import in_english

TURN: dict[str, Any] = {"typed": "To be & <b>\n", "speaker": "", "context": "", "prompt": "To be & <b>\n"}
REPLY: dict[str, Any] = {
    "seed": str(2**63 - 1), "temperature": 0.8, "length": 40, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "stop": "",
    "model": "tiny", "precision": "int8", "hash": "0123456789abcdef", "clamp": [], "opening": "",
}  # fmt: skip


def test_a_link_says_everything_and_is_read_back() -> None:
    reply = {**REPLY, "stop": "\n\n", "top_k": 5}
    query = permalinks.make_link(TURN, reply)  # type: ignore[arg-type]
    assert "<" not in query and parse_qs(query[1:])["message"] == ["To be & <b>\n"]
    link = permalinks.parse_link(query)
    assert link is not None
    assert link.typed == TURN["typed"] and link.seed == 2**63 - 1 and link.model == "tiny"
    assert link.settings == {
        "temperature": 0.8, "length": 40, "top_k": 5, "top_p": 1.0, "min_p": 0.0, "stop": "\n\n"
    }  # fmt: skip
    assert link.expected == ExpectedText(hash=REPLY["hash"], precision="int8")


def test_a_link_of_a_talk_names_the_speaker_and_one_with_context_its_whole_prompt() -> None:
    talk = {**TURN, "speaker": "JULIET", "prompt": "STRANGER:\nTo be\n\nJULIET:\n"}
    assert parse_qs(permalinks.make_link(talk, REPLY)[1:])["speaker"] == ["JULIET"]  # type: ignore[arg-type]
    after = parse_qs(permalinks.make_link({**talk, "context": "So far."}, REPLY)[1:])  # type: ignore[arg-type]
    assert after["message"] == [talk["prompt"]] and "speaker" not in after


def test_what_is_too_long_for_a_link_has_none() -> None:
    assert permalinks.make_link({**TURN, "typed": "é" * 2_000}, REPLY) == ""  # type: ignore[arg-type]
    assert permalinks.make_link(TURN, {**REPLY, "length": 2_001}) == ""  # type: ignore[arg-type]


def test_the_command_is_one_that_the_command_line_knows() -> None:
    words = shlex.split(
        permalinks.shell_command({**TURN, "prompt": "-'$(x)'\n"}, {**REPLY, "stop": "--x"}, "u/m", "abc")
    )  # type: ignore[arg-type]
    args = parser().parse_args(words[1:])
    assert (args.prompt, args.stop, args.seed, args.model) == ("-'$(x)'\n", ["--x"], 2**63 - 1, "u/m")
    assert (args.revision, args.max_new_tokens, args.temperature) == ("abc", 40, 0.8)
    assert args.precision == "int8"  # a text of fp32 may come out otherwise where int8 is the default


def test_the_python_lines_name_model_and_revision() -> None:
    lines = permalinks.python_snippet(TURN, REPLY, "u/m", "abc")  # type: ignore[arg-type]
    compile(lines, "permalink", "exec")
    assert "CharLSTM.from_pretrained('u/m', revision='abc', precision='int8')" in lines


def test_an_epoch_of_the_hub_is_named_by_its_commit() -> None:
    """The lines named tag and commit, which `from_pretrained` refuses: "names the revision 'epoch-03' and ..."."""
    served_model: Any = SimpleNamespace(source="u/m@epoch-03", is_private=False, model=SimpleNamespace(revision="abc"))
    turn, before = (cast(Any, one) for one in (TURN, REPLY))
    reply = permalinks.with_permalinks(turn, before, "", 40, served_model)
    assert "CharLSTM.from_pretrained('u/m', revision='abc', precision='int8')" in reply["python"]
    args = parser().parse_args(shlex.split(reply["command"])[1:])
    assert (args.model, args.revision) == ("u/m", "abc")


@pytest.mark.parametrize("query", [None, 7, "", "?", "?__theme=dark", "?utm_source=x&view=api"])
def test_other_peoples_parameters_are_no_link_of_ours(query: Any) -> None:
    assert permalinks.parse_link(query) is None


@pytest.mark.parametrize(
    ("query", "field", "sentence"),
    [
        ("?temperature=9", "temperature", "expected 0 to 2"),
        ("?temperature=inf", "temperature", "expected 0 to 2"),
        ("?temperature=", "temperature", "The link's temperature is ''"),
        ("?length=1.5", "length", "The link's length is '1.5'"),
        ("?length=٣", "length", "expected a number"),
        ("?top_k=1_0", "top-k", "expected a number"),
        ("?top_p=" + "1" * 30, "top-p", "expected a number"),
        ("?seed=1e3", "seed", "expected a whole number"),
        ("?stop=" + "x" * 201, "stop", "shorten it"),
        ("?speaker=a%0Ab", "speaker", "on one line"),
        ("?message=" + "x" * 10_001, "message", "The message has 10,001"),
        ("?message=%ff", "message", "The link is damaged"),
        ("?seed=1&seed=2", "message", "names one setting twice"),
        ("?" + "&".join(f"x{n}=1" for n in range(99)) + "&seed=1", "message", "The link is damaged"),
    ],
)
def test_a_hostile_link_is_refused(query: str, field: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        permalinks.parse_link(query)
    assert caught.value.field == field


def test_a_link_made_by_hand_leaves_the_rest_to_the_model() -> None:
    link = permalinks.parse_link("?" + urlencode({"message": "x", "seed": 7}))
    assert link is not None and link.settings == {"stop": ""} and link.seed == 7


@pytest.mark.parametrize(
    ("expected", "replay_check"),
    [
        (None, ""),
        ({"hash": ""}, ""),
        ({"hash": "0123456789abcdef", "precision": "fp32"}, "same text"),
        ({"hash": "other", "precision": "int8"}, "differs on this hardware"),
        ({"hash": "other", "precision": "fp32"}, "differs on this hardware (written in fp32, here int8)"),
    ],
)
def test_the_check_of_a_replay(expected: dict[str, str] | None, replay_check: str) -> None:
    text = None if expected is None else ExpectedText(**expected)
    assert in_english(permalinks.replay_check(text, REPLY)) == replay_check  # type: ignore[arg-type]


def test_half_an_emoji_is_left_out_of_link_and_command() -> None:
    """A lone surrogate has no UTF-8; it made the reply fail when it was complete."""
    turn = TURN | {"typed": "To be \ud83d, or", "prompt": "To be \ud83d, or", "context": ""}
    link = permalinks.make_link(turn, REPLY)  # type: ignore[arg-type]
    parsed = permalinks.parse_link(link)
    assert parsed is not None and parsed.typed == "To be , or"
    assert permalinks.shell_command(turn, REPLY, None, None).endswith("-- 'To be , or'")  # type: ignore[arg-type]
