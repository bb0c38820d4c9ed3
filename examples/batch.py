"""Many texts at once: a list of prompts, several samples of one prompt, and an engine shared by threads.

    python examples/batch.py

An engine decodes the requests of all threads in one batch. In int8 every text is the same, to the bit, as if it had
been asked for alone.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor

from hubcharlstm import CharLSTM, Engine

PROMPTS = ["ROMEO:\n", "JULIET:\n", "HAMLET:\n", "FALSTAFF:\n"]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Generate many texts at once.")
    parser.add_argument("--model", default=None, help="Hub id or folder (default: the shipped model)")
    parser.add_argument("--max-new-tokens", type=int, default=60, metavar="N")
    arguments = parser.parse_args(argv)

    model = CharLSTM.from_pretrained(arguments.model)
    length = arguments.max_new_tokens

    # A list of prompts gives a list of texts.
    for prompt, text in zip(PROMPTS, model.generate(PROMPTS, max_new_tokens=length, seed=7), strict=True):
        print(f"--- {prompt}{text}")

    # Several samples of one prompt, with the seeds 1, 2 and 3.
    for number, text in enumerate(model.generate("O, ", max_new_tokens=length, seed=1, num_samples=3), start=1):
        print(f"--- seed {number}\nO, {text}")

    # Requests from many threads, decoded together.
    engine = Engine(model.decoder)

    def complete(seed: int) -> str:
        return model.complete("O, ", max_new_tokens=length, seed=seed, engine=engine).text

    try:
        with ThreadPoolExecutor(8) as pool:
            texts = list(pool.map(complete, range(16)))
    finally:
        engine.close()
    print(f"--- an engine wrote {len(texts)} texts, {len(set(texts))} of them different")


if __name__ == "__main__":
    main()
