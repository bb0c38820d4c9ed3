"""The documentation's tables, lists and file tree name what the code has, all of it and nothing else."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

import hubcharlstm
from hubcharlstm import CharLSTM, Completion, HubCharLSTMError
from tests.support.markdown import (
    PACKAGES,
    ROOT,
    blocks_of,
    known_options,
    names_in,
    page_text,
    prose_of,
    table_after,
)
from training.recipe import PRESETS, Recipe

# --- what the tables name -------------------------------------------------------------------------------------------


def test_the_arguments_of_generate_are_all_described() -> None:
    described = names_in(table_after(page_text("docs/api.md"), "### Generate", "argument"))
    assert described == [name for name in inspect.signature(CharLSTM.stream).parameters if name != "self"]


def test_the_arguments_of_from_pretrained_are_those_of_the_signature() -> None:
    signature = next(block.text for block in blocks_of(page_text("docs/api.md")) if "from_pretrained(\n" in block.text)
    tree = ast.parse("def f(" + signature[signature.index("(") + 1 : signature.rindex(")")] + "): ...").body[0]
    assert isinstance(tree, ast.FunctionDef)
    shown = {argument.arg for argument in (*tree.args.args, *tree.args.kwonlyargs)}
    assert shown == set(inspect.signature(CharLSTM.from_pretrained).parameters)


def test_the_arguments_of_saving_and_publishing_are_those_of_the_signatures() -> None:
    rows = table_after(page_text("docs/api.md"), "### Save and publish", "argument")
    described = {name: row[1] for row in rows for name in names_in([row])}
    for method in (CharLSTM.save_pretrained, CharLSTM.push_to_hub):
        others = {"`push_to_hub`", "`save_pretrained`"} - {f"`{method.__name__}`"}
        shown = {name for name, of in described.items() if of not in others or name == "repo_id"}
        assert shown == set(inspect.signature(method).parameters) - {"self"}, method.__name__


def test_the_fields_of_a_completion_are_all_described() -> None:
    described = names_in(table_after(page_text("docs/api.md"), "### Generate", "field"))
    assert set(described) - {"ids", "substituted", "dropped"} == {f.name for f in dataclasses.fields(Completion)}


def test_the_errors_are_those_of_the_package() -> None:
    rows = table_after(page_text("docs/api.md"), "### Errors", "class")
    described = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in rows}
    errors = {
        name: {base.__name__ for base in value.__bases__}
        for name, value in ((name, getattr(hubcharlstm, name)) for name in hubcharlstm.__all__)
        if isinstance(value, type) and issubclass(value, HubCharLSTMError)
    }
    assert described == errors


def test_the_public_names_are_all_listed() -> None:
    page = page_text("docs/api.md")
    assert {name for name in hubcharlstm.__all__ if f"`{name}`" not in page and name != "__version__"} == set()


def test_the_presets_are_those_of_the_code() -> None:
    page = page_text("docs/training.md")
    rows = {row[0]: row[1:] for row in table_after(page, "## Presets", "| `")}
    names = re.findall(r"`(\w+)`", page[page.index("\n## Presets\n") :].splitlines()[3])
    assert names == list(PRESETS)
    for name, layers, embedding, batch in zip(
        names, rows["LSTM"], rows["embedding"], rows["batch x window"], strict=True
    ):
        recipe = PRESETS[name]
        assert layers == f"{recipe.num_layers} x {recipe.hidden_size}"
        assert embedding == str(recipe.embedding_dim)
        assert batch == f"{recipe.batch_size} x {recipe.seq_len}"
    for name, dropouts, rate in zip(
        names, rows["dropout, weight drop, dropout samples"], rows["peak learning rate"], strict=True
    ):
        recipe = PRESETS[name]
        assert dropouts == f"{recipe.dropout:g}, {recipe.weight_drop:g}, {recipe.dropout_samples}"
        assert float(rate) == recipe.learning_rate


def test_the_fields_of_a_recipe_are_all_described() -> None:
    page = page_text("docs/training.md")
    section = page[page.index("\n## Recipe\n") : page.index("\n## Start from")]
    described = set(re.findall(r"`(\w+)`", section)) & {field.name for field in dataclasses.fields(Recipe)}
    assert described == {field.name for field in dataclasses.fields(Recipe)} - {"preset", "lowercase"}
    for option in names_in(table_after(page, "## Recipe", "field")):
        assert f"--{option.replace('_', '-')}" in known_options()


# --- the architecture page ------------------------------------------------------------------------------------------


def tree_of(page: str) -> set[str]:
    """The Python files of the file tree, as paths; a folder's line stands for its `__init__.py`."""
    tree = next(block.text for block in blocks_of(page) if "app.py" in block.text)
    paths, folders = set(), [""]
    for line in tree.splitlines():
        entry = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 4
        folders[depth + 1 :] = []
        if entry.endswith("/"):
            folders.append(f"{folders[depth]}{entry}")
            paths.add(f"{folders[depth]}{entry}__init__.py")
        else:
            paths.add(f"{folders[depth]}{entry}")
    return {path for path in paths if path.endswith(".py")}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_file_tree_names_every_python_file(package: str) -> None:
    shown = {path for path in tree_of(page_text("docs/architecture.md")) if path.startswith(f"{package}/")}
    there = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob("*.py") if "__pycache__" not in path.parts
    }
    assert shown == there


def test_the_file_tree_has_one_line_for_each_file() -> None:
    page = page_text("docs/architecture.md")
    tree = next(block.text for block in blocks_of(page) if "app.py" in block.text)
    for line in tree.splitlines():
        assert len(line.split()) > 2, line


def members_by_class() -> dict[str, set[str]]:
    """Every class of the repository with the methods, fields and attributes that it defines."""
    members: dict[str, set[str]] = {}
    for folder in (*PACKAGES, "tests", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    members.setdefault(node.name, set()).update(defined_in(node))
    return members


def defined_in(node: ast.ClassDef) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield inner.name
        elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
            yield inner.target.id
        elif isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
            yield inner.attr


CLASS = re.compile(
    r"(?P<name>[A-Z][a-z]+(?:[A-Z][A-Za-z]*)+|Engine|Scheduler|Sequence|Controls)(?:\.(?P<member>\w+))?(?:\(\))?"
)


@pytest.mark.parametrize("name", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_classes_and_methods_named_exist(name: str) -> None:
    """`CamelCase` is a class of the code, the tests or Python, and `CamelCase.member` has that member."""
    members = members_by_class()
    for span in re.findall(r"`([^`\n]+)`", prose_of(page_text(name))):
        if (match := CLASS.fullmatch(span)) and not hasattr(builtins, match["name"]):
            assert match["name"] in members, f"{name}: {span}"
            assert match["member"] is None or match["member"] in members[match["name"]], f"{name}: {span}"


@pytest.mark.parametrize("name", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_paths_named_exist(name: str) -> None:
    """`folder/file.py` is the end of some path of the repository."""
    files = [
        PurePosixPath(path.relative_to(ROOT).as_posix())
        for path in ROOT.rglob("*.*")
        if not {".venv", ".git"} & set(path.parts)
    ]
    for span in re.findall(r"`([^`\n]+)`", prose_of(page_text(name))):
        if re.fullmatch(r"[\w./]+/[\w.]+\.(py|md|js|json)", span):
            assert any(file.match(span) for file in files), f"{name}: {span}"
