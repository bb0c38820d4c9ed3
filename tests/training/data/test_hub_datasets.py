"""Corpora of the Hub, by its real client against a stand-in on a loopback port."""

from __future__ import annotations

import gzip
import io
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from tests.support.hub_client import Client
from tests.support.hub_server import GUEST_TOKEN, Hub
from tests.support.training_cli import TINY

PROSE = "It was a bright cold day in April, and the clocks were striking thirteen.\nNobody looked up. " * 60


def table(texts: list[str]) -> bytes:
    data = io.BytesIO()
    parquet.write_table(pyarrow.table({"id": range(len(texts)), "text": texts}), data, row_group_size=7)
    return data.getvalue()


@pytest.fixture
def client(hub: Hub, tmp_path: Path) -> Iterator[Client]:
    client = Client(hub.url, tmp_path / "home", HUBCHARLSTM_CACHE=str(tmp_path / "cache"))
    yield client
    client.close()


def whole(outcome: dict[str, Any]) -> str:
    return str(outcome["train"] + outcome["held_out"])


def test_a_dataset_is_its_files_of_texts_at_one_commit(hub: Hub, client: Client, tmp_path: Path) -> None:
    lines = "".join(json.dumps({"text": f"Line {n} of the first file."}) + "\n" for n in range(200))
    repo = hub.add_repo(
        "user/books",
        {
            "README.md": b"# a card", "data/1.jsonl.gz": gzip.compress(lines.encode()), "LICENSE": b"none",
            "data/2.parquet": table([f"Row {n} of the table." for n in range(100)]), "notes/b.txt": PROSE.encode(),
        },
        kind="datasets",
    )  # fmt: skip
    outcome = client.call("load_corpus", "hf://datasets/user/books")
    assert whole(outcome).count("Line ") == 200 and whole(outcome).count("Row ") == 100 and "April" in whole(outcome)
    assert (outcome["name"], outcome["located"]) == ("books", f"hf://datasets/user/books@{repo.branches['main']}")
    asked = hub.requests_for("user/books")
    again = client.call("load_corpus", outcome["located"])
    assert whole(again) == whole(outcome) and hub.requests_for("user/books") == asked  # a commit does not change
    one = client.call("load_corpus", "hf://datasets/user/books/notes/b.txt")
    assert (whole(one), one["name"]) == (PROSE, "b")
    some = client.call("load_corpus", "hf://datasets/user/books/data/*.parquet")
    assert whole(some).count("Row ") == 100 and "Line" not in whole(some)
    folder = client.call("load_corpus", "hf://datasets/user/books/data")
    assert whole(folder).count("Row ") == 100 and whole(folder).count("Line") == 200
    assert sorted(path.name for path in (tmp_path / "cache" / "downloads").iterdir() if path.is_dir())


def test_only_what_has_changed_is_fetched_again(hub: Hub, client: Client) -> None:
    repo = hub.add_repo("user/grows", {"a.txt": PROSE.encode(), "b.txt": b"second " * 100}, kind="datasets")
    first = client.call("load_corpus", "hf://datasets/user/grows")
    repo.commit({"b.txt": b"SECOND " * 100, "c.txt": b"third " * 100})
    before = len(hub.requests)
    second = client.call("load_corpus", "hf://datasets/user/grows")
    fetched = {path.rpartition("/")[2] for method, path in hub.requests[before:] if "/resolve/" in path}
    assert fetched == {"b.txt", "c.txt"} and second["located"] != first["located"]
    assert "SECOND" in whole(second) and "third" in whole(second) and "second" not in whole(second)
    assert whole(client.call("load_corpus", first["located"])) == whole(first)


def test_a_large_file_comes_in_ranges_and_goes_on_where_it_stopped(hub: Hub, client: Client) -> None:
    content = (PROSE * 8).encode()
    hub.add_repo("user/large", {"a.txt": content}, kind="datasets")
    path = "^/datasets/user/large/resolve/.*/a.txt"
    hub.fail("GET", path, status=403, skip=2)
    refusal = client.outcome("load_corpus", "hf://datasets/user/large", part_bytes=10_000)
    assert "The Hub did not give datasets/user/large (403" in refusal["error"]
    before = len(hub.requested("GET", path))
    outcome = client.call("load_corpus", "hf://datasets/user/large", part_bytes=10_000)
    assert whole(outcome).encode() == content
    assert before == 3 and len(hub.requested("GET", path)) - before == -(-len(content) // 10_000) - 2


def test_damage_is_fetched_once_more_and_then_refused(hub: Hub, client: Client) -> None:
    hub.add_repo("user/flips", {"a.txt": PROSE.encode()}, kind="datasets")
    hub.fail("GET", "^/datasets/user/flips/resolve/", kind="flip")
    outcome = client.call("load_corpus", "hf://datasets/user/flips")
    assert whole(outcome) == PROSE and any("arrived damaged" in line for line in outcome["warned"])
    hub.add_repo("user/flips-again", {"a.txt": PROSE.encode()}, kind="datasets")
    hub.fail("GET", "^/datasets/user/flips-again/resolve/", kind="flip", times=2)
    assert "arrives damaged, twice" in client.outcome("load_corpus", "hf://datasets/user/flips-again")["error"]


def test_what_the_hub_does_not_show_is_one_sentence(hub: Hub, client: Client, tmp_path: Path) -> None:
    hub.add_repo("user/secret-books", {"a.txt": PROSE.encode()}, kind="datasets", private=True)
    assert whole(client.call("load_corpus", "hf://datasets/user/secret-books")) == PROSE
    guest = Client(
        hub.url, tmp_path / "guest", HF_TOKEN=GUEST_TOKEN, HUBCHARLSTM_CACHE=str(tmp_path / "cache of guest")
    )
    for name, message in (
        ("user/secret-books", "is no dataset that the Hub shows you; expected one: check the spelling"),
        ("user/secret-books@none", "is no dataset that the Hub shows you"),
        ("user/none", "datasets/user/none is no dataset that the Hub shows you"),
    ):
        assert message in guest.outcome("load_corpus", f"hf://datasets/{name}")["error"]
    guest.close()
    hub.add_repo("user/open", {"a.txt": PROSE.encode()}, kind="datasets")
    for name, message in (
        ("user/open@none", "has no revision 'none'"),
        ("user/open/none.txt", "has no none.txt; expected a file, folder or pattern in it"),
        ("user/open/*.csv", "has no *.csv"),
    ):
        assert message in client.outcome("load_corpus", f"hf://datasets/{name}")["error"]


def test_the_copy_serves_while_the_hub_cannot_be_asked(hub: Hub, client: Client) -> None:
    hub.add_repo("user/copied", {"a.txt": PROSE.encode()}, kind="datasets")
    first = client.call("load_corpus", "hf://datasets/user/copied")
    hub.fail("GET", "^/api/datasets/user/copied", status=403)
    second = client.call("load_corpus", "hf://datasets/user/copied")
    assert whole(second) == whole(first) and second["located"] == first["located"]
    assert any("The copy in the cache is taken" in line for line in second["warned"])


def test_names_that_lead_out_of_a_folder_are_refused(hub: Hub, client: Client, tmp_path: Path) -> None:
    hub.add_repo("user/hostile", {"../../out.txt": PROSE.encode()}, kind="datasets")
    error = client.outcome("load_corpus", "hf://datasets/user/hostile")["error"]
    assert error.startswith("datasets/user/hostile@") and "expected a plain relative path" in error
    assert not list(tmp_path.rglob("out.txt"))


@pytest.mark.slow
def test_a_run_is_pinned_to_the_commit_that_it_began_with(hub: Hub, client: Client, tmp_path: Path) -> None:
    repo = hub.add_repo("user/trained-on", {"a.txt": PROSE.encode()}, kind="datasets")
    first = repo.branches["main"]
    settings = f"{shlex.join(TINY)} --max-train-chars 2000 --max-epochs 1"
    done = client.call("train", f"fit hf://datasets/user/trained-on --out run {settings}", str(tmp_path))
    assert done["code"] == 0, done
    run = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert run["source"]["corpus"] == f"hf://datasets/user/trained-on@{first}"
    record = json.loads((tmp_path / "run" / "model" / "training.json").read_text(encoding="utf-8"))
    assert record["corpus"]["title"] == "trained-on" and "hf://datasets/user/trained-on" in record["command"]
    repo.commit({"a.txt": PROSE.upper().encode()})
    lines = client.call("train", "evaluate run hf://datasets/user/trained-on@" + first, str(tmp_path))
    assert "was trained on this very text" in lines["out"], lines
