"""The picture of a shared link: the title, and how one line became language. Drawn by Pillow, which is an extra."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from hubcharlstm.hub.titles import display_title
from hubcharlstm.hub.training_record import valid_record

SIZE = (1200, 630)
"""Width and height in pixels that sites crop the least (1.91 to 1)."""

MARGIN = 80
PAPER, INK, FAINT, ACCENT = "#faf8f4", "#1e1c19", "#a09788", "#8c352b"
MAX_LINES = 4
UNKNOWN_TITLE = "One letter at a time"
"""Instead of a title in a script that Pillow's own font lacks."""


def draw(record: Mapping[str, Any], fallback: str) -> bytes:
    """A PNG of `SIZE` for a model with this record. fallback: for a record without a corpus or a name."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", SIZE, PAPER)
    canvas = ImageDraw.Draw(image)
    width = SIZE[0] - 2 * MARGIN

    large, small = ImageFont.load_default(72), ImageFont.load_default(40)
    missing = bytes(small.getmask("\uffff"))

    def is_drawable(text: str) -> bool:
        return all(char.isspace() or bytes(small.getmask(char)) != missing for char in set(text))

    title = display_title(record, fallback)
    words, y = (title if is_drawable(title) else UNKNOWN_TITLE).split(), MARGIN
    while words:
        count = len(words)
        while count > 1 and canvas.textlength(" ".join(words[:count]), font=large) > width:
            count -= 1
        canvas.text((MARGIN, y), " ".join(words[:count]), font=large, fill=INK)
        words, y = words[count:], y + 88
    canvas.rectangle((MARGIN, y + 20, MARGIN + 120, y + 26), fill=ACCENT)
    lines = [line for line in learned_lines(record) if is_drawable(line)]
    y += 70
    for index, line in enumerate(line[:80] for line in lines):
        while canvas.textlength(line, font=small) > width:
            line = line[:-1]
        canvas.text((MARGIN, y), line, font=small, fill=INK if index == len(lines) - 1 else FAINT)
        y += 64
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def learned_lines(record: Mapping[str, Any]) -> list[str]:
    """The first line of up to `MAX_LINES` snapshots of the training from the first to the last, or of a sample."""
    known = valid_record(record)
    texts = [snapshot["text"] for snapshot in known.get("time_lapse", [])]
    if not texts:
        texts = [sample["text"] for sample in known.get("samples", [])[:1]]
    last = len(texts) - 1
    chosen = sorted({round(last * step / (MAX_LINES - 1)) for step in range(MAX_LINES)}) if texts else []
    return [line for index in chosen if (line := next(iter(texts[index].strip().split("\n")), "").strip())]
