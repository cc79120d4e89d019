"""Make Superset's own tables, its administrator, and the dashboards of this folder. Twice is once.

Run with Superset's Python by `energy-assets dashboards`, in one process: each of Superset's own commands would load all of it
again. What belongs here: what needs Superset's code. What does not: when to do it (energy_assets/operations/dashboards/).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import yaml
from flask_migrate import upgrade
from sqlalchemy import text
from superset.app import create_app

FOLDERS = ("databases", "datasets", "charts", "dashboards")
METADATA = "version: 1.0.0\ntype: assets\n"


def main() -> None:
    app = create_app()
    with app.app_context():
        upgrade(directory=str(Path(str(sys.modules["superset"].__file__)).parent / "migrations"))
        make_roles()
        administrator = make_administrator(os.environ["ENERGY_SUPERSET_USER"], os.environ["ENERGY_SUPERSET_PASSWORD"])
        import_bundle(
            Path(os.environ["ENERGY_SUPERSET_PAGES"]),
            os.environ["ENERGY_SUPERSET_CLICKHOUSE_URI"],
            administrator,
            has_workers="ENERGY_SUPERSET_REDIS_URL" in os.environ,
        )


def make_roles() -> None:
    from superset import appbuilder, db, security_manager

    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()
    db.session.commit()


def make_administrator(name: str, password: str) -> object:
    """The user `name` with this very password: an edited credentials file is obeyed."""
    from superset import security_manager

    user = security_manager.find_user(username=name)
    if user is None:
        role = security_manager.find_role(security_manager.auth_role_admin)
        user = security_manager.add_user(name, "Energy", "Assets", "admin@localhost", role, password)
    else:
        security_manager.reset_password(user.id, password)
    if not user:
        sys.exit("Superset did not make its administrator: the lines above say why")
    return user


def import_bundle(bundle: Path, clickhouse_uri: str, administrator: object, *, has_workers: bool) -> None:
    """Write every YAML file below `bundle` over what has the same UUID. Raises where one does not fit, and then changes nothing.

    Where there are workers, SQL Lab hands them what it is asked; else a question would wait for one for ever.
    """
    from superset import db
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.utils.core import override_user

    contents = {"metadata.yaml": METADATA}
    for path in (path for folder in FOLDERS for path in sorted((bundle / folder).glob("*.yaml"))):
        contents[f"{path.parent.name}/{path.name}"] = path.read_text(encoding="utf-8")
    for name in [name for name in contents if name.startswith("databases/")]:
        config = yaml.safe_load(contents[name])
        # What was encrypted with a key that was lost cannot be read, and is replaced anyway.
        db.session.execute(text("update dbs set password = null where uuid = :uuid"), {"uuid": config["uuid"]})
        told = {"sqlalchemy_uri": clickhouse_uri, "allow_run_async": has_workers}
        contents[name] = yaml.safe_dump(config | told)
    with override_user(administrator):
        ImportAssetsCommand(contents).run()


if __name__ == "__main__":
    main()
