"""Importing Gradio without the type stubs for editors that it renders again at each import."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

META_MODULE = "gradio.component_meta"
RENDER_STUB = "create_or_modify_pyi"
"""What each class of a component calls once it is defined. It parses the source of the class and compares what it
renders of it with the stub file beside it, which Gradio ships: half a second for all of them."""


class ComponentMetaFinder(MetaPathFinder):
    """Finds `META_MODULE` as usual and replaces its `RENDER_STUB` by one that does nothing."""

    def __init__(self) -> None:
        self.replaced: list[tuple[ModuleType, object]] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own spec, whose loader replaces the function; None for any other module."""
        if fullname != META_MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_replace(module: ModuleType) -> None:
            execute(module)
            if hasattr(module, RENDER_STUB):
                self.replaced.append((module, getattr(module, RENDER_STUB)))
                setattr(module, RENDER_STUB, lambda *_: None)

        spec.loader.exec_module = execute_and_replace  # type: ignore[method-assign]  # this spec's own loader
        return spec


@contextmanager
def without_type_stubs() -> Iterator[None]:
    """Write no type stubs in this block if it imports Gradio for the first time; components defined later have theirs.

    A Gradio without that function is imported as it is.
    """
    finder = ComponentMetaFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for module, function in finder.replaced:
            setattr(module, RENDER_STUB, function)
