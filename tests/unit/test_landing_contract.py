"""The landing contract's document says what the code does."""

from __future__ import annotations

import re
import tomllib

from energy_assets.landing.contract import SOURCES
from energy_assets.landing.document import DOCUMENT, refreshed
from energy_assets.landing.mapping import load_mappings, parse_mapping


def test_the_document_is_not_stale() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert refreshed(text) == text, "run: python -m energy_assets.landing.document"


def test_the_documents_example_is_a_mapping() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert parse_mapping(example, "docs/landing-contract.md").name == tomllib.loads(example)["name"]


def test_every_source_has_a_dialect_of_its_own_and_shipped_mappings_are_named() -> None:
    names = {mapping.name for mapping in load_mappings().all}
    assert names == {f"canonical_{source.name}" for source in SOURCES} | {"octopus", "kaggle_smart_meter"}
    assert {"octopus", "kaggle_smart_meter"} <= set(re.findall(r"`(\w+)`", DOCUMENT.read_text("utf-8")))
