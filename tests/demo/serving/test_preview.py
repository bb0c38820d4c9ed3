"""A shared link: what the page tells of itself to whoever draws a preview, without running a script."""

from __future__ import annotations

import io
import re
from typing import Any

import httpx
import pytest

pytest.importorskip("gradio")

from hubcharlstm import CharLSTM
from hubcharlstm.hub import preview_image
from tests.support.browser_app import RECORD
from tests.support.chat_doubles import tiny_model
from tests.support.served import Served


def tags(page: str) -> dict[str, str]:
    return dict(re.findall(r'<meta (?:property|name)="((?:og|twitter):\w+|description)" content="(.*?)" />', page))


def test_a_shared_link_previews_with_title_and_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_ROOT_PATH", "/chat")
    monkeypatch.setenv("HUBCHARLSTM_TRUSTED_PROXIES", "127.0.0.1")
    monkeypatch.setenv("HUBCHARLSTM_ALLOWED_HOSTS", "chat.example")
    model: CharLSTM = tiny_model()
    model.record = RECORD | {"corpus": RECORD["corpus"] | {"title": 'the "small" <play>'}}
    served = Served(model)
    try:
        headers = {"x-forwarded-host": "chat.example", "x-forwarded-proto": "https"}
        page = httpx.get(served.url + "/", headers=headers, timeout=60).text
        head = page.partition("<script>")[0]
        assert "<title>The &#34;small&#34; &lt;play&gt;, one letter at a time · hubcharlstm</title>" in head
        found = tags(head)
        assert found["og:title"].startswith("The &#34;small&#34; &lt;play&gt;, one letter at a time")
        assert "has read only the &#34;small&#34; &lt;play&gt;." in found["og:description"] == found["description"]
        assert found["og:image"] == "https://chat.example/chat/preview.png"
        assert found["og:url"] == "https://chat.example/chat/" and found["og:type"] == "website"
        assert len(re.findall('property="og:image"', page)) == 1 and "githubusercontent" not in head
        picture = httpx.get(served.url + "/chat/preview.png", timeout=60)
        assert picture.headers["content-type"] == "image/png" and size(picture.content) == preview_image.SIZE
        assert httpx.head(served.url + "/preview.png", timeout=60).status_code == 200
    finally:
        served.close()


def test_the_page_comes_compressed_and_in_the_wanted_language() -> None:
    served = Served(tiny_model())
    try:
        headers = {"accept-encoding": "gzip", "accept-language": "de-AT,en;q=0.5"}
        answer = httpx.get(served.url + "/", headers=headers, timeout=60)
        assert answer.headers["content-encoding"] == "gzip" and answer.num_bytes_downloaded < len(answer.content) / 3
        assert '<html\n\tlang="de" dir="ltr"' in answer.text and "Rückgängig" in answer.text
        for other in ("Surprise me", "Sorpréndeme", "__i18n__"):
            assert other not in answer.text
    finally:
        served.close()


def size(png: bytes) -> tuple[int, int]:
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        image.load()
        return image.size


@pytest.mark.parametrize("title", ["the plays of Shakespeare", "дневник 日本", "x" * 500, "a " * 200])
def test_a_picture_is_drawn_for_any_record(title: str) -> None:
    record: dict[str, Any] = {**RECORD, "corpus": {**RECORD["corpus"], "title": title}}
    assert size(preview_image.draw(record, "label")) == preview_image.SIZE
    assert size(preview_image.draw({}, "")) == preview_image.SIZE


def test_the_picture_shows_how_the_model_learned() -> None:
    assert preview_image.learned_lines(RECORD) == ["qx7&zz", "the te ou", "What light is this?"]
    assert preview_image.learned_lines({"samples": RECORD["samples"]}) == ["O, that I were a glove."]
    assert preview_image.learned_lines({}) == []
