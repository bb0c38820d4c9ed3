"""The README.md of a Space: metadata that configures it and names what links to it show, and a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huggingface_hub import RepoCard, SpaceCardData

from hubcharlstm.hub.messages import public_endpoint
from hubcharlstm.hub.model_card import escape_markdown
from hubcharlstm.hub.titles import display_title

THUMBNAIL = "thumbnail.png"
SHORT_DESCRIPTION = 60
"""Maximum length in characters; the Hub refuses a longer one."""


def render(model_id: str, text: str, *, record: Mapping[str, Any], space_id: str | None, **configuration: Any) -> str:
    """The README.md of a Space that serves `model_id`, with `text` under its title.

    record: of the model, for title and description. space_id: where the Space goes, for the address of its thumbnail;
    None leaves it out. configuration: further metadata, such as sdk and app_file.
    """
    title = display_title(record, model_id.rpartition("/")[2])
    description = f"Chat with {title}"
    data = SpaceCardData(
        title=title,
        emoji="🪶",
        colorFrom="yellow",
        colorTo="gray",
        models=[model_id],
        thumbnail=f"{public_endpoint()}/spaces/{space_id}/resolve/main/{THUMBNAIL}" if space_id else None,
        short_description=description if len(description) <= SHORT_DESCRIPTION else "Chat with a character LSTM",
        **configuration,
    )
    return str(RepoCard(f"---\n{data.to_yaml()}\n---\n\n# {escape_markdown(title)}\n\n{text}\n"))
