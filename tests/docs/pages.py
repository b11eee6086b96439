"""What the documentation says that can be checked: snippets, commands, names in backticks, links, headings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
COMMAND = re.compile(r"python -m bin\.([a-z_]+)([^`\n]*)")

# what a path of the repository looks like; globs and placeholders are none
PATH = re.compile(r"^(?:LIVE_TRADING|CONFIG|tests|docs|bin)/[A-Za-z0-9_./-]*$|^\.ci/run$|^Makefile$")
CLASS = re.compile(r"^[A-Z][a-z]+(?:[A-Z0-9][A-Za-z0-9]*)+$")
METRIC = re.compile(r"\blive_trading_[a-z_]+\b")


@dataclass(frozen=True)
class Snippet:
    """A fenced block and the line where it begins."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPO)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A `python -m bin.<verb> …` that a page shows."""

    page: Path
    verb: str
    flags: tuple[str, ...]
    settings: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.name}:bin.{self.verb} {' '.join(self.flags)}"


def pages() -> list[Path]:
    """Return README.md, if it is there, and every page of docs/."""
    readme = REPO / "README.md"
    return [*([readme] if readme.exists() else []), *sorted((REPO / "docs").rglob("*.md"))]


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def snippets(page: Path, language: str) -> list[Snippet]:
    """Return the fenced blocks of a language."""
    text = read(page)
    return [
        Snippet(page, text.count("\n", 0, match.start()) + 1, match[1], match[2])
        for match in FENCE.finditer(text)
        if match[1] == language
    ]


def commands(page: Path) -> Iterator[Command]:
    """Yield the commands of a page, in blocks and in running text; a line that ends in a backslash goes on."""
    text = read(page).replace("\\\n", " ")
    for verb, rest in COMMAND.findall(text):
        words = _words(rest)
        flags = tuple(word.partition("=")[0] for word in words if word.startswith("--"))
        settings = tuple(words[i + 1] for i, word in enumerate(words[:-1]) if word == "--set")
        yield Command(page, verb, flags, settings)


def _words(text: str) -> list[str]:
    """Return the words of a command line up to a comment or a pipe."""
    try:
        words = shlex.split(text, comments=True)
    except ValueError:  # an apostrophe of running text
        words = text.split()
    ends = [i for i, word in enumerate(words) if word in ("|", ">", "&&", ";")]
    return words[: ends[0]] if ends else words


def named(page: Path) -> set[str]:
    """Return what stands in backticks in running text; blocks are left out."""
    return set(INLINE.findall(FENCE.sub("", read(page))))


def links(page: Path) -> list[str]:
    """Return the targets of the links of a page that are no web addresses."""
    text = FENCE.sub("", read(page))
    return [target for target in LINK.findall(text) if "://" not in target and not target.startswith("mailto:")]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        for heading in HEADING.findall(FENCE.sub("", read(page)))
    }
