"""sbom.cdx.json, the bill of materials in the source distribution: CycloneDX 1.6, made of constraints.txt.

`python -m tests.support.bill_of_materials` writes it after a change of a pin; a test compares it.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import hubcharlstm

ROOT = Path(__file__).parents[2]
FILE = ROOT / "sbom.cdx.json"


def bill_of_materials() -> dict[str, Any]:
    """The package with every pinned one: "required" those of the base install, "optional" all others."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = {re.split(r"[<>=!~;\[ ]", line)[0] for line in project["dependencies"]}
    pins = re.findall(r"^([a-z0-9-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": component(project["name"], hubcharlstm.__version__, licenses=[project["license"]])},
        "components": [component(*pin, scope="required" if pin[0] in base else "optional") for pin in pins],
    }


def component(name: str, version: str, *, licenses: list[str] | None = None, scope: str = "") -> dict[str, Any]:
    """One package."""
    purl = f"pkg:pypi/{name}@{version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        **({"scope": scope} if scope else {}),
        **({"licenses": [{"license": {"id": one}} for one in licenses]} if licenses else {}),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(bill_of_materials(), indent=2) + "\n", encoding="utf-8")
