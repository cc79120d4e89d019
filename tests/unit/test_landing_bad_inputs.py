"""Each bad delivery by itself, through the real landing: quarantined with its reason, or loaded right. See support/bad_inputs.py."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from landing_support import HEADER, NOW, Zone, accepted_rows, rejected
from support.bad_inputs import BAD_INPUTS, BadInput, LeftAlone, Loads, Quarantined, Refused
from support.bad_inputs_document import DOCUMENT, lasting, line

from energy_assets.landing import files, land
from energy_assets.landing import scan as scanning
from energy_assets.landing.contract import source
from energy_assets.landing.files import Listing, list_files
from energy_assets.landing.land import LandedFile
from energy_assets.landing.mapping import load_mappings
from energy_assets.landing.quarantine import describe
from energy_assets.landing.scan import scan

SMALL = [bad for bad in BAD_INPUTS if not bad.is_large]
LARGE = [bad for bad in BAD_INPUTS if bad.is_large]


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    return Zone(tmp_path)


def test_there_are_many_and_of_every_source_and_each_lies_in_a_place_of_its_own() -> None:
    assert len(BAD_INPUTS) >= 80
    assert len({bad.path for bad in BAD_INPUTS}) == len({bad.name for bad in BAD_INPUTS}) == len(BAD_INPUTS)


@pytest.mark.parametrize("bad", SMALL, ids=lambda bad: bad.name)
def test_a_bad_delivery_is_quarantined_with_its_reason_or_loads_right(zone: Zone, bad: BadInput) -> None:
    bad.put(zone.root)
    assert lasting(line(bad, zone)) in documented(), "run: python tests/support/bad_inputs_document.py"
    listing = list_files(zone.root)
    if isinstance(bad.outcome, Refused):
        assert_refused(bad, listing)
    elif isinstance(bad.outcome, LeftAlone):
        assert (listing.settled, listing.refused) == ((), {})
    else:
        (file,) = listing.settled
        assert_lands(zone, bad, zone.land(file.path))


@cache
def documented() -> frozenset[str]:
    return frozenset(map(lasting, DOCUMENT.read_text("utf-8").splitlines()))


def test_the_document_holds_no_other_than_these() -> None:
    named = [
        row.split(" | ")[0].removeprefix("| ") for row in DOCUMENT.read_text("utf-8").splitlines() if row[:2] == "| "
    ]
    assert [name for name in named if name != "what is wrong"] == [bad.name for bad in BAD_INPUTS]


def assert_refused(bad: BadInput, listing: Listing) -> None:
    assert listing.settled == ()
    ((_, reason),) = listing.refused.items()
    assert all(part in reason for part in bad.outcome.told), reason


def assert_lands(zone: Zone, bad: BadInput, landed: LandedFile) -> None:
    if isinstance(bad.outcome, Quarantined):
        assert landed.status == "unreadable"
        assert all(part in landed.message for part in bad.outcome.told), landed.message
        assert describe(landed.path, landed.rejects()) == [f"{landed.path}: {landed.message}"]
        assert not list(zone.parts.rglob("*.parquet"))
        return
    assert isinstance(bad.outcome, Loads)
    assert landed.status == "landed", landed.message
    rows = accepted_rows(zone, landed, source(bad.source))
    assert len(rows) == len(bad.outcome.rows)
    for row, expected in zip(rows.values(), bad.outcome.rows, strict=True):
        assert {name: row[name] for name in expected} == expected
    told = rejected(landed)
    assert [(row, column) for row, column, *_ in told] == [(row, column) for row, column, _ in bad.outcome.rejected]
    assert all(part in reason for (*_, reason), (*_, part) in zip(told, bad.outcome.rejected, strict=True)), told
    assert landed.values_left_out == bad.outcome.left_out
    assert landed.rows_read == len(rows) + len(bad.outcome.rejected)


def test_a_dry_run_over_all_of_them_tells_what_landing_would(zone: Zone) -> None:
    for bad in SMALL:
        bad.put(zone.root)
    report = scan(zone.root, load_mappings(), now=NOW)
    found = {file.path: file for file in report.files}
    for bad in SMALL:
        if isinstance(bad.outcome, Quarantined):
            assert all(part in found[bad.path].message for part in bad.outcome.told), bad.name
        elif isinstance(bad.outcome, Loads) and bad.path in found:
            assert found[bad.path].is_readable, bad.name
            assert found[bad.path].rows_rejected == len(bad.outcome.rejected), bad.name
    assert len(report.refused) == sum(isinstance(bad.outcome, Refused) for bad in SMALL)
    assert files.deliver(zone.root, zone.path / "other") == sorted(found)


PEAK_MB = 700
"""What landing may take; the libraries alone take about 200."""

LAND_ALL = """
import json, re, resource, sys
from pathlib import Path
from landing_support import Zone

def peak_mb():
    known = Path("/proc/self/status")  # resource also counts what this process's parent took before it became this program
    if known.exists():
        return int(re.search(r"VmHWM:\\s+(\\d+)", known.read_text())[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 << 20)  # macOS, in bytes

zone = Zone(Path(sys.argv[1]))
for path in sys.argv[2:]:
    landed = zone.land(zone.root / path)
    first = next(landed.reject_batches()).slice(0, 1).to_pylist()[0]
    told = {"path": path, "status": landed.status, "row": first["row_number"], "reason": first["reason"], "peak": peak_mb()}
    print(json.dumps(told | {"accepted": landed.rows_accepted}), flush=True)
"""


def test_files_that_unpack_to_gigabytes_are_read_in_bounded_memory(tmp_path: Path) -> None:
    zone = Zone(tmp_path)
    for bad in LARGE:
        bad.put(zone.root)
    program = [sys.executable, "-c", LAND_ALL, str(tmp_path), *(bad.path for bad in LARGE)]
    here = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    done = subprocess.run(
        program, env=os.environ | {"PYTHONPATH": here}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    for bad, what in zip(LARGE, told, strict=True):
        wanted = bad.outcome.told if isinstance(bad.outcome, Quarantined) else (bad.outcome.rejected[0][2],)
        assert what["status"] == ("unreadable" if isinstance(bad.outcome, Quarantined) else "landed")
        assert what["row"] == (0 if isinstance(bad.outcome, Quarantined) else bad.outcome.rejected[0][0])
        assert all(part in what["reason"] for part in wanted), what
        assert what["accepted"] == 0
        assert what["peak"] < PEAK_MB, what


@contextmanager
def someone_else() -> Iterator[None]:
    """As a user who may read only what everyone may: root, who reads everything, becomes nobody meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_zone() -> Iterator[Zone]:
    """A zone that every user may look into, and whose parts every user may write."""
    with tempfile.TemporaryDirectory() as directory:
        zone = Zone(Path(directory))
        zone.parts.mkdir()
        for path in (zone.path, zone.parts):
            path.chmod(0o777)
        yield zone


def test_a_file_that_may_not_be_read_is_refused_until_it_may(open_zone: Zone) -> None:
    path = open_zone.put(HEADER + "M1,2024-01-01,1\n")
    path.chmod(0)
    with someone_else():
        listing, landed = list_files(open_zone.root), open_zone.land(path)
    assert listing.settled == ()
    assert listing.refused == {
        "meter_readings/a.csv": "cannot be read (Permission denied): give the user who runs this the right to read it"
    }
    assert (landed.status, landed.sha256) == ("unreadable", None)
    assert "give the user who runs this the right to read it" in landed.message
    path.chmod(0o644)
    with someone_else():
        assert [file.relative for file in list_files(open_zone.root).settled] == ["meter_readings/a.csv"]
        assert open_zone.land(path).rows_accepted == 1


def test_a_folder_that_may_not_be_looked_into_is_told(open_zone: Zone) -> None:
    folder = open_zone.put(HEADER, "meter_readings/closed/a.csv").parent
    folder.chmod(0)
    try:
        with someone_else():
            assert "cannot be looked into" in list_files(open_zone.root).refused["meter_readings/closed"]
    finally:
        folder.chmod(0o755)


def _grow(path: Path) -> None:
    with path.open("a") as writer:
        writer.write("M9,2024-01-01,1\n")


def _replace(path: Path) -> None:
    other = path.with_suffix(".other")
    other.write_text(HEADER + "M8,2024-01-01,1\n")
    other.replace(path)


CHANGES: dict[str, tuple[Callable[[Path], object], int | None]] = {
    "grows": (_grow, 1001),
    "is cut off": (lambda path: os.truncate(path, 20_000), None),
    "is replaced": (_replace, 1),
    "goes away": (Path.unlink, None),
}
"""What happens to a file of a thousand rows while it is read, and the rows that it has afterwards; None where that says nothing."""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("when", ["choose_mapping", "read_file"])
def test_a_file_that_changes_while_it_is_read_is_read_again_later(
    zone: Zone, monkeypatch: pytest.MonkeyPatch, change: str, when: str
) -> None:
    path = zone.put(HEADER + "".join(f"M{number},2024-01-01,1\n" for number in range(1000)))
    happen, rows = CHANGES[change]
    original = getattr(land, when)

    def meanwhile(*args: object, **kwargs: object) -> object:
        if when == "read_file":
            happen(path)
            return original(*args, **kwargs)
        result = original(*args, **kwargs)
        happen(path)
        return result

    monkeypatch.setattr(land, when, meanwhile)
    landed = zone.land(path)
    assert (landed.status, landed.sha256) == ("changed_while_read", None)
    assert "read again later" in landed.message
    assert not list(zone.parts.rglob("*"))
    monkeypatch.undo()
    if rows is not None:
        assert zone.land(path).rows_accepted == rows


def test_a_pipe_in_the_place_of_a_listed_file_is_not_waited_for(zone: Zone) -> None:
    path = zone.put(HEADER)
    (file,) = list_files(zone.root).settled
    path.unlink()
    os.mkfifo(path)
    landed = zone.land(file.path)
    assert (landed.status, landed.sha256) == ("unreadable", None)
    assert "no regular file" in landed.message


def test_a_defect_quarantines_its_file_and_says_so(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_kwargs: object) -> None:
        raise ZeroDivisionError("a defect\x00")

    path = zone.put(HEADER + "M1,2024-01-01,1\n")
    monkeypatch.setattr(land, "read_file", broken)
    landed = zone.land(path)
    assert landed.status == "unreadable"
    said = "a defect of this program (ZeroDivisionError: a defect\N{REPLACEMENT CHARACTER})"
    assert said in landed.message
    monkeypatch.setattr(scanning, "read_file", broken)
    assert said in scan(zone.root, load_mappings(), now=NOW).files[0].message


def test_a_disk_that_fails_is_no_fault_of_the_file(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = zone.put(HEADER + "M1,2024-01-01,1\n")
    monkeypatch.setattr(land, "read_file", full)
    with pytest.raises(OSError, match="No space left"):
        zone.land(path)


def test_delivering_long_names_and_files_that_go_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, landing = tmp_path / "data", tmp_path / "landing"
    data.mkdir()
    long = "é" * 125 + "x.csv"
    for name in (long, "gone.csv"):
        (data / name).write_text(HEADER)
    listed = list_files(data)
    (data / "gone.csv").unlink()
    monkeypatch.setattr(files, "list_files", lambda _data: listed)
    assert files.deliver(data, landing) == [f"meter_readings/{long}"]


def test_delivering_onto_a_folder_of_that_name_says_so(tmp_path: Path) -> None:
    data, landing = tmp_path / "data", tmp_path / "landing"
    data.mkdir()
    (data / "a.csv").write_text(HEADER)
    (landing / "meter_readings" / "a.csv").mkdir(parents=True)
    with pytest.raises(files.DeliveryError, match=r"is a folder, and .* a file of the same name: rename one"):
        files.deliver(data, landing)
