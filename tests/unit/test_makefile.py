"""What `make` says where it cannot do what was asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def make(target: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """`make target` as a user whose home directory is `home` and who has no Kaggle token; `variables` are further ones of the environment."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("KAGGLE_", "MAKE"))}
    return subprocess.run(
        [str(shutil.which("make")), target],
        cwd=REPOSITORY,
        env=known | {"HOME": str(home)} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_a_token_the_download_says_where_to_get_one_and_installs_nothing(tmp_path: Path) -> None:
    done = make("download-data", tmp_path)
    assert done.returncode != 0
    assert "https://www.kaggle.com/settings/api" in done.stdout
    assert "make download-data-manual" in done.stdout
    assert "installing" not in done.stdout


def test_the_way_by_hand_ends_with_the_next_command(tmp_path: Path) -> None:
    done = make("download-data-manual", tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].endswith("make demo DATA=data/kaggle")


def test_without_prometheus_the_rules_are_not_tested_and_the_package_is_named(tmp_path: Path) -> None:
    done = make("test-rules", tmp_path, PATH=str(tmp_path))
    assert done.returncode != 0
    assert "apt-get install prometheus" in done.stdout
