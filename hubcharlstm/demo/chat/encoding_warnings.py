"""What a model reads otherwise than it was typed, as sentences for the page."""

from __future__ import annotations

from collections.abc import Iterator

from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.words.catalogue import Sentence, sentence
from hubcharlstm.vocabulary import Encoding, visible

NAMED_SIGNS = {" ": "sign.space", "\n": "sign.line_break", "\t": "sign.tab"}


def encoding_warnings(served_model: ServedModel, stop: str, prompt: Encoding) -> Iterator[Sentence]:
    """The same facts as `TextStream.warnings`. prompt: as the model reads it."""
    for old, new in prompt.substituted:
        yield sentence("warning.substituted", old=shown(old), new=shown(new))
    for text in prompt.dropped:
        yield sentence("warning.dropped", text=shown(text))
    vocabulary = served_model.vocabulary
    if not prompt.ids:
        start = vocabulary.decode(vocabulary.encode(served_model.start_text).ids or (0,))
        yield sentence("warning.nothing", start=repr(start))
    if stop and ((encoding := vocabulary.encode(stop)).dropped or not encoding.ids):
        yield sentence("warning.stop", stop=repr(stop))


def shown(text: str) -> Sentence | str:
    """`text`, with invisible characters made visible."""
    return sentence(NAMED_SIGNS[text]) if text in NAMED_SIGNS else visible(text)
