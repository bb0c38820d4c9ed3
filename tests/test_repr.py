"""What a user sees at the prompt: one line that says what matters."""

from __future__ import annotations

from hubcharlstm import CharLSTM
from tests.conftest import TEXT


def test_everything_a_call_returns_is_shown_on_one_short_line(model: CharLSTM) -> None:
    model.name = "someone/with-a-name-that-is-far-too-long-for-one-line"
    done = model.complete(TEXT * 3, max_new_tokens=100, seed=2**63 - 1)
    shown = {
        repr(model): ["CharLSTM(", "2 x 24", "31 characters", "parameters", "cpu"],
        repr(done): ["Completion(", "seed=9223372036854775807", "finish_reason='length'"],
        repr(done.prompt): ["Encoding(", f"{3 * len(TEXT)} ids"],
        repr(done.state): ["GenerationState(", "100 samples"],
        repr(model.score(TEXT * 3)): ["Score(", "bpc=", f"{3 * len(TEXT)} characters"],
        repr(model.stream("é")): ["TextStream(", "finish_reason=None"],
        repr(model.vocabulary.encode("é😀")): ["1 substituted, 1 dropped"],
    }
    for line, parts in shown.items():
        assert "\n" not in line and len(line) <= 110, line
        assert all(part in line for part in parts), line


def test_the_line_of_a_model_builds_no_decoder(model: CharLSTM) -> None:
    repr(model)
    assert model._decoder_cache is None
