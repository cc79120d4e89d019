"""Keyed hashes of identifiers, and the home's key.

What belongs here: those. What does not: whose identifiers are replaced where (erasures.py, resources/pseudonyms.py).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from energy_assets.home import Home, write_atomically

KEY_FILE = "pseudonyms.key"


def pseudonym(key: bytes, identifier: str) -> str:
    """The keyed hash by which an identifier can be known again, but only by who has the key."""
    return hmac.new(key, identifier.encode(), hashlib.sha256).hexdigest()[:32]


def key_of(home: Home) -> bytes:
    """The home's key, made where there is none; mode 0600, and part of its backups: without it no tombstone is known again."""
    path = home.path / KEY_FILE
    if not path.is_file():
        write_atomically(path, secrets.token_hex(32) + "\n", mode=0o600)
    return bytes.fromhex(path.read_text(encoding="utf-8").strip())
