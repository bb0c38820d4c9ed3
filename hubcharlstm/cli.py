"""The `hubcharlstm` command: generate, score, inspect, info, app, export. An error is one sentence and exit code 2."""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
from typing import TYPE_CHECKING, Any

from hubcharlstm.arguments import checked_path
from hubcharlstm.cli_generate import run_generate
from hubcharlstm.cli_options import loading_options, parser
from hubcharlstm.console import is_out_of_memory, load_text, print_warnings, use_utf8
from hubcharlstm.imports import paused_collection

if TYPE_CHECKING:
    from hubcharlstm.inspection.cell_report import CellReport

SCORING_CHUNKS = 32
"""Chunks of a long file that `score` processes in parallel."""
SHIPPED_NAME = "pretrained"
"""What `export` calls the model that ships in the package."""


def main(argv: list[str] | None = None) -> int:
    use_utf8()
    arguments = parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        commands = {
            "generate": run_generate, "score": run_score, "inspect": run_inspect, "info": run_info, "app": run_app,
            "export": run_export,
        }  # fmt: skip
        return commands[arguments.command](arguments)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print(
            "error: This machine's memory does not hold the model at work; expected it to fit: end other programs, or "
            "choose a smaller model.", file=sys.stderr,
        )  # fmt: skip
        return 2
    except BrokenPipeError:  # the process that consumes our output has exited
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130


def run_score(arguments: argparse.Namespace) -> int:
    from hubcharlstm import CharLSTM

    text = load_text(arguments.file)
    model = CharLSTM.from_pretrained(arguments.model, **loading_options(arguments))
    done = model.score(text, num_chunks=SCORING_CHUNKS)
    if arguments.json:
        content: dict[str, Any] = {
            "nats": done.nats, "bpc": done.bpc,
            "perplexity": done.perplexity if math.isfinite(done.perplexity) else None, "characters": len(done.text),
            "warnings": list(done.warnings),
        }  # fmt: skip
        if arguments.characters:
            content |= {"text": done.text, "log_probs": [round(float(value), 6) for value in done.log_probs]}
        print(json.dumps(content, ensure_ascii=False))
        return 0
    print_warnings(*done.warnings)
    if arguments.characters:
        for char, value in zip(done.text, done.log_probs, strict=True):
            print(f"{json.dumps(char, ensure_ascii=False)}\t{value:.6f}")
    print(
        f"{done.nats:.4f} nats, {done.bpc:.4f} bits per character, perplexity {done.perplexity:.3f}, "
        f"{len(done.text):,} characters"
    )
    return 0


def run_inspect(arguments: argparse.Namespace) -> int:
    from hubcharlstm import CharLSTM
    from hubcharlstm.inspection.report_page import page

    text = load_text("-") if arguments.text == "-" else arguments.text
    html = checked_path("--html", arguments.html)
    model = CharLSTM.from_pretrained(arguments.model, **loading_options(arguments))
    trace = model.trace(text)
    cells = model.cells.strongest if model.cells is not None else ()
    content = page(trace, model.vocabulary.chars, title=f"{model.name} reads a text", cells=cells)
    try:
        html.write_text(content, encoding="utf-8")
    except OSError as error:
        raise ValueError(
            f"{arguments.html} cannot be written ({error.strerror}); expected a file: choose another name."
        ) from None
    print_warnings(*trace.warnings)
    print(f"{trace.bpc:.4f} bits per character, {len(trace.text):,} characters, in {arguments.html}")
    return 0


def run_info(arguments: argparse.Namespace) -> int:
    import torch

    from hubcharlstm import CharLSTM, __version__
    from hubcharlstm.hub.training_record import is_number
    from hubcharlstm.torch_compat import has_fast_int8
    from hubcharlstm.vocabulary import visible

    model = CharLSTM.from_pretrained(arguments.model, **loading_options(arguments))
    precision = model.decoder.precision
    if model.decoder.device.type == "cpu":
        if not has_fast_int8():
            precision += " (this CPU has no int8 instructions)"
        if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
            precision += " (without vector instructions, which is slower)"
    config, corpus, loss = model.config, model.record.get("corpus", {}), model.record.get("val_loss")
    corpus = corpus if isinstance(corpus, dict) else {}
    title, held_out = (text if isinstance(text := corpus.get(key), str) else None for key in ("title", "held_out"))
    facts = {
        "model": model.name,
        "revision": model.revision,
        "network": f"{config.num_layers} x {config.hidden_size}, embeddings of {config.embedding_dim}, "
        f"{config.num_parameters:,} weights",
        "vocabulary": f"{len(model.vocabulary)} characters{', lower case' if model.vocabulary.lowercase else ''}",
        "weights hash": model.weights_id,
        "trained on": title,
        "held out": held_out,
        "held-out loss": None
        if not is_number(loss)
        else f"{loss:.4f} nats, {loss / math.log(2):.4f} bits per character",
        "named cells": None if model.cells is None else describe_cells(model.cells),
        "device": f"{model.decoder.device}, {precision}",
        "version": __version__,
    }
    if arguments.json:
        print(json.dumps(facts, ensure_ascii=False))
        return 0
    for name, value in facts.items():
        if value is not None:
            print(f"{name:14} {visible(value)}")
    return 0


def describe_cells(report: CellReport) -> str:
    """How many cells have a name, and the strongest ones."""
    shown = "; ".join(f"layer {cell.layer}, unit {cell.unit}: {cell.description}" for cell in report.strongest)
    return f"{len(report.cells)}{', the strongest ' if shown else ''}{shown}"


def run_app(arguments: argparse.Namespace) -> int:
    from hubcharlstm.demo.serving.gradio_stubs import without_type_stubs

    try:
        with paused_collection(), without_type_stubs():
            from hubcharlstm.demo.launch import launch
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise ValueError(
            "The package gradio is not installed; expected the extra app: run `pip install '.[app]'` in the folder "
            "that this library was installed from."
        ) from None
    launch(
        arguments.model,
        **loading_options(arguments),
        host=arguments.host,
        port=arguments.port,
        auth=arguments.auth,
    )
    return 0


def run_export(arguments: argparse.Namespace) -> int:
    from hubcharlstm import CharLSTM, __version__
    from hubcharlstm.export.html_page import write_page
    from hubcharlstm.export.package import write_package

    if arguments.page is None and arguments.npm is None:
        raise ValueError("Nothing to write; expected a page such as page.html, or --npm FOLDER: name one.")
    source = None if arguments.model == SHIPPED_NAME else arguments.model
    model = CharLSTM.from_pretrained(source, revision=arguments.revision, device="cpu")
    if arguments.page is not None:
        size = write_page(model, arguments.page, version=__version__)
        print(f"{arguments.page}, {size / 1e6:.1f} MB: open it in a browser.")
    if arguments.npm is not None:
        for name in write_package(model, arguments.npm, version=__version__):
            print(arguments.npm / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
