"""Models and completions under `/v1`, as OpenAI's own client uses them."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("gradio")
openai = pytest.importorskip("openai")

from hubcharlstm.inspection.scoring import token_log_probs
from tests.support.openai_client import post
from tests.support.served import Served


def test_models_are_listed_and_found(client: Any, served: Served) -> None:
    first, other = client.models.list()
    assert (first.id, first.object, other.id) == ("tiny", "model", "other")
    assert first.default and first.loaded and first.characters == len(served.model.vocabulary)
    assert client.models.retrieve("other").id == "other"
    with pytest.raises(openai.NotFoundError, match="'nobody/here' is not offered here; expected one of tiny, other"):
        client.models.retrieve("nobody/here")


# --- completions ------------------------------------------------------------------------------------------------------


def test_a_completion_is_the_librarys_text(client: Any, served: Served) -> None:
    done = client.completions.create(model="tiny", prompt="To be", max_tokens=40, seed=7)
    (choice,) = done.choices
    assert choice.text == served.model.generate("To be", max_new_tokens=40, seed=7)
    assert (choice.index, choice.finish_reason, choice.logprobs, choice.seed) == (0, "length", None, 7)
    assert (done.object, done.model, done.id[:5]) == ("text_completion", "tiny", "cmpl-")
    assert done.system_fingerprint.startswith(served.model.fingerprint[:16])
    usage = done.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (5, 40, 45)


def test_every_setting_reaches_the_model(client: Any, served: Served) -> None:
    filters = {"top_k": 5, "min_p": 0.02}
    done = client.completions.create(
        model="tiny", prompt="To be", max_tokens=300, temperature=1.3, top_p=0.9, seed=7, stop=["q!", "e"],
        extra_body=filters,
    )  # fmt: skip
    expected = served.model.complete(
        "To be", max_new_tokens=300, temperature=1.3, top_p=0.9, seed=7, stop=["q!", "e"], **filters
    )
    assert (done.choices[0].text, done.choices[0].finish_reason) == (expected.text, "stop")


def test_a_seed_that_is_drawn_repeats_the_text(client: Any) -> None:
    done = client.completions.create(model="tiny", prompt="To be")
    again = client.completions.create(model="tiny", prompt="To be", seed=done.choices[0].seed)
    assert again.choices[0].text == done.choices[0].text and done.choices[0].seed < 2**53


def test_several_prompts_and_samples_come_in_order(client: Any, served: Served) -> None:
    done = client.completions.create(model="tiny", prompt=["To be", "Or not"], n=2, best_of=2, max_tokens=30, seed=3)
    assert [choice.index for choice in done.choices] == [0, 1, 2, 3]
    assert [choice.text for choice in done.choices] == [
        served.model.generate(prompt, max_new_tokens=30, seed=seed) for prompt in ("To be", "Or not") for seed in (3, 4)
    ]
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (11, 120)


def test_a_prompt_that_is_read_otherwise_is_warned_of_and_echoed_as_read(client: Any) -> None:
    done = client.completions.create(model="tiny", prompt="É😀", max_tokens=5, echo=True, seed=1)
    assert done.choices[0].warnings == ["É read as E; 😀 skipped"]
    assert done.choices[0].text.startswith("E") and len(done.choices[0].text) == 6
    assert "nothing to start from" in client.completions.create(model="tiny", prompt="").choices[0].warnings[0]


def test_a_stream_sends_what_the_answer_would_hold(client: Any, served: Served) -> None:
    chunks = list(
        client.completions.create(
            model="tiny", prompt="To be", max_tokens=2_000, seed=7, n=2, stream=True,
            stream_options={"include_usage": True},
        )
    )  # fmt: skip
    *written, last = chunks
    assert last.choices == [] and last.usage.completion_tokens == 4_000
    assert len({chunk.id for chunk in chunks}) == 1 and all(chunk.usage is None for chunk in written)
    for index in (0, 1):
        own = [chunk.choices[0] for chunk in written if chunk.choices[0].index == index]
        assert len(own) > 2, "it came in pieces"
        expected = served.model.generate("To be", max_new_tokens=2_000, seed=7 + index)
        assert "".join(choice.text for choice in own) == expected
        assert [choice.finish_reason for choice in own] == [None] * (len(own) - 1) + ["length"]


def test_a_stream_ends_with_done(served: Served) -> None:
    answer = post(served, {"prompt": "To be", "max_tokens": 5, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line for line in answer.text.split("\n\n") if line]
    assert events[-1] == "data: [DONE]" and all(event.startswith("data: ") for event in events)
    assert json.loads(events[0][6:])["choices"][0]["index"] == 0


def test_log_probs_are_the_models(client: Any, served: Served) -> None:
    model = served.model
    for options in ({"stream": False}, {"stream": True}):
        done = client.completions.create(
            model="tiny", prompt="To be", max_tokens=600, seed=7, logprobs=3, echo=True, **options
        )
        choices = [chunk.choices[0] for chunk in done] if options["stream"] else [done.choices[0]]
        found = [choice.logprobs for choice in choices if choice.logprobs is not None]
        tokens = [token for one in found for token in one.tokens]
        log_probs = [value for one in found for value in one.token_logprobs]
        tops = [top for one in found for top in one.top_logprobs]
        text = "To be" + model.generate("To be", max_new_tokens=600, seed=7)
        assert "".join(tokens) == text
        assert [offset for one in found for offset in one.text_offset] == list(range(605))
        assert log_probs[0] is None and tops[0] is None, "nothing comes before the first"
        expected = token_log_probs(model, model.vocabulary.encode(text).ids)
        assert log_probs[1:] == pytest.approx(expected.tolist(), abs=1e-4)
        for token, log_prob, top in zip(tokens[1:], log_probs[1:], tops[1:], strict=True):
            assert top[token] == log_prob and 3 <= len(top) <= 4
            assert sorted(top.values(), reverse=True)[0] >= log_prob


def test_log_probs_without_echo_begin_after_the_prompt(client: Any, served: Served) -> None:
    whole = client.completions.create(model="tiny", prompt="To be", max_tokens=20, seed=7, logprobs=0, echo=True)
    part = client.completions.create(model="tiny", prompt="To be", max_tokens=20, seed=7, logprobs=0)
    assert part.choices[0].logprobs.token_logprobs == pytest.approx(whole.choices[0].logprobs.token_logprobs[5:])
    assert part.choices[0].logprobs.text_offset[0] == 0
    empty = client.completions.create(model="tiny", prompt="", max_tokens=20, seed=7, logprobs=1)
    assert None not in empty.choices[0].logprobs.token_logprobs, "it starts from the model's start text"


def test_many_at_once_get_each_their_own(served: Served, client: Any) -> None:
    def one(seed: int) -> str:
        done = client.completions.create(model="tiny", prompt="To be", max_tokens=60 + seed, seed=seed)
        return str(done.choices[0].text)

    with ThreadPoolExecutor(12) as pool:
        texts = list(pool.map(one, range(24)))
    assert texts == [served.model.generate("To be", max_new_tokens=60 + seed, seed=seed) for seed in range(24)]


def test_the_asynchronous_client(served: Served) -> None:
    async def run() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none") as client:
            stream = await client.completions.create(model="tiny", prompt="To be", max_tokens=40, seed=7, stream=True)
            return [chunk.choices[0].text async for chunk in stream]

    assert "".join(asyncio.run(run())) == served.model.generate("To be", max_new_tokens=40, seed=7)
