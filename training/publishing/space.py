"""A Gradio Space that serves a model of the Hub: its files, and their push in one commit."""

from __future__ import annotations

import re
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, urlsplit

from huggingface_hub import HfApi
from huggingface_hub.errors import RemoteEntryNotFoundError

from hubcharlstm.errors import HubError
from hubcharlstm.hub import preview_image, upload
from hubcharlstm.hub.guarded_download import guarded_download
from hubcharlstm.hub.json_files import load_json
from hubcharlstm.hub.messages import to_load_error, without_password
from hubcharlstm.hub.model_folder import RECORD
from hubcharlstm.hub.retry import CLIENT_ERRORS, bounded_operation, with_retries
from training.publishing import front_matter
from training.publishing.front_matter import THUMBNAIL

ROOT = Path(__file__).parents[2]
PACKAGES = ("hubcharlstm", "training")
"""What the wheel holds."""
FILES = ("app.py", "model_card.md", "pyproject.toml", "LICENSE")
"""And what the app, the cards and a build of the wheel from the Space need besides."""
MODEL_VARIABLE = "HUBCHARLSTM_MODEL"
"""The Space's variable that names its model; the app reads it."""
MAKING_VARIABLE = "HUBCHARLSTM_MAKE_YOUR_OWN"
"""The Space's variable that lets visitors train; the app reads it."""
PYTHON_VERSION = "3.11"
SIGN_IN_SCOPES = ("contribute-repos",)
"""What a visitor's sign-in may do besides naming its account: create repositories and change those alone."""
SIGN_IN_PACKAGES = ("authlib", "itsdangerous")


@dataclass(frozen=True)
class PublishedSpace:
    """A Space on the Hub. sent, dropped: paths added or changed, and removed. model_is_private: it needs a token."""

    url: str
    sent: tuple[str, ...]
    dropped: tuple[str, ...]
    model_is_private: bool


def publish(
    space_id: str,
    model_id: str,
    *,
    hardware: str | None = None,
    private: bool | None = None,
    torch_index: str | None = None,
    make_your_own: bool = False,
    token: str | None = None,
) -> PublishedSpace:
    """Create or update the Space in one commit; raises `ValueError` if the Hub refuses or has no such model.

    hardware: a flavour such as "cpu-upgrade"; None leaves it as it is. private: for a new Space.
    make_your_own: visitors may train models of their own texts.
    """
    model_is_private = upload.is_private(model_id, token=token)
    record = {} if model_is_private else load_record(model_id, token=token)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "space"
        files = write(
            folder, model_id, space_id=space_id, record=record, torch_index=torch_index, preload=not model_is_private,
            make_your_own=make_your_own,
        )  # fmt: skip
        variables = {MODEL_VARIABLE: model_id, **({MAKING_VARIABLE: "1"} if make_your_own else {})}
        options = {
            "space_sdk": "gradio",
            "space_variables": [{"key": key, "value": value} for key, value in variables.items()],
        }
        space_id = upload.create_repository(
            space_id, private=private, token=token, repo_type="space", space_hardware=hardware, **options
        )
        _configure(HfApi(token=token), space_id, variables, hardware)
        pushed = upload.push_files(
            space_id,
            {file: folder / file for file in files},
            is_owned=lambda path: path.partition("/")[0] in PACKAGES,
            commit_message=f"Serve {model_id}",
            repo_type="space",
            token=token,
        )
    page = pushed.url.rpartition("/commit/")[0]
    return PublishedSpace(page, pushed.sent, pushed.dropped, model_is_private)


def _configure(api: HfApi, space_id: str, variables: Mapping[str, str], hardware: str | None) -> None:
    """Set variables and hardware of a Space. Each change restarts it, so only differences are sent."""

    def configure() -> None:
        present = api.get_space_variables(space_id)
        for key, value in variables.items():
            if key not in present or present[key].value != value:
                api.add_space_variable(space_id, key, value)
        if hardware and api.get_space_runtime(space_id).requested_hardware != hardware:
            api.request_space_hardware(space_id, hardware)  # type: ignore[arg-type]  # as create_repo takes it

    try:
        with bounded_operation():
            with_retries(configure, pauses=upload.PAUSES)
    except CLIENT_ERRORS as error:
        raise upload.to_push_error(error, space_id) from error


# --- files -------------------------------------------------------------------------------------------------------


def load_record(model_id: str, *, token: str | None = None) -> dict[str, Any]:
    """The record of a model on the Hub, {} if it has none; raises `HubError` if the Hub does not give it."""

    def download() -> Path | None:
        with suppress(RemoteEntryNotFoundError):
            return guarded_download(model_id, RECORD, token=token)
        return None

    try:
        with bounded_operation():
            path = with_retries(download, pauses=upload.PAUSES)
    except HubError:
        raise
    except CLIENT_ERRORS as error:
        raise to_load_error(error, model_id) from error
    return load_json(path) if path else {}


def try_load_record(model_id: str) -> tuple[dict[str, Any], str]:
    """The record of a model for all to see, {} if it is private or the Hub does not give it; and why, else ""."""
    try:
        if upload.is_private(model_id):
            return {}, f"{model_id} is private: title, description and picture have nothing but its name."
        return load_record(model_id), ""
    except HubError as error:
        return {}, f"{error} Title, description and picture have nothing but the model's name."


def write(
    folder: Path,
    model_id: str,
    *,
    space_id: str | None = None,
    record: Mapping[str, Any] = MappingProxyType({}),
    torch_index: str | None = None,
    preload: bool = True,
    make_your_own: bool = False,
) -> list[str]:
    """Fill `folder`, new or empty, with the files of the Space and return their paths, sorted.

    They run the app, and `pip install` takes the folder, so that a reader of the model's card gets the library from
    the Space. space_id: where the folder goes, for the address of its thumbnail. record: of the model, for title,
    thumbnail and description. preload: fetch the model when the Space is built, which it cannot for a private one.
    make_your_own: with the packages that a training and a sign-in need, and a sign-in for visitors.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists already; expected a new or empty folder: empty it, or choose another.")
    if missing := [name for name in (*FILES, "requirements.txt", "constraints.txt") if not (ROOT / name).is_file()]:
        raise ValueError(
            f"This copy of the library has no {', '.join(missing)} beside it; expected a checkout: publish the Space "
            "from one."
        )
    contents: dict[str, Callable[[Path], object]] = {
        path: partial(shutil.copyfile, ROOT / path) for path in (*FILES, *package_files())
    }
    card = front_page(model_id, space_id=space_id, record=record, preload=preload, make_your_own=make_your_own)
    pins, picture = (
        requirements(torch_index, make_your_own=make_your_own),
        preview_image.draw(record, model_id.rpartition("/")[2]),
    )
    contents["README.md"] = lambda path: path.write_text(card, encoding="utf-8")
    contents[THUMBNAIL] = lambda path: path.write_bytes(picture)
    contents["requirements.txt"] = lambda path: path.write_text(pins, encoding="utf-8")
    for path, create in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        create(folder / path)
    return sorted(contents)


def package_files() -> list[str]:
    """All that the wheel holds of the packages: no hidden and no compiled files."""
    paths = [
        PurePosixPath(path.relative_to(ROOT).as_posix())
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file()
    ]
    visible = [path for path in paths if not any(part.startswith((".", "__pycache__")) for part in path.parts)]
    return sorted(str(path) for path in visible if path.suffix not in (".pyc", ".pyo"))


def requirements(torch_index: str | None = None, *, make_your_own: bool = False) -> str:
    """The Space's requirements.txt, without gradio.

    torch_index: a package index with other builds of torch. make_your_own: with the packages that a training and a
    sign-in need.
    """
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    if make_your_own:
        pins += "".join(f"{pin}\n" for pin in training_pins() if pin not in pins.splitlines())
    if torch_index is None:
        return pins
    check_torch_index(torch_index)
    return f"--extra-index-url {torch_index}\n{pins}"


def training_pins() -> list[str]:
    """The packages of the extra `train` and of a sign-in, at the versions that the tests ran with."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[<>=\[;]", one)[0].strip() for one in project["optional-dependencies"]["train"]]
    versions = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M))
    return [f"{name}=={versions[name]}" for name in (*names, *SIGN_IN_PACKAGES)]


def check_torch_index(address: str) -> None:
    """Raise `ValueError` for what is no address, or one with a password: the Space's requirements are public."""
    try:
        parts: SplitResult | None = urlsplit(address)
    except ValueError:
        parts = None
    if parts is None or not re.fullmatch(r"https?://[^\s#]+", address) or not parts.hostname:
        raise ValueError(f"--torch-index is {_shown(address)!r}; expected an address such as https://...: correct it.")
    if "@" in parts.netloc or parts.query:
        raise ValueError(
            f"--torch-index is {_shown(address)!r} with a name, a password or a query; expected an address "
            "without, for the Space's requirements.txt is public: use an index that asks for none."
        )


def _shown(address: str) -> str:
    """`address` without a password and without its query, for a message."""
    return re.sub(r"\?.*", "?…", without_password(address))


def front_page(
    model_id: str,
    *,
    space_id: str | None = None,
    record: Mapping[str, Any] = MappingProxyType({}),
    preload: bool = True,
    make_your_own: bool = False,
) -> str:
    """The README.md of the Space; its metadata configures the Space, and names what links to it show.

    make_your_own: visitors may sign in, to publish what they have trained.
    """
    return front_matter.render(
        model_id,
        f"A chat with `{model_id}`, a character-level LSTM: begin a line, and it goes on.\n\nMade by `python -m "
        "training space` of hubcharlstm. It serves the first of the `models` above; set the variable "
        f"`{MODEL_VARIABLE}` in the settings to serve another.",
        record=record,
        space_id=space_id,
        sdk="gradio",
        sdk_version=gradio_version(),
        python_version=PYTHON_VERSION,
        app_file="app.py",
        preload_from_hub=[model_id] if preload else None,
        license="mit",
        hf_oauth=True if make_your_own else None,
        hf_oauth_scopes=list(SIGN_IN_SCOPES) if make_your_own else None,
    )


def gradio_version() -> str:
    """The version of Gradio that the tests ran with."""
    found = re.search(r"^gradio==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, "constraints.txt pins gradio"
    return found[1]
