"""How many threads share work: a container with a limit must not start as many as its machine has processors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ml.cores import cores

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("max 100000\n", ALL),
        ("50000 100000\n", 1),
        ("100000 100000\n", 1),
        (f"{ALL * 100000} 100000\n", ALL),
        (f"{ALL * 100000 + 1} 100000\n", ALL),
        ("", ALL),
        ("nonsense\n", ALL),
    ],
)
def test_a_quota_bounds_what_the_machine_has(tmp_path: Path, text: str, most: int) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert cores(tmp_path / "cpu.max") == most


def test_without_control_groups_it_is_what_the_process_may_run_on(tmp_path: Path) -> None:
    assert cores(tmp_path / "none") == ALL
