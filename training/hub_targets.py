"""Publish a finished run: its model, and a Space that serves it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from training.run_folder import training_command

if TYPE_CHECKING:
    from training.run_settings import HubTargets


def check_targets(targets: HubTargets) -> HubTargets:
    """The targets with full ids; raises `ValueError` before the training rather than after it."""
    if targets.space and not targets.model:
        raise ValueError("--space has no model to serve; expected --push-to-hub with it: add it, such as user/model.")
    if targets.static and not targets.space:
        raise ValueError("--static has no Space to make; expected --space with it: add it, such as user/space.")
    if not targets.model:
        return targets
    from training.publishing.model import check_account

    ids = {"model": targets.model, "space": targets.space}
    return targets.model_copy(update={kind: check_account(repo_id) for kind, repo_id in ids.items() if repo_id})


def publish_run(out: Path, targets: HubTargets, *, suggested_name: str) -> None:
    """Publish to the targets of a finished run; without any, print the command that publishes."""
    push_command = f"{training_command()} push {shlex.quote(str(out))}"
    if not targets.model:
        print(f"Publish it:    {push_command} USER/{suggested_name}")
        return
    from training.publishing.model import push

    print(f"Publishing {targets.model}; if that breaks off:  {push_command} {targets.model}", flush=True)
    print(push(out, targets.model, private=targets.private), flush=True)
    if targets.space and targets.static:
        publish_static_space(targets.space, targets.model, private=targets.private)
    elif targets.space:
        publish_space(targets.space, targets.model, private=targets.private)


def publish_space(
    space_id: str,
    model_id: str,
    *,
    hardware: str | None = None,
    private: bool | None = None,
    torch_index: str | None = None,
    make_your_own: bool = False,
) -> None:
    """Create or update a Space and print what changed."""
    from training.publishing import space

    published = space.publish(
        space_id, model_id,
        hardware=hardware, private=private, torch_index=torch_index, make_your_own=make_your_own,
    )  # fmt: skip
    _print_changes(published.sent, published.dropped)
    if published.model_is_private:
        print(f"note: {model_id} is private: give the Space a secret HF_TOKEN that may read it, in its settings.")
    print(published.url)


def publish_static_space(space_id: str, model_id: str, *, private: bool | None = None) -> None:
    """Create or update a static Space and print what changed."""
    from training.publishing import static_space

    published = static_space.publish(space_id, model_id, private=private)
    _print_changes(published.sent, published.dropped)
    print(published.url)


def _print_changes(sent: tuple[str, ...], dropped: tuple[str, ...]) -> None:
    for path in sent:
        print(path)
    for path in dropped:
        print(f"{path} (gone)")
