"""An app that starts renders no type stubs of Gradio's components."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("gradio")

IMPORT = """
import contextlib, json, sys
import jinja2
from hubcharlstm.demo.serving.gradio_stubs import without_type_stubs

rendered = []
render = jinja2.Template.render
jinja2.Template.render = lambda self, *args, **names: (rendered.append(names), render(self, *args, **names))[1]
finders = list(sys.meta_path)
with {block}:
    import gradio
stubs = sum("contents" in names for names in rendered)
assert sys.meta_path == finders
from gradio.component_meta import create_or_modify_pyi

json.dump({{"stubs": stubs, "writer": create_or_modify_pyi.__module__}}, sys.stdout)
"""


@pytest.mark.parametrize(("block", "renders"), [("without_type_stubs()", False), ("contextlib.nullcontext()", True)])
def test_gradio_is_imported_without_its_stubs_and_keeps_their_writer(block: str, renders: bool) -> None:
    """They took half a second of the start. The import without the block says whether Gradio still writes them."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT.format(block=block)], capture_output=True, text=True, check=True
    )
    imported = json.loads(done.stdout)
    assert bool(imported["stubs"]) == renders
    assert imported["writer"] == "gradio.component_meta"


def test_the_block_ends_with_an_error_as_it_began() -> None:
    from hubcharlstm.demo.serving.gradio_stubs import without_type_stubs

    finders = list(sys.meta_path)
    with pytest.raises(ZeroDivisionError), without_type_stubs():
        raise ZeroDivisionError
    assert sys.meta_path == finders
