"""The language of a visitor: asked for in the link, chosen before, or wanted by the browser."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.requests import HTTPConnection

from hubcharlstm.demo.words.catalogue import LANGUAGES

COOKIE = "hubcharlstm_language"
"""Holds what the visitor has chosen in the page's menu; `language.js` sets it."""

MAX_HEADER = 500
"""Characters of Accept-Language that are parsed."""


def language_of(request: HTTPConnection) -> str:
    """The tag of the language in which the page is to be shown; English where no wanted one is known."""
    asked = (request.query_params.get("lang", ""), request.cookies.get(COOKIE, ""))
    wanted = (*asked, *accepted(request.headers.get("accept-language", "")))
    return next((tag for one in wanted if (tag := known(one)) is not None), "en")


def known(wanted: str) -> str | None:
    """The tag in `LANGUAGES` of the same language, whatever its region or script; None if there is none."""
    primary = wanted.strip().lower().replace("_", "-").partition("-")[0]
    return next((tag for tag in LANGUAGES if tag.partition("-")[0] == primary), None)


def accepted(header: str) -> Iterator[str]:
    """The languages of an Accept-Language header, the most wanted first."""
    weighted: list[tuple[float, str]] = []
    for part in header[:MAX_HEADER].split(","):
        tag, _, parameter = part.partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            weight = 0.0
        if weight > 0:
            weighted.append((weight, tag))
    return (tag for _, tag in sorted(weighted, key=lambda one: -one[0]))
