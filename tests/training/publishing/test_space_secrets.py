"""A password reaches no published file, no message and no log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from hubcharlstm.hub.model_card import install_commands
from training.publishing import space

CANARY = "canary-5f3e"


@pytest.mark.parametrize(
    "address",
    [
        f"https://user:{CANARY}@packages.example/simple",
        f"https://{CANARY}@packages.example/simple",
        f"https://packages.example/simple?token={CANARY}",
        f"http://a@b:{CANARY}@packages.example/simple",
        f"ftp://user:{CANARY}@packages.example/",
        f"https://user:{CANARY}@",
        f"https://user:{CANARY}@[/",
        f"https://user:{CANARY}@packages.example/ two",
    ],
)
def test_an_index_with_a_password_is_refused_without_repeating_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    """It went into the Space's requirements.txt, for all to read."""
    with caplog.at_level(logging.DEBUG), pytest.raises(ValueError, match="--torch-index") as refused:
        space.write(tmp_path / "space", "user/model", torch_index=address)
    assert CANARY not in str(refused.value) and CANARY not in caplog.text
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_index_without_one_is_taken() -> None:
    assert space.requirements("https://packages.example/simple").startswith(
        "--extra-index-url https://packages.example/simple\n"
    )


@pytest.mark.parametrize(
    "source", [f"https://user:{CANARY}@host.example/x", f"git+https://{CANARY}@host.example/x.git"]
)
def test_an_address_to_install_from_with_a_password_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="password") as refused:
        install_commands(source)
    assert CANARY not in str(refused.value)


def test_a_branch_of_an_address_is_no_password() -> None:
    assert install_commands("git+https://host.example/x.git@main") == [
        'pip install "git+https://host.example/x.git@main"'
    ]
