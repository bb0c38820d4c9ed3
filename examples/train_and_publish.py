"""Train a small model on a text file, measure it, and publish it if a repository is named.

    python examples/train_and_publish.py mine.txt runs/mine
    python examples/train_and_publish.py mine.txt runs/mine --push-to-hub USER/MODEL

Needs the extra `train`. The command `python -m training fit` does the same with more care; this script shows the
functions behind it. Without --push-to-hub nothing is sent anywhere.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from hubcharlstm import CharLSTM
from training.data.corpus import load_corpus
from training.data.examples import suggest
from training.data.renaming import new_speaker_share
from training.pipeline import fit
from training.publishing.model import push
from training.recipe import PRESETS


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train a character LSTM and publish it.")
    parser.add_argument("corpus", help="a text file or a folder of them")
    parser.add_argument("out", type=Path, help="a new folder for the run")
    parser.add_argument("--max-epochs", type=int, default=10, metavar="N")
    parser.add_argument("--hidden-size", type=int, default=256, metavar="N")
    parser.add_argument("--push-to-hub", default=None, metavar="USER/MODEL")
    arguments = parser.parse_args(argv)

    # The corpus is split into training text and held-out text.
    corpus = load_corpus(arguments.corpus)
    print(f"{len(corpus.train):,} characters to train on, {len(corpus.held_out):,} held out")

    # A recipe is a frozen dataclass; what is not given adapts to the text.
    recipe = replace(PRESETS["small"], hidden_size=arguments.hidden_size, max_epochs=arguments.max_epochs)
    given = {"hidden_size", "max_epochs"}
    new_speakers = new_speaker_share(corpus.train)
    recipe, note = recipe.fitted_to(
        len(corpus.train), vocab_size=len(corpus.chars), new_speakers=new_speakers, given=given
    )
    if note:
        print(f"note: {note}")

    # The weights with the lowest held-out loss are kept in OUT/model.
    result = fit(corpus, recipe, suggest(corpus), arguments.out)
    print(f"held-out loss {result.val_loss:.4f} nats per character, model in {result.model_folder}")

    model = CharLSTM.from_pretrained(result.model_folder)
    print(model.generate(corpus.held_out[:20], max_new_tokens=100, seed=1))

    if arguments.push_to_hub:
        print(push(arguments.out, arguments.push_to_hub))


if __name__ == "__main__":
    main()
