"""Compiles step.c to step.wasm by the C compiler of the package `ziglang`, whose version constraints.txt pins.

`python -m hubcharlstm.export.wasm.build` writes the file that the package ships; one compiler, one result.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SOURCE, BINARY = HERE / "step.c", HERE / "step.wasm"

FLAGS = (
    "-target", "wasm32-freestanding",
    "-msimd128",
    "-O3",
    "-ffp-contract=off",  # every product and every sum is rounded, as in NumPy
    "-fno-builtin",
    "-nostdlib",
    "-Wall", "-Wextra", "-Werror",
    "-Wl,--no-entry",
    "-Wl,--strip-all",
    "-Wl,--export-memory",
    "-Wl,--export=__heap_base",
    "-Wl,--initial-memory=131072",
    "-Wl,-z,stack-size=16384",
)  # fmt: skip


def build(target: Path) -> None:
    """Compile `SOURCE` to `target`; raises `subprocess.CalledProcessError` if the compiler refuses it."""
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, "-o", str(target), SOURCE.name]
    subprocess.run(command, cwd=SOURCE.parent, check=True)


if __name__ == "__main__":
    build(BINARY)
    print(f"{BINARY}: {BINARY.stat().st_size:,} bytes")
