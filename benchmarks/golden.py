"""Golden record of texts and losses, to the bit: recorded before a refactoring, compared after it.

`python -m benchmarks.golden record FILE` writes the texts of 200 seeds over all settings in fp32 and int8, and the
losses of 200 training steps by `nn.LSTM` and by the packed layer. `check FILE` computes them again and exits with 1 if
one differs. A record is valid for one type of processor, for others round fp32 products differently, and for one number
of threads. Without bfloat16 instructions the packed layer runs in fp32; without VNNI int8 uses the exact fallback.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import training.network
from benchmarks.machine import conditions
from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.torch_compat import has_fast_bf16
from training.bptt import TruncatedBPTT
from training.data.corpus import load_corpus
from training.data.encoded import TrainIds
from training.lstm import Layer, PackedLSTM
from training.new_model import config_of
from training.recipe import Recipe
from training.schedule import TrainSchedule

RECIPE = Recipe(dropout=0.5, weight_drop=0.2, batch_size=24, muon_rate=0.0, max_train_chars=6_500_000)
"""What `small` was for this text when the record was made."""
SEEDS = 200
STEPS = 200
TEMPERATURES = (0, 0.3, 0.5, 0.8, 1.0, 1.4)
PROMPTS = ("", "To be, or ", "ROMEO:\n", "Café “déjà” vu — 🙂", "CLEOPATRA:\nO, ", "the ", "x" * 150, "\n\n")


def settings_of(seed: int) -> dict[str, Any]:
    """The settings of one text, drawn from its seed."""
    draw = random.Random(seed)
    return {
        "prompt": draw.choice(PROMPTS),
        "max_new_tokens": draw.randint(1, 120),
        "temperature": draw.choice(TEMPERATURES),
        "top_k": draw.choice([0, 0, 1, 5, 20]),
        "top_p": draw.choice([1.0, 1.0, 0.9, 0.5]),
        "min_p": draw.choice([0.0, 0.0, 0.02, 0.2]),
        "stop": draw.choice([None, None, "\n", "the", [" a", "\n\n"]]),
    }


def texts(precision: str) -> list[list[Any]]:
    """For each seed a text, its finish reason, its length, and the text that continues its state."""
    model, found = CharLSTM.from_pretrained(precision=precision), []
    for seed in range(SEEDS):
        done = model.complete(seed=seed, **settings_of(seed))
        more = model.complete(state=done.state, max_new_tokens=40, temperature=0.8)
        found.append([done.text, done.finish_reason, done.num_tokens, more.text])
    return found


def native_lstm(x: Tensor, h: Tensor, c: Tensor, layer: Layer) -> tuple[Tensor, Tensor, Tensor]:
    w_ih, w_hh, bias = layer
    weights = [w_ih, w_hh, bias, torch.zeros_like(bias)]
    outputs, h, c = torch.lstm(x, (h[None], c[None]), weights, True, 1, 0.0, True, False, False)
    return outputs, h[0], c[0]


def packed_lstm(x: Tensor, h: Tensor, c: Tensor, layer: Layer) -> tuple[Tensor, Tensor, Tensor]:
    dtype = torch.bfloat16 if has_fast_bf16() else torch.float32
    outputs, h, c = PackedLSTM.apply(x, h, c, *layer, dtype)
    return outputs, h, c


def losses(layer: Callable[..., Any]) -> list[float]:
    """The loss of each of the first steps of RECIPE on Macbeth, its LSTM computed by `layer`."""
    torch.manual_seed(1)
    torch.set_flush_denormal(True)
    usual, training.network.lstm = training.network.lstm, layer
    try:
        corpus = load_corpus("macbeth")
        vocabulary = Vocabulary(corpus.chars)
        model = CharLSTM(config_of(RECIPE, vocabulary), vocabulary)
        model.reset_for_training()
        bptt = TruncatedBPTT(
            model, RECIPE, TrainSchedule.of(RECIPE, len(corpus.train)), TrainIds(corpus.train, vocabulary)
        )
        return [float(bptt.step(step)) for step in range(STEPS)]
    finally:
        training.network.lstm = usual
        torch.set_flush_denormal(False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("record", "check"))
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    found = {
        "conditions": conditions(torch.get_num_threads()),
        "texts fp32": texts("fp32"),
        "texts int8": texts("int8"),
        "losses native": losses(native_lstm),
        "losses packed": losses(packed_lstm),
    }
    if options.verb == "record":
        options.file.write_text(json.dumps(found, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
        return 0
    wanted = json.loads(options.file.read_text(encoding="utf-8"))
    print(f"recorded: {wanted['conditions']}\nnow:      {found['conditions']}")
    differ = 0
    for name in ("texts fp32", "texts int8", "losses native", "losses packed"):
        count = sum(one != other for one, other in zip(found[name], wanted[name], strict=True))
        print(f"{name}: {len(found[name]) - count} of {len(found[name])} the same")
        differ += count
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
