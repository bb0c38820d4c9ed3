"""The held-out loss that int8 costs: the shipped model over the plays it was not trained on, in fp32 and in int8.

`python -m benchmarks.quality` prints a table and one JSON line.
"""

from __future__ import annotations

import json

import torch
from torch.nn.functional import cross_entropy

from benchmarks.machine import conditions
from hubcharlstm import CharLSTM
from hubcharlstm.decoding.decoder import Decoder
from training.data.corpus import load_corpus
from training.data.encoded import encode

NUM_CHUNKS = 128


def stepped_loss(decoder: Decoder, ids: torch.Tensor) -> float:
    """Nats per character of ids (N,), in `NUM_CHUNKS` contiguous chunks, each stepped from zeros."""
    length = (len(ids) - 1) // NUM_CHUNKS
    chunks = ids[: NUM_CHUNKS * length + 1].unfold(0, length + 1, length)  # (NUM_CHUNKS, length + 1)
    buffer, total = decoder.state_buffer(NUM_CHUNKS), 0.0
    for n in range(length):
        total += float(
            cross_entropy(decoder.step(chunks[:, n].contiguous(), buffer), chunks[:, n + 1], reduction="sum")
        )
    return total / (NUM_CHUNKS * length)


def main() -> None:
    model = CharLSTM.from_pretrained(device="cpu")
    ids = encode(load_corpus("shakespeare").held_out, model.vocabulary)
    losses = {precision: stepped_loss(Decoder(model, precision), ids) for precision in ("fp32", "int8")}
    print(f"{model.record['corpus']['held_out']}; {conditions(torch.get_num_threads())}\n")
    print("| | nats per character |\n|---|---|")
    for precision, loss in losses.items():
        print(f"| {precision} | {loss:.5f} |")
    print(f"| rise | {losses['int8'] - losses['fp32']:+.5f} |")
    print(json.dumps({"benchmark": "quality", "nats": losses}))


if __name__ == "__main__":
    main()
