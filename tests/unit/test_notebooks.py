"""Notebooks as they are committed: without outputs, with names for their cells, and without ways to write."""

from __future__ import annotations

import json
import re

import nbformat
import pytest
from support.notebooks import FOLDER, NOTEBOOKS


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_committed_without_what_running_it_left(name: str) -> None:
    stored = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    for cell in stored["cells"]:
        where = f"{name}, cell {cell['id']}: run `make notebooks-clear` before committing"
        assert not cell["metadata"], where
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], where
            assert cell["execution_count"] is None, where
    assert set(stored["metadata"]) == {"kernelspec", "language_info"}, f"{name} names its editor's own settings"
    assert stored["metadata"]["language_info"] == {"name": "python"}, f"{name} names the Python that ran it"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_stored_as_editors_store_it_so_that_a_diff_shows_changes_alone(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert nbformat.writes(nbformat.reads(text, as_version=4)) + "\n" == text


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_cells_are_named_so_that_a_diff_says_which_one_changed(name: str) -> None:
    stored = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    ids = [cell["id"] for cell in stored["cells"]]
    assert len(set(ids)) == len(ids)
    unnamed = [
        each for each in ids if not re.fullmatch(r"[a-z]+(-[a-z]+)*", each) or re.fullmatch(r"[0-9a-f]{8,}", each)
    ]
    assert not unnamed, f"{name}: give these cells an id of words: {unnamed}"


def test_there_are_the_three_notebooks_that_lead_from_data_to_anomalies() -> None:
    assert NOTEBOOKS == ("01_exploration.ipynb", "02_features.ipynb", "03_anomaly_detection.ipynb")
