"""Standard input and output of the command lines."""

from __future__ import annotations

import io
import os
import re
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress

from hubcharlstm.arguments import checked_path

ESCAPE = re.compile(r"\\(?:n|t|r|\\|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2})")
SINGLE = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}

OUT_OF_MEMORY = ("out of memory", "not enough memory", "t allocate memory", "could not create a ")
"""In messages of PyTorch's allocators, and of oneDNN, which fails to create "a primitive" or "a memory object"."""


def use_utf8() -> None:
    """Read and write UTF-8 whatever the locale says; a sample that a console cannot show must not end a run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    if isinstance(sys.stdin, io.TextIOWrapper):
        with suppress(io.UnsupportedOperation):  # a program that calls us has read from it: it is in that one's hands
            sys.stdin.reconfigure(encoding="utf-8", errors="strict")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory, for which PyTorch and oneDNN raise bare `RuntimeError`s."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)


def check_utf8(arguments: Sequence[str]) -> None:
    """Raise `ValueError` for an argument whose bytes are no text: it could be stored in no record."""
    for argument in arguments:
        if any("\ud800" <= char <= "\udfff" for char in argument):
            raise ValueError(
                f"The argument {argument!a} is not UTF-8; expected text: rename the file, or set a UTF-8 locale "
                "such as LC_ALL=C.UTF-8."
            )


def has_piped_input() -> bool:
    """Whether standard input is a pipe or a file, and no terminal and no device."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):  # closed, or replaced by something without a descriptor
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def input_text() -> str:
    """All of standard input; raises `ValueError` if it is not UTF-8."""
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Standard input has the byte 0x{error.object[error.start]:02x}, which is not UTF-8; expected UTF-8 text: "
            "convert it first."
        ) from None


def unescape(text: str) -> str:
    r"""`text` with \n, \t, \r, \\, \xHH, \uHHHH and \UHHHHHHHH as the characters that they stand for."""

    def character(found: re.Match[str]) -> str:
        code = found[0][1:]
        if code in SINGLE:
            return SINGLE[code]
        point = int(code[1:], 16)
        return chr(point) if point <= sys.maxunicode and not 0xD800 <= point <= 0xDFFF else found[0]

    return ESCAPE.sub(character, text)


def has_escapes(text: str) -> bool:
    """Whether `text` holds a sequence that `unescape` changes."""
    return ESCAPE.search(text) is not None


def load_text(name: str) -> str:
    """The text of a file, or of standard input for "-"; `ValueError` if it is not readable or not UTF-8."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else checked_path("The file", name).read_bytes()
        return data.decode("utf-8")
    except OSError as error:
        raise ValueError(f"{name} cannot be read ({error.strerror}); expected a text file: check its name.") from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} has the byte 0x{data[error.start]:02x} at offset {error.start}, which is not UTF-8; expected "
            "UTF-8 text: convert it first."
        ) from None


def print_warnings(*warnings: str) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
