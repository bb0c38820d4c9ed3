"""Permalinks: a reply as a link to this page, as Python and as a command line; and the parser of such links.

A link is plain URL parameters, which anybody can write. They are checked like any other request, and they never load a
model that is not on offer.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from hubcharlstm.decoding.clamping import Clamp, cell_as_text
from hubcharlstm.demo.chat.clamps import check_clamp, clamp_as_text, parse_clamp
from hubcharlstm.demo.chat.requests import ExpectedText, check_opening, parse_speaker
from hubcharlstm.demo.chat.turns import Reply, Turn
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.settings import MAX_LENGTH, Settings, check_message, parse_seed
from hubcharlstm.demo.words.catalogue import sentence
from hubcharlstm.hub.model_id import parse_model_id

MAX_LINK = 4_000
"""Characters of a link; browsers and servers cut or refuse longer ones."""

NUMBERS: dict[str, Callable[[str], float]] = {
    "temperature": float,
    "length": int,
    "top_k": int,
    "top_p": float,
    "min_p": float,
}
NAMES = {"message", "speaker", "opening", *NUMBERS, "stop", "seed", "clamp", "model", "precision", "hash"}


@dataclass(frozen=True)
class Permalink:
    """What a link asks for. settings: keyword arguments of `Settings.of`. model: a label, "" for the default."""

    typed: str
    speaker: str
    settings: dict[str, Any]
    seed: int | None
    model: str
    expected: ExpectedText
    clamp: Clamp
    opening: str


def with_permalinks(turn: Turn, reply: Reply, stop: str, length: int, served_model: ServedModel) -> Reply:
    """`reply` with its link, Python and command line. stop, length: those that generate exactly its text.

    A private model has none of them: nobody else could write the reply again.
    """
    if served_model.is_private:
        return reply
    exact: Reply = {**reply, "stop": stop, "length": length}
    source, revision = served_model.source, served_model.model.revision
    if source is not None and revision is not None:
        source, _ = parse_model_id(source)  # the commit stands beside it, not the tag or branch that was asked for
    return {
        **reply,
        "link": make_link(turn, exact),
        "python": python_snippet(turn, exact, source, revision),
        "command": shell_command(turn, exact, source, revision),
    }


def make_link(turn: Turn, reply: Reply) -> str:
    """The query of the link; "" where message or reply is too long for one."""
    message = {"message": turn["typed"], "speaker": turn["speaker"]}
    params: dict[str, Any] = {
        **({"message": turn["prompt"]} if turn["context"] else message),
        "opening": reply["opening"],
        "temperature": f"{reply['temperature']:g}",
        "length": reply["length"],
        "top_k": reply["top_k"] or "",
        "top_p": f"{reply['top_p']:g}" if reply["top_p"] < 1 else "",
        "min_p": f"{reply['min_p']:g}" if reply["min_p"] else "",
        "stop": reply["stop"],
        "seed": reply["seed"],
        "clamp": clamp_as_text(reply["clamp"]),
        "model": reply["model"],
        "precision": reply["precision"],
        "hash": reply["hash"],
    }
    shown = {name: value for name, value in params.items() if value != "" or name == "message"}
    query = "?" + urlencode(shown, errors="ignore")  # half an emoji, which no model can read, is left out
    return query if len(query) <= MAX_LINK and reply["length"] <= MAX_LENGTH else ""


def python_snippet(turn: Turn, reply: Reply, source: str | None, revision: str | None) -> str:
    """Python that prints the same continuation. source: for `from_pretrained`, None for the shipped model."""
    model_arguments = [repr(source)] if source else []
    model_arguments += [f"revision={revision!r}"] if revision else []
    model_arguments += [f"precision={reply['precision']!r}"]
    arguments = {
        "max_new_tokens": reply["length"],
        "temperature": reply["temperature"],
        "top_k": reply["top_k"],
        "top_p": reply["top_p"],
        "min_p": reply["min_p"],
        "stop": reply["stop"] or None,
        "seed": int(reply["seed"]),
        "clamp": {(layer, unit): value for layer, unit, value in check_clamp(reply["clamp"])} or None,
    }
    lines = "".join(f"    {name}={value!r},\n" for name, value in arguments.items() if value is not None)
    printed = f"{reply['opening']!r} + text" if reply["opening"] else "text"
    return (
        "from hubcharlstm import CharLSTM\n\n"
        f"model = CharLSTM.from_pretrained({', '.join(model_arguments)})\n"
        f"text = model.generate(\n    {turn['prompt'] + reply['opening']!r},\n{lines})\nprint({printed})"
    )


def shell_command(turn: Turn, reply: Reply, source: str | None, revision: str | None) -> str:
    """The command line that prints the same continuation."""
    words = ["hubcharlstm", "generate"]
    words += ["--model", source] if source else []
    words += ["--revision", revision] if revision else []
    words += ["--precision", reply["precision"]]
    words += ["--max-new-tokens", str(reply["length"]), "--temperature", f"{reply['temperature']:g}"]
    words += ["--top-k", str(reply["top_k"]), "--top-p", f"{reply['top_p']:g}", "--min-p", f"{reply['min_p']:g}"]
    words += [f"--stop={reply['stop']}"] if reply["stop"] else []
    words += [word for cell in check_clamp(reply["clamp"]) for word in ("--clamp", cell_as_text(*cell))]
    words += ["--seed", reply["seed"], "--", turn["prompt"] + reply["opening"]]
    return shlex.join(word.encode("utf-8", errors="ignore").decode("utf-8") for word in words)


def parse_link(query: Any) -> Permalink | None:
    """Parse the query of a URL; None if it is no permalink. Parameters of other names are ignored: hosts add their own.

    Raises `UserError` for a damaged link.
    """
    if not isinstance(query, str) or not query.startswith("?"):
        return None
    try:
        pairs = parse_qsl(query[1:], keep_blank_values=True, max_num_fields=60, errors="strict")
    except ValueError:
        raise UserError(sentence("link.damaged")) from None
    known = [(name, value) for name, value in pairs if name in NAMES]
    if not known:
        return None
    params = dict(known)
    if len(params) != len(known):
        raise UserError(sentence("link.twice"))
    if len(query) > 20 * MAX_LINK:
        raise UserError(sentence("link.too_long", count=len(query), max=MAX_LINK))
    settings = parse_settings(params)
    return Permalink(
        typed=check_message(params.get("message", "")),
        speaker=parse_speaker(params.get("speaker"), ()),
        settings=settings,
        seed=parse_seed(params.get("seed")),
        model=params.get("model", "")[:200],
        expected=ExpectedText(hash=params.get("hash", "")[:64], precision=params.get("precision", "")[:16]),
        clamp=parse_clamp(params.get("clamp", "")),
        opening=check_opening(params.get("opening", "")),
    )


def parse_settings(params: dict[str, str]) -> dict[str, Any]:
    """The sampling settings of a link; raises `UserError` for one out of range.

    The link of a reply leaves out what is switched off; a link written by hand leaves out what the model may choose.
    """
    settings: dict[str, Any] = {name: parse_number(name, params[name]) for name in NUMBERS if name in params}
    settings["stop"] = params.get("stop", "")
    if "hash" in params:
        settings = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, **settings}
    Settings(**settings)
    return settings


def parse_number(name: str, text: str) -> float:
    """A number in plain ASCII digits; raises `UserError` for anything else."""
    field = name.replace("_", "-")
    try:
        if len(text) > 24 or not text.isascii() or "_" in text or text != text.strip():
            raise ValueError
        return NUMBERS[name](text)
    except ValueError:
        problem = sentence("link.number", name=sentence(f"setting.{field}"), value=repr(text[:40]))
        raise UserError(problem, field) from None


def replay_check(expected: ExpectedText | None, reply: Reply) -> Any:
    """Whether a replay has the hash that its permalink names, as JSON of a sentence; "" where it names none."""
    if expected is None or not expected.hash:
        return ""
    if expected.hash == reply["hash"]:
        return sentence("replay.same").as_json()
    written_in = expected.precision
    if written_in in ("", reply["precision"]):
        return sentence("replay.differs").as_json()
    return sentence("replay.differs_precision", written=written_in, here=reply["precision"]).as_json()
