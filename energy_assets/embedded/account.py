"""The system user that Postgres runs as: whoever starts it, except that Postgres refuses root.

What belongs here: which user, and letting it reach what it must. What does not: Postgres' own roles (bootstrap.py).
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from energy_assets.embedded.errors import StoreError

_UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int
    name: str

    @property
    def is_other(self) -> bool:
        """Whether it is another user than the one who runs this."""
        return self.uid != os.geteuid()

    def identity(self) -> dict[str, int]:
        """What `processes.start` needs to run a program as this user; nothing where it runs as it already."""
        return {"user": self.uid, "group": self.gid} if self.is_other else {}


def account_for(data: Path) -> Account:
    """The user to run the server of `data` as: root hands it to the owner of the data, else of its parent, else a system user.

    Raises StoreError where the machine has no such user.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), str(os.geteuid()))
    owners = [path.stat().st_uid for path in (data, data.parent) if path.exists()]
    known = [entry for uid in owners if uid != 0 and (entry := _entry(uid))]
    known += [entry for name in _UNPRIVILEGED if (entry := _entry(name)) and entry.pw_uid != 0]
    if not known:
        raise StoreError(
            f"Postgres refuses to run as root, and this machine has neither of {_UNPRIVILEGED}: run as an ordinary user"
        )
    return Account(known[0].pw_uid, known[0].pw_gid, known[0].pw_name)


def let_reach(account: Account, path: Path, *, say: Callable[[str], None], own: Path | None = None) -> None:
    """Let `account` pass through the directories above `path` (search permission alone: they stay unreadable to it).

    Nobody needs to be told of `own`, which was made for this.
    """
    for parent in path.parents:
        mode = parent.stat()
        if not _may(account, mode, stat.S_IXUSR, stat.S_IXGRP, stat.S_IXOTH):
            parent.chmod(stat.S_IMODE(mode.st_mode) | stat.S_IXOTH)
            if parent == own:
                continue
            say(
                f"{parent} may now be passed through by other users (chmod o+x): Postgres runs as {account.name}, not as root"
            )


def let_read(account: Account, tree: Path) -> None:
    """Let `account` read and run what is below `tree`, where an install under a strict umask kept it to its owner."""
    mode = tree.stat()
    if _may(account, mode, stat.S_IRUSR, stat.S_IRGRP, stat.S_IROTH):
        return
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            permissions = stat.S_IMODE(path.stat().st_mode)
            path.chmod(permissions | (permissions & 0o700) >> 6 & 0o5)


def hand_over(account: Account, tree: Path) -> None:
    """Make `account` the owner of all below `tree`."""
    for path in (tree, *tree.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _may(account: Account, mode: os.stat_result, owner: int, group: int, other: int) -> bool:
    if mode.st_uid == account.uid:
        return bool(mode.st_mode & owner)
    if mode.st_gid == account.gid:
        return bool(mode.st_mode & group)
    return bool(mode.st_mode & other)


def _entry(user: int | str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(user) if isinstance(user, int) else pwd.getpwnam(user)
    except KeyError:
        return None
