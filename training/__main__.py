"""`python -m training fit | resume | evaluate | push | space`: errors are one sentence and exit code 2."""

from __future__ import annotations

import io
import logging
import os
import shlex
import sys

from training.allocator import keep_memory
from training.commands import run_evaluate, run_fit, run_push, run_resume, run_space
from training.options import parser

COMMANDS = {"fit": run_fit, "resume": run_resume, "evaluate": run_evaluate, "push": run_push, "space": run_space}


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    # Read once when torch is imported. Threads that spin long for each other starve beside any other process.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    keep_memory()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a sample that the console cannot show must not end the run
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("hubcharlstm").setLevel(logging.INFO)  # what is sent to the Hub is shown
    arguments = parser().parse_args(argv)
    arguments.line = shlex.join(["python", "-m", "training", *argv])
    try:
        return COMMANDS[arguments.command](arguments)
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
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        message = (
            "The memory does not hold this run; expected it to fit: choose a smaller --hidden-size, --batch-size or "
            "--seq-len, or a shorter text."
        )
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
