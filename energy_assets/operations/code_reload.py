"""Let a code server take up a home's calendar that changed: a landing in a run widens it.

What belongs here: noticing that, and asking for the reload. What does not: starting the server (ui.py, part.py).
"""

from __future__ import annotations

from collections.abc import Callable

from energy_assets.embedded.ports import LOOPBACK
from energy_assets.home import Home, HomeError
from energy_assets.operations.errors import OperationError

RELOAD_SECONDS = 120


class CalendarWatch:
    """Looks at the home's calendar, and has the code reloaded where it is another one than was loaded."""

    def __init__(self, home: Home, code_port: int, say: Callable[[str], None]) -> None:
        self._home = home
        self._port = code_port
        self._say = say
        self._loaded = home.calendar()
        self._broken = ""

    def look(self) -> None:
        try:
            calendar = self._home.calendar()
            if calendar != self._loaded:
                _reload(self._port)
                self._loaded = calendar
                self._say(
                    f"the calendar changed ({calendar.first_day} … {calendar.last_day or ''}): the code was reloaded"
                )
            self._broken = ""
        except (HomeError, OperationError) as error:
            # Said once; a calendar that is corrected, or a code server that answers again, is taken up by itself.
            if str(error) != self._broken:
                self._broken = str(error)
                self._say(self._broken)


def _reload(code_port: int) -> None:
    from dagster._core.errors import DagsterUserCodeUnreachableError
    from dagster._grpc.client import DagsterGrpcClient

    try:
        DagsterGrpcClient(host=LOOPBACK, port=code_port).reload_code(timeout=RELOAD_SECONDS)
    except DagsterUserCodeUnreachableError as error:
        raise OperationError("the code server did not reload the changed calendar yet: trying again") from error
