"""Which files of a landing zone hold data, and how files get into one.

What belongs here: listing, settling, delivering and hashing files; nothing here opens a file to understand it.
What does not: dialects and rows (mapping.py, blocks.py).
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from energy_assets.landing.contract import METER_READINGS, SOURCES

SUFFIXES = (".csv", ".csv.gz", ".parquet")
FOLDERS = tuple(source.name for source in SOURCES)
DEFAULT_FOLDER = METER_READINGS.name
LOOP = "cannot be read (a symbolic link that leads to itself): copy the file instead"


class DeliveryError(Exception):
    """A delivery that holds no data or would overwrite itself; the message names the remedy."""


@dataclass(frozen=True)
class DataFile:
    """A data file of a landing root. `relative` is its path below the root, with forward slashes."""

    path: Path
    relative: str
    folder: str
    """The source folder that it lies in."""
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Listing:
    """What a landing root holds, sorted by path."""

    settled: tuple[DataFile, ...] = ()
    unsettled: tuple[DataFile, ...] = ()
    """Still being written, by their age: to be listed again."""
    refused: dict[str, str] = field(default_factory=dict)
    """Path -> why it is not read, e.g. a symbolic link that leaves the root."""
    left_alone: tuple[str, ...] = ()
    """Data files in folders that the landing contract does not name."""


def is_data_file(name: str) -> bool:
    """Whether a file of this name is read: CSV, gzipped CSV or Parquet, neither hidden nor an editor's temporary."""
    return name.lower().endswith(SUFFIXES) and not name.startswith((".", "~$"))


def data_file(path: Path, root: Path) -> DataFile:
    """`path` as a file of the landing root `root` (which may be the file itself).

    Raises OSError where it is gone.
    """
    relative = relative_to(path, root)
    status = path.stat()
    return DataFile(path, relative, folder_of(relative), status.st_size, status.st_mtime_ns)


def relative_to(path: Path, root: Path) -> str:
    """`path` below `root` with forward slashes; the name of a root that is the file itself."""
    return path.name if path == root else path.relative_to(root).as_posix()


def folder_of(relative: str) -> str:
    """The source folder of a path below a landing root; files at the top are meter readings."""
    folder, separator, _ = relative.partition("/")
    return folder if separator else DEFAULT_FOLDER


def list_files(root: Path, *, settle_seconds: float = 0.0, now: datetime | None = None) -> Listing:
    """The data files below `root` (a landing zone, a DATA folder, or one file). Opens none of them.

    A file whose last change is younger than `settle_seconds` is unsettled; one from the future (a wrong clock) is not.
    """
    moment = (now or datetime.now(UTC)).timestamp()
    settled: list[DataFile] = []
    unsettled: list[DataFile] = []
    left_alone: list[str] = []
    refused: dict[str, str] = {}
    for path in _candidates(root, refused):
        name = relative_to(path, root)
        if reason := why_refused(path, root):
            refused[_printable(name)] = reason
            continue
        try:
            file = data_file(path, root)
        except OSError:
            continue  # gone since the folder was listed
        if file.folder not in FOLDERS:
            left_alone.append(file.relative)
        elif abs(moment - file.mtime_ns / 1e9) < settle_seconds:
            unsettled.append(file)
        else:
            settled.append(file)
    return Listing(_by_path(settled), _by_path(unsettled), refused, tuple(sorted(left_alone)))


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of the file as it lies there (compressed, where it is)."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def deliver(data: Path, landing: Path, progress: Callable[[int, int], None] | None = None) -> list[str]:
    """Copy the data files of `data` (a folder or one file) into the landing zone `landing`; the paths now there, sorted.

    Relative paths below a source folder and modification times are kept; files at the top of `data` go to
    `meter_readings/`. A file appears whole or not at all; what is already there with the same content is left.
    `progress(done, total)` is called after each file.
    A file that went away meanwhile is passed over.
    Raises DeliveryError where `data` holds no data file, or a folder of the landing zone has the name of one.
    """
    listing = list_files(data)
    if not listing.settled:
        raise DeliveryError(nothing_to_deliver(data, listing.refused, listing.left_alone))
    if data.resolve() == landing.resolve():
        raise DeliveryError(f"{data} is the landing zone itself: nothing to deliver, its files are read where they are")
    delivered = []
    for done, file in enumerate(listing.settled, start=1):
        relative = file.relative if "/" in file.relative else f"{DEFAULT_FOLDER}/{file.relative}"
        if _copy_atomically(file.path, landing / relative):
            delivered.append(relative)
        if progress is not None:
            progress(done, len(listing.settled))
    return sorted(delivered)


def why_refused(path: Path, root: Path) -> str | None:
    """Why the file at `path` below the landing root `root` is not opened at all, with what to do; None where it is."""
    if _printable(relative_to(path, root)) != relative_to(path, root):
        return "its name is no printable UTF-8: rename it"
    try:
        if path != root and not path.resolve(strict=True).is_relative_to(root.resolve()):
            return "a symbolic link that leaves the landing zone: copy the file instead"
        if not stat.S_ISREG(path.stat().st_mode):
            return "no regular file, but a pipe, a socket or a device: take it away, and deliver a file"
    except OSError as error:
        if error.errno != errno.ELOOP:
            return f"cannot be read ({error.strerror}): repair the link or its permissions"
        return LOOP
    except RuntimeError:  # what Python before 3.13 makes of it
        return LOOP
    if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        return "cannot be read (Permission denied): give the user who runs this the right to read it"
    return None


def nothing_to_deliver(data: Path, refused: Mapping[str, str], left_alone: Sequence[str]) -> str:
    """What is said of a place that holds no file that is read."""
    if not data.exists():
        return f"{data} does not exist: give a folder of deliveries, or one file"
    if left_alone:
        return (
            f"{data} holds data files only in folders that no source is named after, such as {left_alone[0]}: "
            f"move them into {', '.join(FOLDERS)}, or give the folder itself"
        )
    if refused:
        path, reason = next(iter(refused.items()))
        return f"{data} holds no readable data file; {path}: {reason}"
    return f"{data} holds no data file: deliver {', '.join(SUFFIXES)}"


def _candidates(root: Path, refused: dict[str, str]) -> Iterator[Path]:
    if not root.is_dir():
        if root.exists():
            yield root
        return

    def note(error: OSError) -> None:
        folder = Path(error.filename)
        refused[_printable(folder.relative_to(root).as_posix() if folder != root else folder.name)] = (
            f"a folder that cannot be looked into ({error.strerror}): give the user who runs this the right to"
        )

    for folder, subfolders, names in os.walk(root, onerror=note):
        here = Path(folder)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in subfolders:
            if (here / name).is_symlink():
                refused[_printable((here / name).relative_to(root).as_posix())] = (
                    "a symbolic link to a folder is not followed: copy its files instead"
                )
        yield from (here / name for name in names if is_data_file(name))


def _printable(name: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)


def _by_path(files: list[DataFile]) -> tuple[DataFile, ...]:
    return tuple(sorted(files, key=lambda file: file.relative))


def _copy_atomically(origin: Path, target: Path) -> bool:
    """Whether `target` now holds what `origin` does; not where that went away."""
    if target.is_dir():
        raise DeliveryError(f"{target} is a folder, and {origin} a file of the same name: rename one of them")
    if target.exists() and target.stat().st_size == origin.stat().st_size and sha256_of(target) == sha256_of(origin):
        return True
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{os.getpid()}-{os.urandom(4).hex()}.part")  # a name may be as long as names can be
    try:
        with origin.open("rb") as source, draft.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            status = os.fstat(source.fileno())
            os.utime(copy.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(copy.fileno())
        draft.replace(target)
        return True
    except FileNotFoundError:
        if origin.exists():
            raise
        return False
    finally:
        draft.unlink(missing_ok=True)
