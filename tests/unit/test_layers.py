"""The picture and the table of the graph's layers say what the definitions are."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from functools import cache

from energy_assets.definitions import build_defs
from energy_assets.keys import DASHBOARDS, GATED, INTERMEDIATE, MARTS, ML, QUALITY, RAW, SERVING, STAGING
from energy_assets.landing.contract import SOURCES
from energy_assets.operations.layers import DOCUMENT, PICTURE, REMEDY, ZONE, Layer, layers, picture, refreshed


@cache
def known() -> list[Layer]:
    return layers()


def layer(name: str) -> Layer:
    return next(one for one in known() if one.name == name)


def test_the_picture_is_not_stale() -> None:
    assert PICTURE.read_text("utf-8") == picture(known()), f"run: {REMEDY}"


def test_the_table_is_not_stale() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert refreshed(text, known()) == text, f"run: {REMEDY}"


def test_every_table_of_the_graph_is_in_its_layer_and_every_gate_is_counted() -> None:
    graph = {".".join(key.path) for key in build_defs().resolve_asset_graph().get_all_asset_keys()}
    drawn = {f"{one.name}.{table.name}" for one in known() for table in one.tables if one.name != ZONE}
    assert drawn == {name for name in graph if not name.startswith(f"{QUALITY}.")}
    assert [table.name for table in layer(ZONE).tables] == [f"{source.name}/" for source in SOURCES]
    assert sum(one.gates for one in known()) == len(GATED)


def test_layers_read_what_the_assets_of_them_read() -> None:
    assert layer(RAW).reads == (ZONE,)
    assert STAGING in layer(INTERMEDIATE).reads and INTERMEDIATE in layer(ML).reads
    assert {STAGING, INTERMEDIATE, ML} <= set(layer(MARTS).reads)
    assert layer(DASHBOARDS).reads == (SERVING,)


def test_the_picture_is_drawn_whole_and_nothing_lies_outside_it() -> None:
    root = ElementTree.fromstring(picture(known()))  # noqa: S314  our own text
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    names = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {table.name for one in known() for table in one.tables} <= names
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        x, y, wide, high = (float(box.attrib.get(name, 0)) for name in ("x", "y", "width", "height"))
        assert x >= 0 and x + wide <= width and y >= 0 and y + high <= height
