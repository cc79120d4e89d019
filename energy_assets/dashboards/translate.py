"""Pages in another language: the files are in English, and a catalogue beside them says what each text is there.

What belongs here: which texts of a file a reader sees, and putting others in their place. What does not: the texts (`dashboards/superset/fr.yaml`),
the language of Superset's own buttons (superset_config.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import yaml

from energy_assets.dashboards.bundle import SUPERSET, Bundle, Document

ENGLISH, FRENCH = "en", "fr"
LANGUAGES = (ENGLISH, FRENCH)
_SHOWN = (
    "dashboard_title",
    "slice_name",
    "sliceName",
    "text",
    "code",
    "name",
    "verbose_name",
    "description",
    "subtitle",
    "total_label",
    "x_axis_title",
    "y_axis_title",
    "x_axis_label",
    "y_axis_label",
)
"""Keys whose values a reader sees; `expression` is looked at apart."""
_NOT_SHOWN = ("controlValues", "column", "targets")
"""What lies below these only looks like it."""
_LITERAL = re.compile(r"'([^']*)'")


def catalogue(language: str) -> Mapping[str, str]:
    """English text -> what it is in `language`; nothing for English."""
    if language == ENGLISH:
        return {}
    return yaml.safe_load((SUPERSET / f"{language}.yaml").read_text(encoding="utf-8"))


def translated(document: Document, known: Mapping[str, str]) -> dict[str, Any]:
    """The content of `document` with every text that `known` has put in its place."""

    def put(text: str, is_sql: bool) -> str:
        if not is_sql:
            return known.get(text, text)
        # A column of texts has its French twin; names that are made up in SQL are literals.
        return known.get(text) or _LITERAL.sub(lambda found: _literal(known.get(found[1], found[1])), text)

    content = deepcopy(dict(document.content))
    _each_text(content, put)
    return content


def _literal(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def untranslated(bundle: Bundle, known: Mapping[str, str]) -> list[str]:
    """Texts that a reader would see in English, each with its file."""
    return [
        f"{document.name}: {text}" for document in bundle.documents for text in texts(document) if text not in known
    ]


def texts(document: Document) -> Iterator[str]:
    """Every text of a file that a reader sees, once; of SQL those that have letters and no underscore."""
    found: dict[str, None] = {}

    def see(text: str, is_sql: bool) -> str:
        if is_sql and document.folder == "datasets":
            found.update(
                dict.fromkeys(one for one in _LITERAL.findall(text) if re.fullmatch(r"[\d ]*[A-Z][a-zA-Z -]*", one))
            )
        elif text and not is_sql:
            found[text] = None
        return text

    if document.folder != "databases":
        content = deepcopy(dict(document.content))
        if document.folder == "datasets":
            # What its columns hold is for whoever makes charts, in the language of the tables.
            content = {
                "columns": [{**column, "description": ""} for column in content["columns"]],
                "metrics": content["metrics"],
            }
        _each_text(content, see)
    return iter(found)


def _each_text(content: Any, put: Callable[[str, bool], str]) -> None:
    """Replace, below `content`, each text that is shown by what `put` makes of it."""
    if isinstance(content, list):
        for one in content:
            _each_text(one, put)
    elif isinstance(content, dict):
        for name, value in content.items():
            if isinstance(value, str) and (name in _SHOWN or name == "expression"):
                content[name] = put(value, name == "expression")
            elif name not in _NOT_SHOWN:
                _each_text(value, put)
