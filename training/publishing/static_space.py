"""A static Space: one page that holds a model and computes in the visitor's browser."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from hubcharlstm import CharLSTM, __version__
from hubcharlstm.export.html_page import write_page
from hubcharlstm.hub import preview_image, training_record, upload
from training.publishing import front_matter
from training.publishing.front_matter import THUMBNAIL

FILES = ("README.md", "index.html", THUMBNAIL)


@dataclass(frozen=True)
class PublishedStaticSpace:
    """A static Space on the Hub. sent, dropped: paths added or changed, and removed."""

    url: str
    sent: tuple[str, ...]
    dropped: tuple[str, ...]


def publish(
    space_id: str, model_id: str, *, private: bool | None = None, token: str | None = None
) -> PublishedStaticSpace:
    """Create or update the Space in one commit.

    private: for a new Space; that of a private model is private, because the page holds its weights. Raises
    `ValueError` if the Hub refuses, has no such model, or shows everybody a Space for a private one.
    """
    model_is_private = upload.is_private(model_id, token=token)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "space"
        write(folder, model_id, space_id=space_id, token=token)
        space_id = upload.create_repository(
            space_id, private=private or model_is_private or None, token=token, repo_type="space", space_sdk="static"
        )
        if model_is_private and not upload.is_private(space_id, repo_type="space", token=token):
            raise ValueError(
                f"{model_id} is private and everybody can read {space_id}, whose page would hold its weights; expected "
                "a private Space: name another, or make it private."
            )
        pushed = upload.push_files(
            space_id,
            {name: folder / name for name in FILES},
            is_owned=FILES.__contains__,
            commit_message=f"Serve {model_id}",
            repo_type="space",
            token=token,
        )
    return PublishedStaticSpace(pushed.url.rpartition("/commit/")[0], pushed.sent, pushed.dropped)


def write(folder: Path, model_id: str, *, space_id: str | None = None, token: str | None = None) -> list[str]:
    """Fill `folder`, new or empty, with the files of the Space and return their paths, sorted.

    space_id: where the folder goes, for the address of its thumbnail.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists already; expected a new or empty folder: empty it, or choose another.")
    model = CharLSTM.from_pretrained(model_id, device="cpu", token=token)
    folder.mkdir(parents=True, exist_ok=True)
    write_page(model, folder / "index.html", version=__version__)
    (folder / "README.md").write_text(front_page(model_id, model, space_id=space_id), encoding="utf-8")
    (folder / THUMBNAIL).write_bytes(preview_image.draw(model.record, model_id.rpartition("/")[2]))
    return sorted(FILES)


def front_page(model_id: str, model: CharLSTM, *, space_id: str | None = None) -> str:
    """The README.md of the Space; its license is that of the model it holds."""
    return front_matter.render(
        model_id,
        f"One page with `{model_id}`, a character-level LSTM, that computes in your browser: no server answers, and "
        "nothing that you write leaves the page.\n\nMade by `python -m training space --static` of hubcharlstm; run it "
        "again after the model has changed.",
        record=model.record,
        space_id=space_id,
        sdk="static",
        app_file="index.html",
        license=training_record.valid_record(model.record).get("card", {}).get("license"),
    )
