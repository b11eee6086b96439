"""Print which rows of the requirements no test covers: `make requirements [REQUIREMENTS=path]`.

Rows are those of REQUIREMENTS.md (by default ../shared/REQUIREMENTS.md, else the first argument); a test file covers
the rows that its `covers: P4, B8` lines (comment or docstring) name.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

TESTS = Path(__file__).resolve().parent
REQUIREMENTS = TESTS.parent.parent / "shared" / "REQUIREMENTS.md"
_ROW = re.compile(r"^\|\s*([A-Z]\d+)\s*\|\s*(.*?)\s*\|\s*$")
_COVERS = re.compile(r"^\s*(?:#\s*)?covers:(.*)$")
_RANGE = re.compile(r"([A-Z])(\d+)(?:\s*[-–]\s*\1?(\d+))?")


def required_rows(text: str) -> dict[str, str]:
    """Return row to requirement, in the order of the tables."""
    return {match[1]: match[2] for line in text.splitlines() if (match := _ROW.match(line))}


def named_rows(text: str) -> set[str]:
    """Return the rows that the `covers:` lines of a test file name; `P1-P4` names four."""
    rows: set[str] = set()
    for line in text.splitlines():
        if match := _COVERS.match(line):
            for letter, first, last in _RANGE.findall(match[1]):
                rows.update(f"{letter}{number}" for number in range(int(first), int(last or first) + 1))
    return rows


def coverage(files: Iterable[Path]) -> dict[str, list[str]]:
    """Return row to the test files that name it."""
    covered: dict[str, list[str]] = defaultdict(list)
    for path in sorted(files):
        for row in sorted(named_rows(path.read_text(encoding="utf-8"))):
            covered[row].append(path.relative_to(TESTS.parent).as_posix())
    return covered


def report(required: dict[str, str], covered: dict[str, list[str]]) -> list[str]:
    """Return the lines to print."""
    missing = [row for row in required if row not in covered]
    unknown = sorted(set(covered) - set(required))
    lines = [f"{len(required) - len(missing)} of {len(required)} rows are named by a test; not yet:"]
    lines += [f"  {row:4} {required[row]}" for row in missing]
    lines += [f"{row} is no row, but {', '.join(covered[row])} names it" for row in unknown]
    return lines


def main(arguments: list[str]) -> int:
    """Print the report; 0 whatever is missing, 1 where a test names a row that does not exist, 2 without the rows."""
    source = Path(arguments[0]) if arguments else REQUIREMENTS
    if not source.exists():
        print(f"{source}: no such file; name the table of requirements", file=sys.stderr)
        return 2
    required = required_rows(source.read_text(encoding="utf-8"))
    covered = coverage(TESTS.rglob("test_*.py"))
    print("\n".join(report(required, covered)))
    return 1 if set(covered) - set(required) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
