"""How to write a reply again: as a link to this page, as Python, as a command line; and reading such a link.

A link is plain URL parameters, so whatever it holds may come from anybody: it is read like any other message,
and it never makes the app load a model that was not offered already.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from hubcharlstm.demo.chat.requests import read_speaker
from hubcharlstm.demo.chat.turns import Reply, Turn
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.models import ServedModel
from hubcharlstm.demo.settings import MAX_LENGTH, Settings, check_message, parse_seed

MAX_LINK = 4_000
"""Characters of a link; browsers and servers cut or refuse longer ones."""

NUMBERS: dict[str, Callable[[str], float]] = {
    "temperature": float,
    "length": int,
    "top_k": int,
    "top_p": float,
    "min_p": float,
}
NAMES = {"message", "speaker", *NUMBERS, "stop", "seed", "model", "precision", "hash"}


def with_permalinks(turn: Turn, reply: Reply, stop: str, length: int, loaded: ServedModel) -> Reply:
    """`reply` with the three ways to write it again; stop, length: those that give the very text."""
    exact: Reply = {**reply, "stop": stop, "length": length}
    source, revision = loaded.source, loaded.model.revision
    return {
        **reply,
        "link": link(turn, exact),
        "python": python(turn, exact, source, revision),
        "command": command(turn, exact, source, revision),
    }


def link(turn: Turn, reply: Reply) -> str:
    """The query of the link, "" where message or reply is too long for one."""
    talk = {"message": turn["typed"], "speaker": turn["speaker"]}
    params: dict[str, Any] = {
        **({"message": turn["prompt"]} if turn["context"] else talk),
        "temperature": f"{reply['temperature']:g}",
        "length": reply["length"],
        "top_k": reply["top_k"] or "",
        "top_p": f"{reply['top_p']:g}" if reply["top_p"] < 1 else "",
        "min_p": f"{reply['min_p']:g}" if reply["min_p"] else "",
        "stop": reply["stop"],
        "seed": reply["seed"],
        "model": reply["model"],
        "precision": reply["precision"],
        "hash": reply["hash"],
    }
    query = "?" + urlencode({name: value for name, value in params.items() if value != "" or name == "message"})
    return query if len(query) <= MAX_LINK and reply["length"] <= MAX_LENGTH else ""


def python(turn: Turn, reply: Reply, source: str | None, revision: str | None) -> str:
    """A few lines that print the same continuation. source: for `from_pretrained`, None for the shipped one."""
    named = [repr(source)] if source else []
    named += [f"revision={revision!r}"] if revision else []
    named += [f"precision={reply['precision']!r}"]
    arguments = {
        "max_new_tokens": reply["length"],
        "temperature": reply["temperature"],
        "top_k": reply["top_k"],
        "top_p": reply["top_p"],
        "min_p": reply["min_p"],
        "stop": reply["stop"] or None,
        "seed": int(reply["seed"]),
    }
    rest = "".join(f"    {name}={value!r},\n" for name, value in arguments.items() if value is not None)
    return (
        "from hubcharlstm import CharLSTM\n\n"
        f"model = CharLSTM.from_pretrained({', '.join(named)})\n"
        f"text = model.generate(\n    {turn['prompt']!r},\n{rest})\nprint(text)"
    )


def command(turn: Turn, reply: Reply, source: str | None, revision: str | None) -> str:
    """The same as one command for a shell."""
    words = ["hubcharlstm", "generate"]
    words += ["--model", source] if source else []
    words += ["--revision", revision] if revision else []
    words += ["--precision", reply["precision"]]
    words += ["--max-new-tokens", str(reply["length"]), "--temperature", f"{reply['temperature']:g}"]
    words += ["--top-k", str(reply["top_k"]), "--top-p", f"{reply['top_p']:g}", "--min-p", f"{reply['min_p']:g}"]
    words += [f"--stop={reply['stop']}"] if reply["stop"] else []
    words += ["--seed", reply["seed"], "--", turn["prompt"]]
    return shlex.join(words)


def read_link(query: Any) -> dict[str, Any] | None:
    """What a link wishes: message, speaker, settings, seed, model, written. None if it is no link of ours.

    Parameters of other names are left alone, for hosts add their own. Raises `Problem` for a damaged one.
    """
    if not isinstance(query, str) or not query.startswith("?"):
        return None
    try:
        pairs = parse_qsl(query[1:], keep_blank_values=True, max_num_fields=60, errors="strict")
    except ValueError:
        raise UserError("The link is damaged (it is no UTF-8, or has too many parts): copy it again.") from None
    ours = [(name, value) for name, value in pairs if name in NAMES]
    if not ours or len(query) <= 1:
        return None
    params = dict(ours)
    if len(params) != len(ours):
        raise UserError("The link names one setting twice; expected each once: copy it again.")
    if len(query) > 20 * MAX_LINK:
        raise UserError(f"The link has {len(query):,} characters; expected {MAX_LINK:,} at most: copy it again.")
    settings: dict[str, Any] = {name: read_number(name, params[name]) for name in NUMBERS if name in params}
    settings["stop"] = params.get("stop", "")
    known = (
        {"top_k": 0, "top_p": 1.0, "min_p": 0.0, **settings} if "hash" in params else settings
    )  # a receipt leaves out what is switched off; a link made by hand what the model may choose
    Settings(**known)
    return {
        "typed": check_message(params.get("message", "")),
        "speaker": read_speaker(params.get("speaker"), ()),
        "settings": known,
        "seed": parse_seed(params.get("seed")),
        "model": params.get("model", "")[:200],
        "written": {"hash": params.get("hash", "")[:64], "precision": params.get("precision", "")[:16]},
    }


def read_number(name: str, text: str) -> float:
    kind = NUMBERS[name]
    try:
        if len(text) > 24 or not text.isascii() or "_" in text or text != text.strip():
            raise ValueError
        return kind(text)
    except ValueError:
        raise UserError(
            f"The link's {name.replace('_', '-')} is {text[:40]!r}; expected a number: correct the link.",
            name.replace("_", "-"),
        ) from None


def replay_check(written: Mapping[str, Any] | None, reply: Reply) -> str:
    """What to say of a replay: does the text have the hash that the receipt names?"""
    if not written or not written.get("hash"):
        return ""
    if written["hash"] == reply["hash"]:
        return "same text"
    then = written.get("precision")
    why = f" (written in {then}, here {reply['precision']})" if then and then != reply["precision"] else ""
    return f"differs on this hardware{why}"
