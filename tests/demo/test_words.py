"""The catalogue of the page's words: complete in every language, and nothing on the page that is not from it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("gradio")

from starlette.requests import Request

from hubcharlstm.demo.page import localization
from hubcharlstm.demo.page.localization import label, localize_page
from hubcharlstm.demo.page.welcome import lines
from hubcharlstm.demo.words.catalogue import FOLDER, INSIDE, LANGUAGES, Entry, catalogue, sentence
from hubcharlstm.demo.words.language import language_of
from hubcharlstm.inspection.probes import PROBES
from hubcharlstm.introduction import expectation
from tests.support.chat_doubles import tiny_model

DEMO = FOLDER.parent
STATIC = DEMO / "page" / "static"
SCRIPTS = sorted(STATIC.rglob("*.js"))
PARTS = ("", INSIDE)
"""Of the catalogue: what every page holds, and what the view "Look inside" adds to it."""

PLURAL_FORMS = {
    "en": {"one", "other"},
    "de": {"one", "other"},
    "es": {"one", "other"},
    "ja": {"other"},
    "zh-CN": {"other"},
    "ar": {"zero", "one", "two", "few", "many", "other"},
}
"""The categories of each language for whole numbers (CLDR); `words.js` takes "other" for Spanish millions."""

COMPOSED = re.compile(
    r"(setting|bounds)\.[\w-]+|views\.\w+|tools\.(surprise|undo|clear|settings)"
    r"|panel\.(careful|balanced|wild|greedy)|panel\.(save|load)_\w+|inside\.probe\.\w+"
)
"""Keys that the code composes."""

PROGRAMS_ONLY = (
    "settings.py",
    "api.py",
    "tools.py",
    "openai_api",
    "serving/backpressure.py",
    "inside/api.py",
    "inside/requests.py",
)
"""Modules with sentences that only programs meet, in English."""

VISIBLE = re.compile(
    r"""(?:showNote|announce)\(\s*["`]"""
    r"""|(?:make|part)\("\w+",\s*["`][^"`]*["`],\s*["`][^"`]*[A-Za-z]"""
    r"""|(?:tell|onProblem|new Error)\(\s*["`]"""
    r"""|heading\(state,\s*["`]"""
    r"""|(?:button|press)\(["`][^"`]*["`],\s*["`][^"`]*[A-Za-z]"""
    r"""|\.(?:textContent|placeholder|title)\s*=\s*["`][^"`]*[A-Za-z]"""
    r"""|["']aria-label["'],\s*["`]"""
    r"""|\blabel:\s*["`]"""
    r"""|showError\([^,]*,\s*["`]"""
)
"""A literal where a script shows text."""

PROSE = re.compile(r"^[A-Z][a-z]+[ .,:…]|[a-z]{2,}[.,;] [a-z]|\b[A-Z][a-z]+ [a-z]+ [a-z]+")


SAME = ("caption.precision", "inside.place")
"""Entries that some languages share with English."""

STORED = ("length reached, cut after a whole sentence",)
"""Values that are stored and not shown."""


def holes(entry: Entry) -> set[str]:
    text = entry if isinstance(entry, str) else " ".join(entry.values())
    return set(re.findall(r"\{(\w+)\}", text))


def literals(script: str) -> Iterator[str]:
    """The string and template literals of JavaScript."""
    for found in re.finditer(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`', script):
        yield found[1] if found[1] is not None else found[2]


def without_code(script: str) -> str:
    """JavaScript without comments, without the values in its templates, and without the product's name."""
    code = re.sub(r"^\s*//.*$|(?<=[;{},)\s])//\s.*$", "", script, flags=re.MULTILINE)
    while (shorter := re.sub(r"\$\{[^{}]*\}", "", code)) != code:
        code = shorter
    return code.replace("hubcharlstm", "")


def is_worded(entry: Entry) -> bool:
    """Whether an entry has placeholders and words of its own beside them."""
    text = entry if isinstance(entry, str) else " ".join(entry.values())
    return holes(entry) != set() and any(char.isalpha() for char in re.sub(r"\{\w+\}", "", text))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_word(language: str, part: str) -> None:
    english, entries = catalogue("en", part), catalogue(language, part)
    assert list(entries) == list(english)
    assert all(entries.values()) and all(all(entry.values()) for entry in entries.values() if isinstance(entry, dict))
    assert [key for key in english if holes(entries[key]) != holes(english[key])] == []
    plural = {key for key, entry in english.items() if isinstance(entry, dict)}
    assert {key for key, entry in entries.items() if isinstance(entry, dict)} == plural
    assert all(set(entries[key]) == PLURAL_FORMS[language] for key in plural)
    if language != "en":
        same = [key for key in english if entries[key] == english[key] and is_worded(english[key])]
        assert [key for key in same if key not in SAME] == []


def test_the_views_words_are_beside_the_pages_and_name_the_librarys_probes() -> None:
    page, view = catalogue("en"), catalogue("en", INSIDE)
    assert set(page) & set(view) == set()
    named = {key.rpartition(".")[2]: entry for key, entry in view.items() if key.startswith("inside.probe.")}
    assert named == {name: description for name, (description, _) in PROBES.items()}


def test_the_code_names_keys_of_the_catalogue_and_every_key_is_used() -> None:
    sources = [*SCRIPTS, *(path for path in DEMO.rglob("*.py") if path.parent != FOLDER)]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    english = {**catalogue("en"), **catalogue("en", INSIDE)}
    named = set(re.findall(r"""\b(?:label|sentence|words)\(\s*["']([^"']+)["']""", text))
    assert named - set(english) == set()
    assert [
        key for key in english if f'"{key}"' not in text and f"'{key}'" not in text and not COMPOSED.fullmatch(key)
    ] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(STATIC)))
def test_no_script_shows_a_text_of_its_own(script: Path) -> None:
    text = without_code(script.read_text(encoding="utf-8"))
    assert [found[0] for found in VISIBLE.finditer(text)] == []
    assert [literal for literal in literals(text) if PROSE.search(literal) and literal not in STORED] == []


@pytest.mark.parametrize("page", sorted(STATIC.glob("*.html")), ids=lambda path: path.name)
def test_no_template_shows_a_text_of_its_own(page: Path) -> None:
    found: list[str] = []

    class Texts(HTMLParser):
        def handle_data(self, data: str) -> None:
            found.append(data.strip())

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(value or "" for name, value in attrs if name in ("aria-label", "placeholder", "title", "alt"))

    Texts().feed(page.read_text(encoding="utf-8"))
    assert [text for text in found if text] == []


def prose_of(node: ast.AST) -> list[str]:
    """The literals in an expression that are words for people."""
    texts = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return [text for text in texts if PROSE.search(text)]


def literal_texts(path: Path) -> Iterator[str]:
    """The texts that a module gives to Gradio's components or to an error of the page, where they are literals."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith(".sentence"):
            yield from (f"{path.name}:{node.lineno}: {text}" for text in prose_of(node.value))
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name == "LocalizedHTTPException":
            yield from (f"{path.name}:{node.lineno}: {text}" for text in prose_of(node))
        shown = [keyword.value for keyword in node.keywords if keyword.arg in ("label", "info", "placeholder")]
        if name in ("gr.Button", "gr.Accordion", "gr.Markdown", "gr.Warning", "gr.Info", "UserError", "BusyError"):
            shown += node.args[:1]
        for value in shown if name.startswith("gr.") or name in ("UserError", "BusyError") else ():
            if isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and isinstance(value.value, str)):
                yield f"{path.name}:{node.lineno}: {ast.unparse(value)}"


def test_no_component_and_no_error_shows_a_text_of_its_own() -> None:
    modules = [path for path in DEMO.rglob("*.py") if not str(path.relative_to(DEMO)).startswith(PROGRAMS_ONLY)]
    assert [text for path in modules for text in literal_texts(path)] == []


def test_a_models_own_text_that_looks_like_a_mark_is_shown_as_it_is() -> None:
    """`__i18n__{}` in a sample of a model from the Hub raised `KeyError` at every visit."""
    request = Request({"type": "http", "headers": [], "query_string": b"lang=de"})
    texts = ["__i18n__{}", '__i18n__{"__type__": "translation_metadata", "key": "no.such"}', label("tools.undo")]
    assert localize_page(request, {"texts": texts}).config == {"texts": [*texts[:2], catalogue("de")["tools.undo"]]}


def test_a_sentence_is_english_for_programs_and_a_key_for_the_page() -> None:
    waits = sentence("busy.position", n=1_234, wait=sentence("busy.wait", n=1))
    assert str(waits) == "The app is busy: 1,234 before you, in about 1 second."
    assert waits.as_json() == {
        "key": "busy.position",
        "params": {"n": 1234, "wait": {"key": "busy.wait", "params": {"n": 1}}},
    }
    assert str(sentence("intro.compare", temperatures=[0.2, 0.8, 1.4])).endswith("at 0.2, 0.8 and 1.4")


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"corpus": {"title": "a play"}},
        {"corpus": {"title": "a play"}, "ancestors": [{"name": "plays", "title": "many plays"}]},
    ],
)
def test_the_page_introduces_a_model_in_the_librarys_words(record: dict[str, object]) -> None:
    model = tiny_model()
    model.record = record
    assert str(lines(model)[0]) == expectation(model)


def request(query: str = "", cookie: str = "", accept: str = "") -> Request:
    headers = [(b"accept-language", accept.encode())] + ([(b"cookie", cookie.encode())] if cookie else [])
    return Request({"type": "http", "query_string": query.encode(), "headers": headers})


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        (request(), "en"),
        (request(accept="ja"), "ja"),
        (request(accept="fr-CH, fr;q=0.9, de-CH;q=0.8, en;q=0.7"), "de"),
        (request(accept="en;q=0.5, zh-TW"), "zh-CN"),
        (request(accept="xx, *;q=0.1, ;;q=x,,"), "en"),
        (request(accept="de;q=0, es;q=0.1"), "es"),
        (request(accept="ja", cookie="hubcharlstm_language=ar"), "ar"),
        (request("lang=de_AT", cookie="hubcharlstm_language=ar"), "de"),
        (request("lang=../en", accept="es-MX"), "es"),
    ],
)
def test_the_language_is_the_one_asked_for_else_chosen_else_wanted(asked: Request, language: str) -> None:
    assert language_of(asked) == language


def test_only_one_language_is_sent_and_the_config_is_not_changed() -> None:
    config = {"components": [{"props": {"label": label("tools.undo"), "choices": [[label("panel.stop_line"), "\n"]]}}]}
    page = localize_page(request("lang=de"), config)
    assert page.language == "de" and page.direction == "ltr" and page.words["entries"] is catalogue("de")
    assert page.config["components"][0]["props"] == {"label": "Rückgängig", "choices": [["einem Zeilenumbruch", "\n"]]}
    assert "__i18n__" in config["components"][0]["props"]["label"]
    assert localize_page(request("lang=ar"), {}).direction == "rtl"
    with pytest.raises(ValueError, match="plural"):
        localization.label("caption.characters")
