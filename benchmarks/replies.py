"""Replies of the shipped model's characters: 24 speakers answer ten questions, as the page asks them.

`python -m benchmarks.replies` prints twenty of the 240 replies and a table of two bounds on their length: 200
characters, and `TURN_LENGTH` with a cut after the last whole sentence, as the page has it. "Like the speaker": a naive
Bayes classifier over words (add-one smoothing), trained on what the 24 speakers say in the training plays, finds the
speaker among the three likeliest; beside it the same for real speeches, each left out of the training.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from benchmarks.machine import conditions
from hubcharlstm import CharLSTM
from hubcharlstm.demo.chat.requests import compose
from hubcharlstm.demo.chat.sentences import SENTENCE_END, cut_after_sentence
from hubcharlstm.demo.settings import TURN_LENGTH
from training.data.corpus import load_corpus

QUESTIONS = (
    "What do you fear?",
    "Tell me of your father.",
    "Is there any hope?",
    "Who has wronged you?",
    "What think you of the king?",
    "Shall we to the tavern tonight?",
    "Do you love me?",
    "Why do you weep?",
    "What news from the war?",
    "How shall I live well?",
)
SPEECH = re.compile(r"(?:\A|(?<=\n\n))([^\n]+):\n(.+?)\n\n", re.DOTALL)
NAME_LINE = re.compile(r"^[A-Z][A-Z ]+[A-Z]:$", re.MULTILINE)
WORD = re.compile(r"[a-z']+")
NUM_SHOWN = 20
FEWEST_WORDS = 12
"""Of a speech that is classified: a shorter one says nothing of its speaker."""


@dataclass(frozen=True)
class Spoken:
    """A reply. is_whole: its turn ended by itself."""

    speaker: str
    question: str
    text: str
    is_whole: bool


class SpeakerClassifier:
    """Naive Bayes over words: which of the speakers says a text."""

    def __init__(self, speeches: Sequence[tuple[str, str]]) -> None:
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        for speaker, text in speeches:
            self.counts[speaker].update(words(text))
        self.totals = {speaker: counts.total() for speaker, counts in self.counts.items()}
        self.num_words = len(set().union(*self.counts.values()))

    def rank(self, speaker: str, text: str, *, is_held_out: bool = False) -> int:
        """The place of `speaker` among all, 1 for the likeliest. is_held_out: `text` is one of the speeches."""
        own = Counter(words(text))
        scores = {}
        for name, counts in self.counts.items():
            minus = own if is_held_out and name == speaker else Counter[str]()
            total = self.totals[name] - minus.total() + self.num_words
            scores[name] = sum(n * math.log((counts[word] - minus[word] + 1) / total) for word, n in own.items())
        return sorted(scores, key=lambda name: -scores[name]).index(speaker) + 1


def words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def replies_of(model: CharLSTM, *, max_new_tokens: int, is_cut: bool) -> list[Spoken]:
    """A reply of every speaker to every question, at the model's own temperature, seeded by its place."""
    config = model.generation_config
    replies = []
    for number, question in enumerate(QUESTIONS):
        for place, speaker in enumerate(config.speakers):
            prompt, _ = compose(config, question, speaker)
            completion = model.complete(
                prompt, max_new_tokens=max_new_tokens, stop=config.turn_stop, seed=100 * number + place
            )
            is_whole = completion.finish_reason == "stop"
            text = completion.text if is_whole or not is_cut else cut_after_sentence(completion.text)
            replies.append(Spoken(speaker, question, text, is_whole))
    return replies


def ends_in_a_sentence(reply: Spoken) -> bool:
    text = reply.text.rstrip()
    return any(found.end() == len(text) for found in SENTENCE_END.finditer(text))


def shares(replies: Sequence[Spoken], classifier: SpeakerClassifier) -> dict[str, float]:
    long_enough = [reply for reply in replies if len(words(reply.text)) >= FEWEST_WORDS]
    return {
        "the turn ends by itself": mean(reply.is_whole for reply in replies),
        "ends in a whole turn or sentence": mean(reply.is_whole or ends_in_a_sentence(reply) for reply in replies),
        "names no other speaker": mean(not NAME_LINE.search(reply.text) for reply in replies),
        "is not empty": mean(bool(reply.text.strip()) for reply in replies),
        "like the speaker": mean(classifier.rank(reply.speaker, reply.text) <= 3 for reply in long_enough),
        "characters": mean(len(reply.text) for reply in replies),
    }


def mean(values: Iterable[float]) -> float:
    values = [float(value) for value in values]
    return sum(values) / len(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pretrained", help="a folder or Hub id (default: the one that ships here)")
    chosen = parser.parse_args().model
    model = CharLSTM.from_pretrained(*([] if chosen == "pretrained" else [chosen]), device="cpu")
    speakers = set(model.generation_config.speakers)
    speeches = [
        (found[1], found[2]) for found in SPEECH.finditer(load_corpus("shakespeare").train[:]) if found[1] in speakers
    ]
    classifier = SpeakerClassifier(speeches)
    columns = {
        "200 characters": replies_of(model, max_new_tokens=200, is_cut=False),
        f"the turn, {TURN_LENGTH:,} at most": replies_of(model, max_new_tokens=TURN_LENGTH, is_cut=True),
    }
    for reply in random.Random(1).sample(list(columns.values())[-1], NUM_SHOWN):
        print(f"{reply.question}\n{reply.speaker}:\n{reply.text}\n")
    results = {name: shares(replies, classifier) for name, replies in columns.items()}
    real = [(name, text) for name, text in speeches if len(words(text)) >= FEWEST_WORDS]
    of_real = mean(classifier.rank(name, text, is_held_out=True) <= 3 for name, text in real)
    print(f"{len(QUESTIONS) * len(speakers)} replies; {conditions(torch.get_num_threads())}\n")
    print(f"| | {' | '.join(results)} |\n|---|{'---|' * len(results)}")
    for name in next(iter(results.values())):
        cells = [f"{100 * row[name]:.1f}%" if name != "characters" else f"{row[name]:.0f}" for row in results.values()]
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\nReal speeches of {FEWEST_WORDS} words and more, left out, like the speaker: {100 * of_real:.1f}%")
    print(json.dumps({"benchmark": "replies", "shares": results, "real": of_real}))


if __name__ == "__main__":
    main()
