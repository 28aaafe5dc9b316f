"""Pages of the documentation: their links, paths, names, commands and options exist, and the index lists every page."""

import ast
import importlib.util
import pkgutil
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from badexp_assets.commands.cli import badexp
from badexp_assets_tests.repository import REPOSITORY

INDEX = REPOSITORY / "docs" / "README.md"
# CHANGELOG.md names what no longer exists
OF_THE_PAST = {"CHANGELOG.md"}
FOLDERS = ("badexp_assets", "badexp_assets_tests", "benchmarks", "deployments", "docs")
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
PATH = re.compile(rf"^(?:{'|'.join(FOLDERS)})/[\w./-]*[\w/]$")
DOTTED = re.compile(r"\b(?:badexp_assets|badexp_assets_tests|benchmarks)(?:\.\w+)+")
FILE_NAMES = {"py", "toml", "txt", "db", "md"}


def pages() -> list[str]:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    found = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split()
    assert {"README.md", "docs/README.md", "docs/architecture.md"} <= set(found)
    return sorted(page for page in found if (REPOSITORY / page).exists())


PAGES = pages()


def text_of(page: str | Path) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def code_of(page: str) -> list[str]:
    """Commands and names of a page: every line of its code blocks, and its inline code."""
    text = text_of(page)
    lines = [line for block in FENCE.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    return lines + INLINE.findall(FENCE.sub("", text))


def commands_of(page: str) -> Iterator[list[str]]:
    """The words of every command on a page, without a prompt and environment variables before it."""
    for line in code_of(page):
        try:
            words = shlex.split(line.replace(".venv/bin/", ""), comments=True)
        except ValueError:  # prose or a part of another language
            continue
        while words and (words[0] == "$" or re.match(r"[A-Z_]+=", words[0])):
            words = words[1:]
        if words:
            yield words


def anchors_of(text: str) -> set[str]:
    """Anchors of the headings of a page, as GitHub makes them."""
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).strip().lower().replace(" ", "-")
        for heading in HEADING.findall(FENCE.sub("", text))
    }


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings_that_exist(page):
    wrong = []
    for target in LINK.findall(FENCE.sub("", text_of(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (REPOSITORY / page).parent / path if path else REPOSITORY / page
        if not file.exists() or (anchor and anchor not in anchors_of(text_of(file))):
            wrong.append(target)
    assert not wrong


@pytest.mark.parametrize("page", sorted(set(PAGES) - OF_THE_PAST))
def test_paths_and_python_names_exist(page):
    words = [word.strip("(),;:") for line in code_of(page) for word in line.split()]
    missing = [word for word in words if PATH.match(word) and not (REPOSITORY / word).exists() and not is_ignored(word)]
    names = {name for line in code_of(page) for name in DOTTED.findall(line)}
    missing += [name for name in names if name.rpartition(".")[2] not in FILE_NAMES and not is_defined(name)]
    assert not missing


def is_ignored(path: str) -> bool:
    """Whether git ignores a path, because users make it."""
    return not subprocess.run(["git", "check-ignore", "--quiet", path], cwd=REPOSITORY, check=False).returncode


def is_defined(name: str) -> bool:
    """Whether a dotted name is a module, or is defined in one or in the list of a room's public names."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        base = REPOSITORY.joinpath(*parts[:length])
        files = [
            file for file in (base.with_suffix(".py"), base / "__init__.py", base / "__init__.pyi") if file.exists()
        ]
        if files:
            return length == len(parts) or any(parts[length] in names_in(file) for file in files)
    return False


def names_in(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.ImportFrom(names=aliases) | ast.Import(names=aliases):
                names.update(alias.asname or alias.name for alias in aliases)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return names


@pytest.mark.parametrize("page", sorted(set(PAGES) - OF_THE_PAST))
def test_commands_and_their_options_exist(page):
    targets = set(re.findall(r"^([\w-]+):", text_of("Makefile"), re.MULTILINE))
    for words in commands_of(page):
        match words:
            case ["badexp", *arguments]:
                assert not unknown_words(arguments), f"badexp {' '.join(arguments)}"
            case ["make", target, *_] if re.fullmatch(r"[a-z-]+", target):
                assert target in targets, f"make {target}"
            case ["python", "-m", module, *_] if module.startswith(FOLDERS):
                assert importlib.util.find_spec(module), f"python -m {module}"


def unknown_words(arguments: list[str]) -> list[str]:
    """Words of a `badexp` command that are neither a command nor an option of it."""
    command: click.Command = badexp
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        if arguments[0] not in command.commands:
            return [arguments[0]]
        command, arguments = command.commands[arguments[0]], arguments[1:]
    allowed = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    allowed |= {"--help", "-h"}
    return [word for word in arguments if word.startswith("-") and word.partition("=")[0] not in allowed]


def test_the_index_lists_every_page_of_the_documentation_once():
    links = [target.partition("#")[0] for target in LINK.findall(INDEX.read_text(encoding="utf-8"))]
    listed = [str((INDEX.parent / link).resolve().relative_to(REPOSITORY)) for link in links if link.endswith(".md")]
    assert sorted(listed) == sorted(set(PAGES) - {"docs/README.md"})


@pytest.mark.parametrize("page", ["docs/configuration.md", "docs/operations.md", "docs/review.md"])
def test_the_settings_shown_are_the_defaults(page):
    shown = 0
    for block in re.findall(r"^```toml\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL):
        sections = tomllib.loads(block)
        for section, name in re.findall(r"^\[(\w+)\] *# (badexp_assets[\w.]+)", block, re.MULTILINE):
            defaults = pkgutil.resolve_name(name)()
            for key, value in sections[section].items():
                default = getattr(defaults, key)
                assert (list(default) if isinstance(default, tuple) else default) == value, f"[{section}] {key}"
                shown += 1
    assert shown


def test_a_wrong_command_is_noticed():
    assert unknown_words(["run", "--hoem", "x"]) == ["--hoem"]
    assert unknown_words(["rnu"]) == ["rnu"]
    assert unknown_words(["review", "serve", "--home=x"]) == []


def test_a_wrong_name_is_noticed():
    assert is_defined("badexp_assets.config.night_options.EntropyParams")
    assert not is_defined("badexp_assets.config.night_options.EntropyParam")
    assert not is_defined("badexp_assets.entropi")
