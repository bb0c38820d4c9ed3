"""Continue a text exactly where it stopped, also in another process.

    python examples/continue_state.py start.safetensors

The first part is written and its state saved. The state is then loaded and the text continued: two halves are the same
text as one whole.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hubcharlstm import CharLSTM, GenerationState


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Save where a text stopped, and continue it.")
    parser.add_argument("file", type=Path, help="where to save the state")
    parser.add_argument("--model", default=None, help="Hub id or folder (default: the shipped model)")
    arguments = parser.parse_args(argv)

    model = CharLSTM.from_pretrained(arguments.model)
    prompt = "Shall I compare thee"

    first = model.complete(prompt, max_new_tokens=60, seed=3)
    first.state.save(arguments.file)
    print(f"--- first half, state saved in {arguments.file} ({arguments.file.stat().st_size:,} bytes)")
    print(prompt + first.text)

    state = GenerationState.load(arguments.file)
    second = model.complete(state=state, max_new_tokens=60)
    print(f"--- second half\n{second.text}")

    whole = model.generate(prompt, max_new_tokens=120, seed=3)
    print("--- the same as 120 characters at once:", first.text + second.text == whole)


if __name__ == "__main__":
    main()
