"""People type a model's id in many ways: with spaces and slashes, with a revision, as the URL of its page."""

from __future__ import annotations

import pytest
from huggingface_hub import constants

from hubcharlstm import CharLSTM, HubError
from hubcharlstm.hub.model_id import parse_model_id, parse_space_id
from tests.support.hub_client import Client
from tests.support.hub_server import Hub

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("user/name", ("user/name", None)),
        (" user/name \n", ("user/name", None)),
        ("user/name/", ("user/name", None)),
        ("/user/name", ("user/name", None)),
        ("user/name@v1.0", ("user/name", "v1.0")),
        (f"user/name@{SHA}", ("user/name", SHA)),
        ("https://huggingface.co/user/name", ("user/name", None)),
        ("https://huggingface.co/user/name/", ("user/name", None)),
        ("http://www.huggingface.co/user/name?library=x#top", ("user/name", None)),
        ("huggingface.co/user/name", ("user/name", None)),
        ("hf.co/user/name", ("user/name", None)),
        ("https://huggingface.co/user/name/tree/epoch-03", ("user/name", "epoch-03")),
        (f"https://huggingface.co/user/name/blob/{SHA}/config.json", ("user/name", SHA)),
        ("https://huggingface.co/user/name/discussions/3", ("user/name", None)),
        ("https://huggingface.co/user/name/tree/refs%2Fpr%2F1", ("user/name", "refs/pr/1")),
        ("hf://user/name@main", ("user/name", "main")),
        ("name", ("name", None)),
        ("not an id", ("not an id", None)),
        ("/nowhere", ("/nowhere", None)),  # a path, which was asked of the Hub as "nowhere"
        ("/home/me/model", ("/home/me/model", None)),
    ],
)
def test_what_is_typed_is_an_id_and_a_revision(typed: str, expected: tuple[str, str | None]) -> None:
    assert parse_model_id(typed) == expected


def test_another_endpoints_page_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:5000")
    assert parse_model_id("http://127.0.0.1:5000/user/name/tree/x") == ("user/name", "x")


def test_what_only_looks_like_a_url_is_no_id() -> None:
    """A bracket that nothing closes was "Invalid IPv6 URL", and a long name was repeated whole."""
    for typed in ("https://[", "user/[name", "x" * 5_000, "https://huggingface.co/spaces/" + "x\n" * 5_000):
        with pytest.raises(ValueError, match="expected") as refused:
            CharLSTM.from_pretrained(typed, local_files_only=True)
        assert len(str(refused.value)) < 300 and "\n" not in str(refused.value)


def test_two_revisions_and_other_pages_are_refused() -> None:
    assert parse_model_id("user/name@a", "a") == ("user/name", "a")
    with pytest.raises(HubError, match="names the revision 'a' and 'b' is given, too"):
        parse_model_id("user/name@a", "b")
    with pytest.raises(HubError, match="is the page of a Space; expected that of a model"):
        parse_model_id("https://huggingface.co/spaces/user/name")


@pytest.mark.parametrize(
    "typed",
    [
        "user/space",
        " user/space/ ",
        "https://huggingface.co/spaces/user/space",
        "huggingface.co/spaces/user/space/tree/main",
    ],
)
def test_a_space_is_named_by_its_page_too(typed: str) -> None:
    """`training space` refused the URL of a Space, as that of no model."""
    assert parse_space_id(typed) == "user/space"
    with pytest.raises(HubError, match="is not the page of a Space"):
        parse_space_id("https://huggingface.co/user/space")


def test_a_model_is_loaded_by_what_people_type(hub: Hub, author: Client, reader: Client) -> None:
    pushed = author.call("push", "user/typed", 3)
    commit = pushed["url"].rsplit("/", 1)[1]
    for typed in (" user/typed/ ", f"user/typed@{commit}", f"{hub.url}/user/typed", f"{hub.url}/user/typed/tree/main"):
        assert reader.call("load", typed)["fingerprint"] == pushed["fingerprint"], typed
