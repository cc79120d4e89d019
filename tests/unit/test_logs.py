"""The log for machines: a JSON object a line, whoever writes, and no password in it."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from energy_assets import logs
from energy_assets.embedded import processes
from energy_assets.home import Home
from energy_assets.logs import JsonLines
from energy_assets.settings import Settings


@pytest.fixture
def logger(tmp_path) -> Iterator[tuple[Home, logging.Logger]]:
    """A logger of this project that writes to a home's log."""
    handler = JsonLines(tmp_path / "home")
    logger = logging.getLogger("energy_assets.test")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield Home(tmp_path / "home"), logger
    logger.removeHandler(handler)
    handler.close()


def lines(home: Home) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home.logs / logs.FILE).read_text(encoding="utf-8").splitlines()]


def test_a_line_says_when_who_where_and_what(logger) -> None:
    home, log = logger
    log.warning("%d files wait,\nof Yaoundé", 2)
    log.debug("a detail")

    (line,) = lines(home)
    assert line["message"] == "2 files wait,\nof Yaoundé"
    assert (line["level"], line["logger"], line["home"]) == ("warning", "energy_assets.test", "home")
    assert line["time"].endswith("Z") and isinstance(line["pid"], int)


def test_a_defect_is_logged_with_its_trace_on_one_line(logger) -> None:
    home, log = logger
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        log.exception("a defect")

    (line,) = lines(home)
    assert line["level"] == "error"
    assert "RuntimeError: broken" in line["exception"]


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://loader:s3cr3t@127.0.0.1:5432/energy",
        "smtp://:s3cr3t@mail.example",
        "http://a:s3cr3t@127.0.0.1:8123/?x=1",
    ],
)
def test_passwords_of_addresses_are_left_out(logger, address: str) -> None:
    home, log = logger
    log.error("no answer from %s", address)

    (line,) = lines(home)
    assert "s3cr3t" not in json.dumps(line)
    assert line["message"] == f"no answer from {address.replace('s3cr3t', '…')}"


def test_what_other_libraries_say_in_passing_is_a_detail(logger) -> None:
    home, _ = logger
    other = logging.getLogger("another.library")
    other.setLevel(logging.INFO)
    (handler,) = logging.getLogger("energy_assets.test").handlers
    other.addHandler(handler)
    other.info("made a folder")
    other.warning("is deprecated")
    other.removeHandler(handler)

    assert [line["message"] for line in lines(home)] == ["is deprecated"]


def test_a_log_past_its_limit_is_set_aside_and_others_write_to_the_new_one(logger, monkeypatch) -> None:
    home, log = logger
    log.warning("before")
    monkeypatch.setattr(processes, "LOG_LIMIT", 10)
    JsonLines(home.path).close()
    monkeypatch.undo()
    log.warning("after")

    assert [line["message"] for line in lines(home)] == ["after"]
    assert "before" in (home.logs / f"{logs.FILE}.1").read_text()


def test_the_level_is_a_setting_that_takes_either_case() -> None:
    assert Settings(log_level="debug").log_level == "DEBUG"
    with pytest.raises(ValueError, match="'DEBUG', 'INFO', 'WARNING' or 'ERROR'"):
        Settings(log_level="loud")


def test_a_process_writes_to_the_log_of_the_home_that_it_acts_on_last(tmp_path) -> None:
    first, second = Home(tmp_path / "first"), Home(tmp_path / "second")
    before = list(logging.getLogger().handlers)
    try:
        assert logs.configure(first, "INFO") and not logs.configure(first, "INFO")
        assert logs.configure(second, "INFO")
        logging.getLogger("energy_assets.test").warning("here")
    finally:
        for handler in set(logging.getLogger().handlers) - set(before):
            logging.getLogger().removeHandler(handler)
            handler.close()

    assert [line["message"] for line in lines(second)] == ["here"]
    assert not (first.logs / logs.FILE).read_text()


def test_a_log_that_cannot_be_written_is_said_once_and_stops_nothing(logger, capsys) -> None:
    home, log = logger
    log.warning("before")
    shutil.rmtree(home.path)

    log.warning("after")
    log.warning("later")

    assert capsys.readouterr().err.count("cannot be written") == 1
    assert not home.path.exists()
