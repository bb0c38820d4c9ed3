"""Three lines that invite: a question to a character, half a line, and the same line at three temperatures."""

from __future__ import annotations

from typing import Any

from hubcharlstm.demo.chat.requests import fill
from hubcharlstm.demo.words.catalogue import sentence
from hubcharlstm.hub import training_record
from hubcharlstm.hub.titles import proper_name
from hubcharlstm.introduction import SIDE_BY_SIDE
from hubcharlstm.model import CharLSTM

NUM_STARTERS = 3

QUESTIONS = {
    "en": "What do you fear?",
    "de": "Wovor hast du Angst?",
    "fr": "De quoi as-tu peur ?",
    "es": "¿A qué le temes?",
    "it": "Di che cosa hai paura?",
    "pt": "De que tens medo?",
    "ru": "Чего ты боишься?",
    "ja": "何が怖いのですか？",
    "zh": "你害怕什么？",
    "ar": "مم تخاف؟",
}
"""The question to a character, by the language of the corpus; English where that is unknown."""

WELL_KNOWN = ("HAMLET", "MACBETH", "ROMEO")
"""Who is asked where the text has them; otherwise the first speaker, who speaks most."""

FAMOUS_LINES = {"shakespeare": "To be, or not to be: ", "macbeth": "Tomorrow, and tomorrow, "}
"""Half a line by the name of the corpus; otherwise an example of the model."""


def starters(model: CharLSTM) -> list[dict[str, Any]]:
    """Up to `NUM_STARTERS` starters as JSON: a label, and the typed line, speaker and temperatures of its request.

    A label is a text or a sentence.
    """
    config = model.generation_config
    made: list[dict[str, Any]] = []
    if config.speakers and config.turn_template:
        made.append(question(model))
    heads = {name_line(model, speaker) for speaker in config.speakers}
    lines = [*famous_line(model), *(example for example in config.examples if example not in heads), *config.examples]
    for line in list(dict.fromkeys(lines))[: NUM_STARTERS - 1 - len(made)]:
        made.append({"label": f"{one_line(line)} …", "typed": line})
    if lines:
        label = sentence("intro.compare", temperatures=list(SIDE_BY_SIDE))
        made.append({"label": label.as_json(), "typed": lines[0], "temperatures": list(SIDE_BY_SIDE)})
    return made


def question(model: CharLSTM) -> dict[str, Any]:
    """The question to a character."""
    speakers = model.generation_config.speakers
    speaker = next((name for name in WELL_KNOWN if name in speakers), speakers[0])
    language = training_record.valid_record(model.record).get("card", {}).get("language", "en")
    typed = QUESTIONS.get(language[:2].lower(), QUESTIONS["en"])
    label = sentence("intro.ask", name=proper_name(speaker), question=typed)
    return {"label": label.as_json(), "typed": typed, "speaker": speaker}


def famous_line(model: CharLSTM) -> list[str]:
    """Half a line that everybody knows, if the corpus has one."""
    name = training_record.valid_record(model.record).get("corpus", {}).get("name")
    return [FAMOUS_LINES[name]] if name in FAMOUS_LINES else []


def name_line(model: CharLSTM, speaker: str) -> str:
    """The first line of a turn of `speaker`; "" for a model without turns."""
    return fill(model.generation_config.turn_template.partition("{message}")[2].lstrip("\n"), "", speaker)


def one_line(text: str) -> str:
    """`text` with a sign for each line break."""
    return " ⏎ ".join(line.strip() for line in text.strip().split("\n"))
