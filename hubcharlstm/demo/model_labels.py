"""What menus call a model, and the epochs of a run that stand in them beside its best model."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from hubcharlstm.hub.model_folder import EPOCHS_IN_RUN
from hubcharlstm.hub.weights_file import CONFIG

SHIPPED = "shipped model"


def label_of(source: str | None) -> str:
    """The name of a source without the folder that it lies in; an epoch of a run is called as on the Hub, run@epoch-03.

    source: a Hub id or a folder, None for the shipped model.
    """
    if source is None:
        return SHIPPED
    path = PurePosixPath(source.replace("\\", "/").rstrip("/"))
    if path.parent.name == EPOCHS_IN_RUN and path.parents[1].name:
        return f"{path.parents[1].name}@{path.name}"
    return path.name or "model"


def epoch_folders(source: str | None) -> list[str]:
    """The model folders of the epochs that a run has saved beside its best model; [] for anything but a run folder."""
    if source is None:
        return []
    try:
        folders = (Path(source).expanduser() / EPOCHS_IN_RUN).glob("epoch-*")
        found = [str(folder) for folder in folders if (folder / CONFIG).is_file()]
    except (RuntimeError, OSError):  # ~ of nobody, a name longer than the system takes, a folder closed to us
        return []
    return sorted(found, key=lambda folder: (len(folder), folder))
