"""The handler of an Inference Endpoint: texts of 200 characters a second, alone, in lists and from threads at once.

`python -m benchmarks.endpoint` prints a table and one JSON line. The service's own HTTP server is not part of it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from benchmarks.machine import conditions
from hubcharlstm.hub.model_folder import PRETRAINED
from hubcharlstm.inference_endpoint import MAX_INPUTS, EndpointHandler

LENGTH = 200
AT_ONCE = (1, 4, 16)
"""Requests that the service's server hands to the handler at the same time."""


def body(num_inputs: int, seed: int) -> dict[str, Any]:
    parameters = {"max_new_tokens": LENGTH, "seed": seed, "temperature": 0.8}
    return {"inputs": [f"{n} To be, or" for n in range(num_inputs)], "parameters": parameters}


def seconds(handler: EndpointHandler, num_inputs: int, seed: int) -> float:
    start = time.perf_counter()
    answers = handler(body(num_inputs, seed))
    assert len(answers) == num_inputs and all(answer["generated_text"] for answer in answers)
    return time.perf_counter() - start


def measure(handler: EndpointHandler, rounds: int) -> list[dict[str, float]]:
    rows = []
    for at_once in AT_ONCE:
        for num_inputs in (1, MAX_INPUTS):
            with ThreadPoolExecutor(at_once) as threads:
                start = time.perf_counter()
                times = list(threads.map(lambda seed, n=num_inputs: seconds(handler, n, seed), range(rounds * at_once)))
                elapsed = time.perf_counter() - start
            texts = len(times) * num_inputs / elapsed
            rows.append(
                {"at once": at_once, "inputs": num_inputs, "ms": 1000 * statistics.median(times), "texts/s": texts}
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10, help="requests of each thread (default: 10)")
    options = parser.parse_args()
    handler = EndpointHandler(str(PRETRAINED))
    try:
        seconds(handler, MAX_INPUTS, 0)
        rows = measure(handler, options.rounds)
    finally:
        handler.engine.close()
    print(f"{LENGTH} characters each; {conditions(torch.get_num_threads())}\n")
    print("| requests at once | texts in each | ms, median | texts/s |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['at once']} | {row['inputs']} | {row['ms']:.0f} | {row['texts/s']:.1f} |")
    print(json.dumps({"benchmark": "endpoint", "rows": rows}))


if __name__ == "__main__":
    main()
