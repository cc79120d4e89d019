"""`energy-assets new` and `part`: what a server or a container needs that does more than one command at a time.

What belongs here: their arguments and printing. What does not: work (operations/part.py).
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Annotated

import typer

from energy_assets import home as homes
from energy_assets.console import chosen, current, errors, is_home_named, out, say
from energy_assets.home import DEFAULT_TIMEZONE, Calendar, HomeError
from energy_assets.operations.part import PORTS, Address, Part
from energy_assets.settings import settings


def new(
    first_day: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="The first day that will be delivered.")
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Below $ENERGY_HOME; as --home.", show_default="utility")
    ] = None,
) -> None:
    """Make a live home before anything was delivered, in the zone of ENERGY_TIMEZONE; twice is once."""
    with errors():
        if name and is_home_named():
            raise HomeError("give the new home's name once, after the command or by --home")
        home = chosen() if is_home_named() else homes.named(name or "utility")
        wanted = Calendar(settings().timezone or DEFAULT_TIMEZONE, first_day.date())
        if home.exists():
            held = home.calendar()
            if held.is_historical:
                raise HomeError(f"home {home.name} is historical, it ends on {held.last_day}: choose another name")
            if held.timezone == wanted.timezone:
                wanted = held.including(wanted.first_day, wanted.first_day)
        home.write_calendar(wanted)
        home.landing.mkdir(mode=0o700, exist_ok=True)
        if not os.access(home.landing, os.R_OK | os.W_OK | os.X_OK):
            raise HomeError(
                f"{home.landing} is another user's, and what is delivered there could not be read or erased: give it, or the folder that is"
                f" mounted there, to this one (chown {os.geteuid()})"
            )
        homes.activate(home)
        out.print(
            f"{home.name}: days of {wanted.timezone} from {wanted.first_day} on; deliveries go to {home.landing}",
            markup=False,
        )


def part(
    which: Annotated[Part, typer.Argument(show_default=False)],
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help=f"Default: {', '.join(f'{part} {n}' for part, n in PORTS.items())}.",
            show_default=False,
        ),
    ] = None,
    code: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the part `code` listens.")
    ] = f"127.0.0.1:{PORTS[Part.code]}",
    is_well: Annotated[
        bool, typer.Option("--is-well", help="Start nothing: exit with 0 where the part of this machine answers.")
    ] = False,
) -> None:
    """Run one program of the current home alone, in the foreground, as a container does; the stores must be up."""
    from energy_assets.operations import part as parts

    with errors():
        home = current()
        if is_well:
            raise typer.Exit(0 if parts.is_well(home, which, port=port) else 1)
        parts.run(home, which, port=port, code=Address.of(code), say=say)


PART_COMMANDS = (new, part)
