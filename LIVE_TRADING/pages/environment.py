"""Renders a page: one HTML document that loads nothing, readable on a phone, in light and dark."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def render(package: str, template: str, view: Mapping[str, Any]) -> str:
    """Return a template of a package, filled in. Text is escaped; a name that the view lacks is an error."""
    return _environment(package).get_template(template).render(view)


@cache
def _environment(package: str) -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("LIVE_TRADING.pages")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["breakable"] = breakable
    return environment


def breakable(name: str) -> Markup:
    """Return a name, escaped, that may break across lines behind each of its separators and nowhere else."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"([-_/.])(?=\w)", r"\1<wbr>", str(escape(name))))
