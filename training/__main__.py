"""`python -m training COMMAND`: errors are one sentence and exit code 2."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from pathlib import Path

from training.allocator import retain_freed_memory
from training.commands import COMMANDS
from training.options import parse
from training.spinning import spin_count

SHARED = ("fit", "resume")
"""Commands that several processes share."""


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    # OpenMP reads it once, when torch is imported. The runs of a sweep choose by themselves.
    if "GOMP_SPINCOUNT" not in os.environ and argv[:1] != ["sweep"]:
        os.environ["GOMP_SPINCOUNT"] = str(spin_count())
    retain_freed_memory()
    from hubcharlstm.console import check_utf8, is_out_of_memory, use_utf8
    from hubcharlstm.imports import paused_collection

    with paused_collection():
        from training.processes import check_alone  # imports torch

    use_utf8()
    is_main = os.environ.get("RANK", "0") == "0"  # of the processes of a launcher such as torchrun
    if not is_main:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # open to the end of the process
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for package in ("hubcharlstm", "training"):  # print what is sent to the Hub, downloaded and prepared
        logging.getLogger(package).setLevel(logging.INFO if is_main else logging.ERROR)
    options = parse(argv)
    try:
        check_utf8(argv)
        if options.command not in SHARED:
            check_alone(options.command)
        return COMMANDS[options.command](options, shlex.join(["python", "-m", "training", *argv]))
    except ValueError as error:
        message = str(error)
    except OSError as error:
        message = (
            f"{error.filename or 'A file'} cannot be read or written ({error.strerror or error}); "
            "expected a place with room and access: free some space, or choose another."
        )
    except ModuleNotFoundError as error:
        message = (
            f"The package {error.name} is not installed; expected the training extra: "
            "run `pip install -c constraints.txt -e '.[train]'`."
        )
    except (MemoryError, RuntimeError) as error:
        if is_lost_process(error):
            message = (
                "Another process of this run has ended; expected all of them to the end: start them again by the same "
                "command with resume (torchrun does it by itself with --max-restarts)."
            )
        elif not is_out_of_memory(error):
            raise
        else:
            message = (
                "This machine's memory does not hold the run; expected it to fit: choose a smaller --hidden-size, "
                "--batch-size, --seq-len or --dropout-samples, or a shorter text."
            )
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    print(f"error: {message}", file=sys.stderr)
    return 2


def is_lost_process(error: BaseException) -> bool:
    """Whether `error` says that a process which shares the run is gone: Gloo raises bare `RuntimeError`s."""
    is_shared = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return is_shared and any(name in str(error) for name in ("gloo", "Gloo", "Connection", "NCCL", "peer"))


if __name__ == "__main__":
    sys.exit(main())
