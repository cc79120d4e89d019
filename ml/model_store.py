"""Fitted models on disk: one immutable file a version, verified before anything in it is built.

What belongs here: how a model becomes bytes and comes back, and what may be in such a file.
What does not: which version to use (the caller decides), and what a model is (it restores itself).

A file is a skops archive rewritten in canonical form: skops names nodes and arrays after memory addresses, stamps the
archive with the time, and leaves garbage in the padding of records; without these, equal models are equal bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import threading
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import numpy as np

TRUSTED_TYPES = (
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
"""What a model file may hold beyond the types that skops trusts by itself; a file that holds more is refused."""

SCHEMA = "schema.json"
EPOCH = (1980, 1, 1, 0, 0, 0)
# numpy parses array headers with `ast`, which CPython 3.11 cannot do in two threads at once.
_SERIALISING = threading.Lock()
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class ModelStoreError(Exception):
    """A model that cannot be stored or trusted; the message names the file and the remedy."""


class Model(Protocol):
    """What the store keeps: an estimator of scikit-learn, and metadata of plain JSON values."""

    @property
    def estimator(self) -> Any: ...

    def metadata(self) -> dict[str, Any]: ...

    @classmethod
    def restore(cls, estimator: Any, metadata: Mapping[str, Any]) -> Self: ...


M = TypeVar("M", bound=Model)


class ModelStore:
    """Models below `directory`, one file `<version>.skops` each. Nothing is created before the first publication."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, version: str) -> Path:
        """Where `version` is or would be. Raises ModelStoreError for a version that is no plain file name."""
        if not _VERSION.fullmatch(version):
            raise ModelStoreError(f"{version!r} is no model version: use letters, digits, dots, dashes and underscores")
        return self.directory / f"{version}.skops"

    def publish(self, model: Model, version: str) -> str:
        """Store `model` as `version` and return the sha256 of its file. Publishing the same again changes nothing.

        Raises ModelStoreError where the version exists with other content, or the model holds a type we refuse.
        """
        path = self.path(version)
        content = model_bytes(model)
        _refuse_untrusted(content, path)
        digest = hashlib.sha256(content).hexdigest()
        if not _create(path, content) and (held := _sha256(path)) != digest:
            raise ModelStoreError(
                f"{path} is published with other content (sha256 {held[:12]}…, not {digest[:12]}…), and a published "
                f"model never changes: publish under a new version"
            )
        return digest

    def holds(self, version: str) -> bool:
        """Whether the file of `version` is there, whatever is in it."""
        return self.path(version).is_file()

    def rebuild(self, model: Model, version: str, sha256: str) -> None:
        """Write the lost file of `version` again, which was published with `sha256`; a file that is there is left.

        Raises ModelStoreError where `model` is another one.
        """
        path = self.path(version)
        if path.exists():
            return
        content = model_bytes(model)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ModelStoreError(
                f"{path} is missing, and fitting again gives another model: what {version} learnt from, a setting or a "
                f"library has changed since. A published model never changes: restore it from a backup"
            )
        _create(path, content)

    def discard(self, version: str) -> None:
        """Remove a file that was never announced, e.g. of a run that was killed right after it; nothing where there is none."""
        self.path(version).unlink(missing_ok=True)

    def load(self, version: str, sha256: str, kind: type[M]) -> M:
        """The model that was published as `version`, once its file is known to be the one of `sha256`.

        Raises ModelStoreError where the file is missing, is another one, or holds types beyond the trusted ones.
        """
        import skops.io
        from skops.io.exceptions import UntrustedTypesFoundException

        path = self.path(version)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise ModelStoreError(
                f"{path} is missing: restore it from a backup, or materialize its day from the model on, which rebuilds it "
                f"while what it learnt from is unchanged"
            ) from None
        if (found := hashlib.sha256(content).hexdigest()) != sha256:
            raise ModelStoreError(
                f"{path} is not the model that was published as {version}: its sha256 is {found}, not {sha256}. It was "
                f"changed or damaged and was not loaded: restore it from a backup, or remove it and materialize the day, "
                f"which rebuilds it while what it learnt from is unchanged"
            )
        try:
            stored = skops.io.loads(content, trusted=list(TRUSTED_TYPES))
        except UntrustedTypesFoundException:
            _refuse_untrusted(content, path)
            raise
        return kind.restore(stored["estimator"], json.loads(stored["metadata"]))


def model_bytes(model: Model) -> bytes:
    """The canonical file of a model: equal models give equal bytes, in any process at any time."""
    import skops.io

    metadata = json.dumps(model.metadata(), sort_keys=True, allow_nan=False)
    with _SERIALISING:
        return _canonical(skops.io.dumps({"estimator": model.estimator, "metadata": metadata}))


def _canonical(archive: bytes) -> bytes:
    """The same skops archive with ids by order of appearance, one array file a node, no padding and no clock."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as target:
        schema = json.loads(source.read(SCHEMA))
        for number, node in enumerate(_nodes(schema)):
            node["__id__"] = number
            if "file" in node:
                array = np.load(io.BytesIO(source.read(node["file"])), allow_pickle=False)
                node["file"] = f"{number}.npy"
                _add(target, node["file"], _array_bytes(array))
        _add(target, SCHEMA, json.dumps(schema, sort_keys=True, separators=(",", ":")).encode())
    return written.getvalue()


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every node of a skops schema that has an id, in the order in which they are written."""
    if isinstance(schema, dict):
        if "__id__" in schema:
            yield schema
        for key in sorted(schema):
            yield from _nodes(schema[key])
    elif isinstance(schema, list):
        for item in schema:
            yield from _nodes(item)


def _array_bytes(array: np.ndarray) -> bytes:
    """A `.npy` file of `array`; records as raw bytes, because numpy's own writer may leave garbage in their padding."""
    buffer = io.BytesIO()
    if not array.dtype.names:
        np.save(buffer, array, allow_pickle=False)
        return buffer.getvalue()
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    np.lib.format.write_array_header_1_0(buffer, np.lib.format.header_data_from_array_1_0(clean))
    return buffer.getvalue() + clean.view(np.uint8).tobytes()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=EPOCH)
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    archive.writestr(entry, content)


def _refuse_untrusted(content: bytes, path: Path) -> None:
    import skops.io

    if other := sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED_TYPES)):
        raise ModelStoreError(
            f"{path}: holds types that no model of ours has and was refused: {', '.join(other)}. "
            f"If they are meant, review them and add them to ml.model_store.TRUSTED_TYPES"
        )


def _create(path: Path, content: bytes) -> bool:
    """Write `path` durably unless it exists, and say whether it was written; of two writers at once one wins, whole."""
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with draft.open("xb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
