"""The one error of the embedded stores."""

from __future__ import annotations


class StoreError(Exception):
    """A store that does not start, stop or answer; the message names which, where and the remedy."""
