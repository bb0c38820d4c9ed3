"""The options of the `hubcharlstm` command."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    from hubcharlstm import __version__ as version

    top = argparse.ArgumentParser(
        prog="hubcharlstm", description="Generate with a character LSTM, look into it, chat with it, or export it."
    )
    top.add_argument("--version", action="version", version=f"hubcharlstm {version}")
    commands = top.add_subparsers(dest="command", required=True)
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument(
        "--model", default=None, help="Hub id, URL or folder (default: the model that ships in the package)"
    )
    model.add_argument("--revision", default=None, help="branch, tag or commit of a Hub id")
    model.add_argument("--device", default="auto", help='"cpu", "cuda" or "auto", the faster for one text')
    model.add_argument("--precision", default="auto", help='"fp32", "int8" (CPU), "bf16" (GPU) or "auto"')

    _add_generate_options(commands.add_parser("generate", parents=[model], help="continue a text"))
    score = commands.add_parser("score", parents=[model], help="the loss of a model on a text")
    score.add_argument("file", help="a UTF-8 text file; - reads standard input")
    score.add_argument("--json", action="store_true", help="print one JSON object")
    score.add_argument(
        "--characters", action="store_true", help="also each character, as a JSON string, with its log-probability"
    )

    inspect = commands.add_parser("inspect", parents=[model], help="what a model computes while it reads a text")
    inspect.add_argument("text", help="the text; - reads standard input")
    inspect.add_argument("--html", required=True, metavar="FILE", help="write surprise and cells into one HTML file")

    info = commands.add_parser("info", parents=[model], help="what a model is and what it was trained on")
    info.add_argument("--json", action="store_true", help="print one JSON object")

    app = commands.add_parser(
        "app", parents=[model], help="chat in the browser",
        description="Serve the chat page and the API. Without --model: what HUBCHARLSTM_MODEL names, if anything.",
    )  # fmt: skip
    app.add_argument("--host", default=None, help="address to listen on (default: GRADIO_SERVER_NAME, else 127.0.0.1)")
    app.add_argument("--port", type=int, default=None, help="its port (default: GRADIO_SERVER_PORT, else 7860)")
    app.add_argument(
        "--auth", default=None, metavar="USER:PASSWORD", help="ask for a login (default: HUBCHARLSTM_AUTH, else none)"
    )

    export = commands.add_parser("export", help="an HTML page, or an npm module, that runs the model in a browser")
    export.add_argument("model", help='Hub id, URL or folder, or "pretrained" for the model that ships in the package')
    export.add_argument("page", nargs="?", type=Path, default=None, help="the HTML file to write")
    export.add_argument("--npm", type=Path, default=None, metavar="FOLDER", help="write a module there, new or empty")
    export.add_argument("--revision", default=None, help="branch, tag or commit of a Hub id")
    return top


def _add_generate_options(generate: argparse.ArgumentParser) -> None:
    generate.add_argument(
        "prompt", nargs="?", default=None, help="the start of the text; - or nothing reads what is piped in"
    )
    generate.add_argument(
        "--max-new-tokens", type=int, default=None, metavar="N", help="characters to write (default: the model's)"
    )
    generate.add_argument(
        "--temperature", type=float, default=None, metavar="T", help="0 is greedy (default: the model's)"
    )
    generate.add_argument("--top-k", type=int, default=None, metavar="K", help="keep the K likeliest; 0 keeps all")
    generate.add_argument(
        "--top-p", type=float, default=None, metavar="P", help="keep the likeliest P of probability; 1 keeps all"
    )
    generate.add_argument(
        "--min-p", type=float, default=None, metavar="P", help="drop what is below P times the likeliest; 0 keeps all"
    )
    generate.add_argument(
        "--stop", action="append", default=None, metavar="TEXT", help="end before this text; repeatable"
    )
    generate.add_argument(
        "--seed", type=int, default=None, metavar="N", help="repeat a text; drawn and printed if not given"
    )
    generate.add_argument(
        "--clamp", action="append", default=None, metavar="LAYER:UNIT:VALUE", help="hold a cell there; repeatable"
    )
    generate.add_argument(
        "--num-samples", type=int, default=1, metavar="N", help="texts, with seeds SEED, SEED + 1, ... (default: 1)"
    )
    generate.add_argument(
        "--escapes", action="store_true", help=r"read \n, \t, \\ and \uXXXX in prompt and stop texts as characters"
    )
    generate.add_argument(
        "--keep-newline", action="store_true", help="keep the last line break of a prompt that is piped in"
    )
    generate.add_argument(
        "--novel", action="store_true", help="for a model of a list, such as names: lines that the list does not hold"
    )
    generate.add_argument(
        "--adapt", default=None, metavar="FILE", help="adapt to this UTF-8 text (dynamic evaluation); - for a pipe"
    )
    generate.add_argument(
        "--adapt-seconds", type=float, default=None, metavar="S", help="learn from it for S seconds (default: 10)"
    )
    generate.add_argument(
        "--adapt-steps", type=int, default=None, metavar="N", help="in N steps instead, for the same model each time"
    )
    generate.add_argument("--json", action="store_true", help="print one JSON object for each text")


def loading_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `from_pretrained` besides the id."""
    return {"revision": arguments.revision, "device": arguments.device, "precision": arguments.precision}
