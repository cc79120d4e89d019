"""Write everything that Superset has, as it exports it, into a folder.

Run with Superset's Python by `energy-assets dashboards --export`. What belongs here: what needs Superset's code. What does not: which of it
is kept, and in which form (energy_assets/dashboards/tidy.py).
"""

from __future__ import annotations

import os
from pathlib import Path

from superset.app import create_app


def main() -> None:
    with create_app().app_context():
        from superset import security_manager
        from superset.commands.export.assets import ExportAssetsCommand
        from superset.utils.core import override_user

        with override_user(security_manager.find_user(username=os.environ["ENERGY_SUPERSET_USER"])):
            for name, content in ExportAssetsCommand().run():
                path = Path(os.environ["ENERGY_SUPERSET_EXPORT"]) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content(), encoding="utf-8")


if __name__ == "__main__":
    main()
