"""Pre-trade rules, one per file. A file `x.py` with a function `build(config)` makes the rule `x` known."""

from __future__ import annotations

import pkgutil


def rule_names() -> list[str]:
    """Return the names of all rules, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))
