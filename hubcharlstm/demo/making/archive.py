"""A finished model as a zip archive, whose folder `CharLSTM.from_pretrained` loads."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path


def zip_model(folder: Path, name: str) -> bytes:
    """The files of a model folder below `name`/, stored as they are: weights hardly get smaller."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.iterdir()):
            if path.is_file() and not path.name.startswith("."):
                archive.write(path, f"{name}/{path.name}")
    return content.getvalue()
