"""The filter of a training text: how long it takes to make and to ask, and how often it is wrong.

    python -m benchmarks.copies

Shakespeare's plays, the shipped model: 12 texts of 1,500 characters at each of three temperatures, and 100,000
characters of the held-out plays, compared with the training text itself.
"""

from __future__ import annotations

import time

from hubcharlstm import CharLSTM
from hubcharlstm.inspection.ngram_filter import NgramFilter, runs_of
from training.data.corpus import load_corpus
from training.evaluation.memorization import copied_shares, filter_errors

TEMPERATURES, SAMPLES, LENGTH, HELD_OUT = (0.5, 0.8, 1.0), 12, 1500, 100_000


def main() -> None:
    """Print the figures."""
    corpus, model = load_corpus("shakespeare"), CharLSTM.from_pretrained(device="cpu")
    began = time.perf_counter()
    ngrams = NgramFilter.of(corpus.train)
    assert ngrams is not None
    print(f"{ngrams} of {len(corpus.train):,} characters in {time.perf_counter() - began:.1f} s")
    written = [
        text
        for temperature in TEMPERATURES
        for text in model.generate(num_samples=SAMPLES, max_new_tokens=LENGTH, temperature=temperature, seed=3)
    ]
    for name, texts in (("written", written), ("held out", [corpus.held_out[:HELD_OUT]])):
        share = copied_shares(texts, corpus.train)["20"]
        print(f"{name}: {share:.4f} of its 20-grams are copied; errors {filter_errors(ngrams, texts, corpus.train)}")
    began = time.perf_counter()
    for text in written:
        runs_of(ngrams.windows(text))
    print(f"a text of {LENGTH:,} characters is searched in {(time.perf_counter() - began) / len(written) * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
