"""What docs/mutation.md says of mutants that no test can notice."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mutation.md"
Explanations = dict[tuple[str, str, str], str]
ENTRY = re.compile(r"^- `(?P<module>[a-z_]+/[a-z_]+\.py)`: `(?P<was>.+?)` → `(?P<becomes>.+?)`: (?P<why>\S.+)$")


def explanations(text: str | None = None) -> Explanations:
    """Return (module, line as it was, line as it becomes) to why that changes nothing, from the page or a text."""
    page = PAGE.read_text(encoding="utf-8") if text is None else text
    found = (ENTRY.match(line) for line in page.splitlines())
    return {(match["module"], match["was"], match["becomes"]): match["why"] for match in found if match}
