"""An exported package in a browser without any network: its files answer at one made-up origin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hubcharlstm import CharLSTM, CharLSTMConfig, GenerationConfig, Vocabulary

ORIGIN = "http://export.test/"
TYPES = {".js": "text/javascript", ".json": "application/json", ".wasm": "application/wasm"}


def small_model(
    *,
    hidden_size: int = 40,
    num_layers: int = 1,
    lowercase: bool = False,
    chars: str = "",
    record: dict[str, Any] | None = None,
    **generation: Any,
) -> CharLSTM:
    """Random weights large enough that the gates saturate at times; int8 in Python."""
    import torch

    torch.manual_seed(0)
    vocabulary = Vocabulary(chars or sorted({chr(code) for code in range(32, 127)} | {"\n"}), lowercase=lowercase)
    config = CharLSTMConfig(len(vocabulary), 12, hidden_size, num_layers, 0.0)
    model = CharLSTM(config, vocabulary, generation_config=GenerationConfig(**generation), record=record)
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(3)
    model.precision = "int8"
    return model


class PackagePage:
    """A page that imports the package in `folder` as `model`."""

    def __init__(self, browser: Any, folder: Path) -> None:
        self.context = browser.new_context()
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self._folder = folder
        self.context.route("**/*", self._answer)
        self.page.goto(ORIGIN)
        self.page.evaluate("async () => { window.model = await (await import('/index.js')).load(); }")

    def _answer(self, route: Any) -> None:
        name = route.request.url.removeprefix(ORIGIN)
        if not route.request.url.startswith(ORIGIN) or (name and not (self._folder / name).is_file()):
            route.abort()
        elif not name:
            route.fulfill(body="<!doctype html><title>export</title>", content_type="text/html")
        else:
            path = self._folder / name
            route.fulfill(body=path.read_bytes(), content_type=TYPES.get(path.suffix, "application/octet-stream"))

    def run(self, script: str, value: Any = None) -> Any:
        """The result of a function of the page; `value`, sent as JSON in ASCII, keeps lone surrogates."""
        call = f"async (json) => ({script})(JSON.parse(json))"
        return self.page.evaluate(call, json.dumps(value))

    def close(self) -> None:
        self.context.close()
        assert self.errors == []
