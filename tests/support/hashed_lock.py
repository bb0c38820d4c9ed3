"""locked.txt: every pin of constraints.txt but torch's, with the hash of the one file that CI installs for it.

The files are those for CPython 3.11 on Linux x86_64. torch is left out, for it comes from whichever index has the
wanted build. After a change of a pin, in an environment of that kind:

    grep -v -E '^#|^torch==' constraints.txt > pins.txt
    pip install --dry-run --ignore-installed --no-deps --report report.json -r pins.txt
    python -m tests.support.hashed_lock report.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "locked.txt"
HEAD = "# What `make locked` installs, for CPython 3.11 on Linux x86_64; written by tests/support/hashed_lock.py.\n"


def lock(report: dict[str, Any]) -> str:
    """The lines for what a report of pip says that it would install."""
    lines = []
    for one in report["install"]:
        name = re.sub(r"[-_.]+", "-", one["metadata"]["name"]).lower()
        sha256 = one["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(f"{name}=={one['metadata']['version']} --hash=sha256:{sha256}\n")
    return HEAD + "".join(sorted(lines))


if __name__ == "__main__":
    FILE.write_text(lock(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), encoding="utf-8")
