"""How much better a model knows the rest of a text after it has adapted to its beginning, and what it loses at home.

    python -m benchmarks.adaptation --home OWN.txt [--seconds 6] [--steps N] TEXT [TEXT ...]

Each text is a UTF-8 file. The model that ships in the package adapts to its first half, up to 20,000 characters, and is
scored on what follows, up to 20,000 characters. --home: a text like the model's own that it was not trained on; the
adapted models are scored on its first 10,000 characters.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from benchmarks.machine import conditions
from hubcharlstm import CharLSTM

ADAPTED = 20_000
SCORED = 20_000
HOME = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(conditions(arguments.threads))
    model = CharLSTM.from_pretrained(device="cpu")
    home = arguments.home.read_text(encoding="utf-8")[:HOME]
    home_before = bpc(model, home)
    print(f"own kind of text before: {home_before:.3f} bits per character")
    print("| text | characters | steps | seconds | its rest before | after | own kind of text after |")
    print("|---|---|---|---|---|---|---|")
    for path in arguments.texts:
        text = path.read_text(encoding="utf-8")
        cut = min(ADAPTED, len(text) // 2)
        rest = text[cut : cut + SCORED]
        started = time.monotonic()
        adapted = model.adapt(text[:cut], seconds=arguments.seconds, steps=arguments.steps)
        seconds = time.monotonic() - started
        facts = adapted.adaptation
        assert facts is not None
        print(
            f"| {path.name} | {facts.characters:,} | {facts.steps} | {seconds:.1f} | {bpc(model, rest):.3f} | "
            f"{bpc(adapted, rest):.3f} | {bpc(adapted, home):.3f} |",
            flush=True,
        )


def bpc(model: CharLSTM, text: str) -> float:
    """Bits per character of a text."""
    return model.score(text, num_chunks=8).bpc


if __name__ == "__main__":
    main()
