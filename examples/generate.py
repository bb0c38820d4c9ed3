"""Generate text: as a string, as a stream, and with everything that is known about it.

    python examples/generate.py
    python examples/generate.py --model USER/MODEL --prompt "To be, or "

Without --model it uses the model that ships in the package; nothing is downloaded.
"""

from __future__ import annotations

import argparse

from hubcharlstm import CharLSTM


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Generate text with a character LSTM.")
    parser.add_argument("--model", default=None, help="Hub id or folder (default: the shipped model)")
    parser.add_argument("--prompt", default="To be, or ")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args(argv)

    model = CharLSTM.from_pretrained(arguments.model)

    # A string. The same seed gives the same text.
    text = model.generate(arguments.prompt, max_new_tokens=80, temperature=0.8, seed=arguments.seed)
    print(f"--- generate\n{arguments.prompt}{text}")

    # A stream: text as it is generated, until a blank line or the limit.
    print("--- stream")
    for piece in model.stream(arguments.prompt, max_new_tokens=200, stop="\n\n", seed=arguments.seed):
        print(piece, end="", flush=True)

    # Everything that is known about a text.
    done = model.complete(arguments.prompt, max_new_tokens=80, temperature=0)
    print(f"\n--- complete, greedy\n{done.text}")
    print(f"seed {done.seed}, finish_reason {done.finish_reason}, {done.num_tokens} characters")
    for warning in done.warnings:
        print(f"warning: {warning}")


if __name__ == "__main__":
    main()
