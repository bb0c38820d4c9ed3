"""Corpora behind URLs, from a web server on a loopback port."""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.web_server import WebServer
from training.ancestry import public_command
from training.data.cache import VARIABLE
from training.data.corpus import load_corpus, locate, title_of
from training.data.remote import web_file
from training.data.remote.names import parse, public_url

PROSE = "It was a bright cold day in April, and the clocks were striking thirteen.\nNobody looked up. " * 60


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer({"/books/April.txt": PROSE.encode()}) as web:
        yield web


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(web_file, "PAUSES", (0.01, 0.01))
    caplog.set_level(logging.INFO, logger="training")
    return tmp_path / "cache"


def text_of(source: str) -> str:
    corpus = load_corpus(source, val_place="end")
    return corpus.train[:] + corpus.held_out


def test_a_url_is_downloaded_once_and_asked_for_again(
    web: WebServer, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"{web.url}/books/April.txt?key=secret"
    corpus = load_corpus(locate(url))
    assert (corpus.name, corpus.title, title_of(url)) == ("April", "April.txt", "April.txt")
    assert f"{len(PROSE) / 1e6:,.1f} MB" in caplog.text and str(cache) in caplog.text
    assert text_of(url) == PROSE
    assert [known is None for _, _, known in web.requests] == [True, False]
    assert caplog.text.count("Downloading") == 1
    assert "secret" not in caplog.text
    assert not [file for file in cache.rglob("*") if file.is_file() and b"secret" in file.read_bytes()]


def test_what_has_changed_is_told_and_downloaded_again(web: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    url = f"{web.url}/books/April.txt"
    text_of(url)
    web.files["/books/April.txt"] = PROSE.upper().encode()
    assert text_of(url) == PROSE.upper()
    assert "has changed since it was downloaded" in caplog.text


def test_a_download_that_breaks_off_goes_on_where_it_stopped(web: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    web.breaks = 3
    assert text_of(f"{web.url}/books/April.txt") == PROSE
    starts = [int(wanted[6:-1]) if wanted else 0 for _, wanted, _ in web.requests]
    assert len(starts) == 4 and starts == sorted(starts) and starts[1] == len(PROSE.encode()) // 2
    assert "broke off" in caplog.text


def test_a_note_on_a_part_that_a_full_disk_has_cut_is_no_obstacle(web: WebServer, cache: Path) -> None:
    """Every later call of the same URL ended with pydantic's own words, until somebody deleted the cache."""
    url = f"{web.url}/books/April.txt"
    text_of(url)
    [record] = cache.rglob("download.json")
    (record.parent / "part.json").touch()
    web.files["/books/April.txt"] = PROSE.upper().encode()
    assert text_of(url) == PROSE.upper()
    assert not (record.parent / "part.json").exists()


def test_another_process_goes_on_with_what_has_arrived(
    web: WebServer, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"{web.url}/books/April.txt"
    monkeypatch.setattr(web_file, "PAUSES", ())
    web.breaks = 1
    with pytest.raises(ValueError, match=r"cannot be fetched .*; expected a text there: try again"):
        text_of(url)
    assert text_of(url) == PROSE and web.requests[-1][1] is not None
    shutil.rmtree(cache)
    web.breaks = 1
    with pytest.raises(ValueError, match="cannot be fetched"):
        text_of(url)
    web.files["/books/April.txt"] = PROSE.upper().encode()
    assert text_of(url) == PROSE.upper()
    assert "has changed while it was downloaded" in caplog.text


def test_a_server_without_versions_is_believed_for_a_while(web: WebServer, cache: Path) -> None:
    web.has_versions, web.breaks = False, 1
    url = f"{web.url}/books/April.txt"
    assert text_of(url) == PROSE  # from its start again
    assert text_of(url) == PROSE and len(web.requests) == 2
    [record] = cache.rglob("download.json")
    os.utime(record, (time.time() - 3600, time.time() - 3600))
    assert text_of(url) == PROSE and len(web.requests) == 3


def test_a_copy_serves_while_the_server_does_not(web: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    url = f"{web.url}/books/April.txt"
    text_of(url)
    web.statuses = [404]
    assert text_of(url) == PROSE
    assert "cannot be asked for (the server answers 404): the copy in the cache is taken" in caplog.text
    web.statuses = [503]
    assert text_of(url) == PROSE and len(web.requests) == 4  # asked once more


def test_what_no_text_is_at_is_refused(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ValueError, match=r"/none\.txt cannot be fetched \(the server answers 404\); .*check the address"
    ):
        text_of(f"{web.url}/none.txt?key=secret")
    web.redirects["/away.txt"] = "http://example.org/text.txt"
    with pytest.raises(ValueError, match=r"leads to example\.org without encryption"):
        text_of(f"{web.url}/away.txt")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(ValueError, match="cannot be fetched"):
            text_of(f"http://127.0.0.1:{silent.getsockname()[1]}/a.txt")
    web.files["/big.txt"] = b"x"
    web.headers["Content-Length"] = str(10**15)
    with pytest.raises(ValueError, match=r"takes 1,000,000\.0 GB and the disk of .* has room for .*HUBCHARLSTM_CACHE"):
        text_of(f"{web.url}/big.txt")
    web.headers = {"Content-Encoding": "br"}
    with pytest.raises(ValueError, match="comes compressed by 'br'"):
        text_of(f"{web.url}/books/April.txt")


def test_redirects_and_compressed_files_are_followed_and_unpacked(web: WebServer) -> None:
    web.redirects["/latest"] = "/books/April.txt.gz"
    web.files["/books/April.txt.gz"] = gzip.compress(PROSE.encode())
    assert text_of(f"{web.url}/latest") == PROSE


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("http://example.org/a.txt", "without encryption; expected https"),
        ("https://user:pass@example.org/a.txt", "holds a password"),
        ("s3://bucket/a.txt", "cannot be fetched; expected https"),
        ("https://", "cannot be fetched; expected https"),
        ("hf://user/name", "names no dataset of the Hub; expected hf://datasets/USER/NAME"),
        ("hf://datasets/name", "names no dataset"),
    ],
)
def test_names_that_are_none_are_refused_before_anything_is_asked(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        locate(source)
    assert "pass@" not in str(refused.value)


def test_a_published_command_holds_no_key() -> None:
    url = "https://example.org/books/April.txt?X-Amz-Signature=abc&token=t#k=v"
    shown = public_command(f"python -m training fit '{url}' --val=https://u:p@example.org/v.txt?key=1")
    assert shown == "python -m training fit https://example.org/books/April.txt --val=https://example.org/v.txt"
    assert public_url(url) == "https://example.org/books/April.txt"
    assert parse(url).title == "April.txt"
