"""The page in the visitor's language: labels of Gradio's components, and the words for our scripts.

Gradio's own I18n sends every language to every browser and knows the browser's choice alone. Its marks of a label are
used here, but the server resolves them as it renders the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from starlette.requests import HTTPConnection

from hubcharlstm.demo.page.theme import STATIC
from hubcharlstm.demo.serving.security_headers import NONCE
from hubcharlstm.demo.words.catalogue import LANGUAGES, RTL_LANGUAGES, catalogue
from hubcharlstm.demo.words.language import language_of

MARK = re.compile(r'__i18n__\{"__type__": "translation_metadata", "key": "([\w.-]+)"\}')
"""What `gr.I18n` writes for a key."""

SCRIPT = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in ("words.js", "owner.js"))
"""Before all other scripts of the page, which share it."""


@dataclass(frozen=True)
class LocalizedPage:
    """What Gradio's template of the page shows. config: Gradio's, with its labels in `language`.

    words: for `words.js`, the script by which all others get them. nonce: what lets inline scripts run.
    """

    language: str
    direction: str
    config: dict[str, Any]
    words: dict[str, Any]
    script: str
    nonce: str


def label(key: str) -> str:
    """The text of a Gradio component: its words in the visitor's language, once the page is rendered."""
    if not isinstance(catalogue("en")[key], str):
        raise ValueError(f"The words of {key!r} have plural forms; expected one text: use a script for them.")
    return str(gr.I18n()(key))


def localize_page(request: HTTPConnection, config: dict[str, Any]) -> LocalizedPage:
    """The page for a visitor. config: Gradio's for this request."""
    language = language_of(request)
    entries = catalogue(language)

    def translate(value: Any) -> Any:
        if isinstance(value, str):
            return MARK.sub(lambda found: str(entries.get(found[1], found[0])), value)
        if isinstance(value, Mapping):
            return {key: translate(one) for key, one in value.items()}
        return [translate(one) for one in value] if isinstance(value, (list, tuple)) else value

    shown = {} if config.get("auth_required") else entries  # the page of the login runs none of our scripts
    return LocalizedPage(
        language,
        "rtl" if language in RTL_LANGUAGES else "ltr",
        translate(config),
        {"language": language, "languages": LANGUAGES, "entries": shown},
        SCRIPT,
        request.scope.get(NONCE, ""),
    )
