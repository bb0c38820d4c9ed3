"""The wheel of this installation, for Jobs and Inference Endpoints: made of the very files that run here."""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from training.publishing.space import ROOT, package_files

NAME = "hubcharlstm"
TEMPLATE = "model_card.md"
OLDEST = (1980, 1, 1, 0, 0, 0)
"""The time of every entry, so that equal files give an equal wheel."""


def write_wheel(folder: Path) -> Path:
    """Write the wheel into `folder` and return its path.

    Raises `ValueError` where these packages were copied without their metadata, which names what they need.
    """
    metadata = _metadata()
    info = f"{NAME}-{metadata.version}.dist-info"
    contents = {path: (ROOT / path).read_bytes() for path in package_files()}
    if f"{NAME}/{TEMPLATE}" not in contents:  # a checkout has it beside the packages
        contents[f"{NAME}/{TEMPLATE}"] = (ROOT / TEMPLATE).read_bytes()
    contents[f"{info}/METADATA"] = _content(metadata, "METADATA")
    contents[f"{info}/entry_points.txt"] = _content(metadata, "entry_points.txt")
    contents[f"{info}/licenses/LICENSE"] = _content(metadata, "licenses/LICENSE")
    contents[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: hubcharlstm\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = f"{info}/RECORD"
    lines = [f"{path},sha256={_hash(content)},{len(content)}" for path, content in contents.items()]
    contents[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    wheel = folder / f"{NAME}-{metadata.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in contents.items():
            entry = zipfile.ZipInfo(path, OLDEST)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)
    return wheel


def pins(*extras: str) -> list[str]:
    """What the library and its `extras` need, at the versions that the tests ran with; empty outside of a checkout."""
    constraints = ROOT / "constraints.txt"
    if not constraints.is_file():
        return []
    versions = dict(re.findall(r"^([\w.-]+)==(\S+)$", constraints.read_text(encoding="utf-8"), re.MULTILINE))
    wanted = [f"'{extra}'" for extra in extras]
    needed = [
        line for line in _metadata().requires or [] if "extra ==" not in line or any(extra in line for extra in wanted)
    ]
    names = [re.split(r"[<>=\[; ]", line)[0] for line in needed]
    return [f"{name}=={versions[name]}" for name in names if name in versions]


def check_installed() -> None:
    """Raise `ValueError` where these packages were copied without their metadata."""
    _metadata()


def _metadata() -> Distribution:
    try:
        return distribution(NAME)
    except PackageNotFoundError:
        raise ValueError(
            f"The package {NAME} is copied here without its metadata; expected an installation, of which the wheel is "
            "made: run `pip install -c constraints.txt -e '.[train]'`."
        ) from None


def _content(metadata: Distribution, name: str) -> bytes:
    content = metadata.read_text(name)
    assert content is not None, f"the installation has {name}"
    return content.encode()


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
