"""deploy/kubernetes: what can be told without a cluster, which is not at hand where this is written (docs/kubernetes.md)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import dagster as dg
import kubernetes
import kubernetes_validate
import pytest
import yaml
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._serdes import ConfigurableClassData
from support import compose, manifests
from support.manifests import FOLDER, Pod, documents, of_kind, pods, values

from energy_assets.automation.jobs import POD_TAG, pod_tags
from energy_assets.home import Home
from energy_assets.logs import LIBRARIES
from energy_assets.operations.instance import DAGSTER_YAML, environment
from energy_assets.operations.part import PORTS, Part
from energy_assets.settings import Settings

ROOT = FOLDER.parents[1]
PAGE = (ROOT / "docs" / "kubernetes.md").read_text()
GRANTS = ROOT / "clickhouse_ddl" / "grants"
HOME = "/srv/energy/utility"
OWN_KINDS = [document for document in documents() if document["apiVersion"] not in manifests.OPERATORS]
needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl here")
SECRETS = re.compile(r"PASSWORD|PASS$|SECRET|TOKEN|_URL$", re.IGNORECASE)


def named(document: dict[str, Any]) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def every(node: Any, key: str) -> Iterator[Any]:
    """What stands under `key`, however deep."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from every(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from every(value, key)


def containers() -> list[tuple[Pod, dict[str, Any]]]:
    return [(pod, container) for pod in pods() for container in pod.containers]


# Kubernetes' own rules


@pytest.mark.parametrize("document", OWN_KINDS, ids=named)
def test_each_manifest_is_what_its_kind_allows(document) -> None:
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_a_field_that_does_not_exist_would_be_found() -> None:
    (job,) = of_kind("Job").values()
    wrong = json.loads(json.dumps(job))
    wrong["spec"]["template"]["spec"]["serviceAcountName"] = "energy-assets"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_every_file_is_applied_and_no_object_is_there_twice() -> None:
    files = {file.name for file in FOLDER.glob("*.yaml")}
    charts = {manifests.VALUES.name, manifests.OPERATOR_VALUES.name}
    assert files == {*manifests.kustomization()["resources"], "kustomization.yaml", *charts}
    names = [named(document) for document in documents()]
    assert len(names) == len(set(names))


def test_what_a_pod_names_is_there() -> None:
    claims, maps = set(of_kind("PersistentVolumeClaim")), set(of_kind("ConfigMap"))
    accounts = {*of_kind("ServiceAccount"), values()["serviceAccount"]["name"]}
    for pod in pods():
        assert pod.spec.get("serviceAccountName", "dagster") in accounts, pod.name
        assert {claim["claimName"] for claim in every(pod.spec, "persistentVolumeClaim")} <= claims, pod.name
        assert {source["name"] for source in every(pod.spec, "configMapRef")} <= maps, pod.name
        volumes = {volume["name"] for volume in pod.spec.get("volumes", [])}
        mounted = {mount["name"] for container in pod.containers for mount in container.get("volumeMounts", [])}
        assert mounted == volumes, pod.name


def test_a_page_says_how_to_make_each_secret_with_each_key() -> None:
    """Secrets are named here and written nowhere: who installs makes them by hand."""
    made = set(re.findall(r"create secret generic (\S+)", PAGE))
    named_ones = {
        *(source["name"] for pod in pods() for source in every(pod.spec, "secretRef")),
        *(source["name"] for document in documents() for source in every(document, "secretKeyRef")),
        values()["global"]["postgresqlSecretName"],
    }
    assert named_ones == made
    keys = {source["key"] for document in documents() for source in every(document, "secretKeyRef")}
    given = {
        "POSTGRES_URL",
        "CLICKHOUSE_URL",
        "CLICKHOUSE_BI_URL",
        "ENERGY_SUPERSET_DATABASE_URL",
        "postgresql-password",
    }
    for key in keys | given:
        assert re.search(rf'(^|[\s="]){key}=', PAGE, flags=re.MULTILINE), key


def blocks() -> list[str]:
    """What the page gives to a shell."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    return [text for language, text in fenced if not language]


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.split("\n")[0][:40])
def test_a_shell_reads_every_command_of_the_page(block) -> None:
    subprocess.run(["bash", "-n"], input=block, text=True, check=True)  # noqa: S607
    files = set(re.findall(r"deploy/kubernetes[\w./-]*", block))
    assert [file for file in files if not (ROOT / file).exists()] == []
    kinds = {"deploy": "Deployment", "svc": "Service", "job": "Job"}
    for kind, name in re.findall(r"\b(deploy|svc|job)/([a-z-]+)", re.sub(r"deploy/kubernetes\S*", "", block)):
        # The chart's own are called after its release.
        assert name in of_kind(kinds[kind]) or name.startswith("dagster-"), f"{kind}/{name}"


@needs_kubectl
def test_the_pages_own_commands_make_each_secret_with_each_key(tmp_path) -> None:
    """Its words as they are; the cluster alone is not asked."""
    (block,) = (block for block in blocks() if "create secret" in block)
    asked = 'kubectl() { if [ "$1" = create ]; then command kubectl "$@" --dry-run=client --output=json; fi; }\n'
    (tmp_path / "alerts.env").write_text("ENERGY_ALERT_WEBHOOK_URL=https://example.org/hook\n")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", asked + block],  # noqa: S607
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made, text = {}, done.stdout.strip()
    while text:
        secret, end = json.JSONDecoder().raw_decode(text)
        made[secret["metadata"]["name"]] = {key: b64decode(value).decode() for key, value in secret["data"].items()}
        text = text[end:].strip()
    for source in (source for document in documents() for source in every(document, "secretKeyRef")):
        assert source["key"] in made[source["name"]], source
    for user, url in (("writer", "CLICKHOUSE_URL"), ("bi", "CLICKHOUSE_BI_URL")):
        address = urlsplit(made["energy-stores"][url])
        assert (address.username, address.port) == (user, 8123)
        assert sha256((address.password or "").encode()).hexdigest() == made["clickhouse-users"][f"{user}_sha256"]
    assert all((file.stat().st_mode & 0o077) == 0 for file in tmp_path.iterdir() if file.name != "alerts.env")


@needs_kubectl
def test_kustomize_puts_everything_together_with_the_images_of_the_registry() -> None:
    done = subprocess.run(["kubectl", "kustomize", FOLDER], capture_output=True, text=True, check=True)  # noqa: S607
    made = list(yaml.safe_load_all(done.stdout))
    assert {named(document) for document in made} == {named(document) for document in documents()}
    assert f"(kustomize 5.5.0): {len(made)} objects" in PAGE
    images = {image for document in made for image in every(document, "image") if isinstance(image, str)}
    assert not [image for image in images if image.endswith(":local")]
    spaces = {document["metadata"].get("namespace") for document in made if document["kind"] != "Namespace"}
    assert spaces == {"energy-assets"}


def test_no_secret_is_written_down() -> None:
    assert not of_kind("Secret")
    written = {
        variable["name"]: variable["value"]
        for _, container in containers()
        for variable in container.get("env", [])
        if "value" in variable
    }
    assert written.pop("ENERGY_SUPERSET_REDIS_URL") == "redis://:$(REDIS_PASSWORD)@redis:6379"
    assert set(written) == {
        *("ENERGY_SERVED_AS", "CLICKHOUSE_SKIP_USER_SETUP"),
        *("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "DAGSTER_DISABLE_TELEMETRY"),
    }, "what else is written down?"
    (settings,) = of_kind("ConfigMap").values()
    assert not [name for name in settings["data"] if SECRETS.search(name)]
    users = of_kind("ClickHouseInstallation")["energy"]["spec"]["configuration"]["users"]
    passwords = {name: value for name, value in users.items() if "password" in name}
    assert set(passwords) == {"writer/password_sha256_hex", "bi/password_sha256_hex"}
    assert all(set(value) == {"valueFrom"} for value in passwords.values())
    assert not list(every(values(), "postgresqlPassword"))


def test_services_find_their_pods_and_the_ports_of_their_parts() -> None:
    for name, service in of_kind("Service").items():
        found = [pod for pod in pods() if service["spec"]["selector"].items() <= pod.labels.items()]
        assert [pod.name for pod in found] == [name]
        ports = {port["name"]: port["containerPort"] for port in found[0].containers[0]["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"], name
        if name in set(Part):
            assert list(ports.values()) == [PORTS[Part(name)]]
    for name, deployment in of_kind("Deployment").items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items(), name


def test_probes_ask_what_docker_compose_asks() -> None:
    services = yaml.safe_load(compose.FILE.read_text())["services"]
    for name in ("code", "docs", "superset", "superset-worker", "metrics", "redis"):
        (container,) = of_kind("Deployment")[name]["spec"]["template"]["spec"]["containers"]
        check = services[name]["healthcheck"]["test"]
        asked = container.get("readinessProbe", container["livenessProbe"])["exec"]["command"]
        assert asked == (["/bin/sh", "-c", *check[1:]] if check[0] == "CMD-SHELL" else check[1:]), name


# What we promise of it


def test_images_are_those_of_docker_compose() -> None:
    services = yaml.safe_load(compose.FILE.read_text())["services"].values()
    known = {service["image"].replace("${ENERGY_IMAGE_TAG:-local}", "local") for service in services}
    server = of_kind("ClickHouseInstallation")["energy"]
    (clickhouse,) = every(server, "image")
    renamed = {image["name"]: f"{image['newName']}:{image['newTag']}" for image in manifests.kustomization()["images"]}
    assert set(renamed) == {"energy-assets", "energy-assets-superset"}
    for pod, container in containers():
        image = container["image"]
        if pod.name == "keeper":
            assert image == clickhouse.replace("-server", "-keeper")
        elif pod.name in ("dagster-webserver", "dagster-daemon", "run"):
            assert image == renamed["energy-assets"], pod.name
        else:
            assert image in known, pod.name
    (launcher,) = every(values(), "k8sRunLauncher")
    assert launcher["imagePullPolicy"] == "IfNotPresent"


@pytest.mark.parametrize(("pod", "container"), containers(), ids=lambda part: getattr(part, "name", ""))
def test_every_container_is_bounded_and_no_root(pod, container) -> None:
    assert container["resources"]["limits"]["memory"]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    context = pod.spec["securityContext"]
    assert context["runAsNonRoot"] and context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    if pod.is_ours:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert (context["runAsUser"], context["fsGroup"]) == (10001, 10001)
        assert context["fsGroupChangePolicy"] == "OnRootMismatch", "a later mount opens credentials.toml to the group"
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert mounts["/srv/energy"] == "home" and mounts["/tmp"] == "tmp"  # noqa: S108 (of a pod)


def test_nobody_gets_a_token_of_the_cluster_who_asks_it_nothing() -> None:
    for pod in pods():
        if pod.name not in ("dagster-webserver", "dagster-daemon"):
            told = (
                pod.spec if pod.spec.get("serviceAccountName") is None else of_kind("ServiceAccount")["energy-assets"]
            )
            assert told["automountServiceAccountToken"] is False, pod.name


def test_the_home_is_shared_by_pods_of_several_nodes() -> None:
    (home,) = of_kind("PersistentVolumeClaim").values()
    assert home["spec"]["accessModes"] == ["ReadWriteMany"]


def test_stores_are_reached_by_those_who_use_them_alone() -> None:
    policies = of_kind("NetworkPolicy")
    assert policies["nobody"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    everybody = list(pods())

    def selected(selector: dict[str, Any]) -> set[str]:
        return {pod.name for pod in everybody if selector["matchLabels"].items() <= pod.labels.items()}

    def callers(policy: str, port: int) -> set[str]:
        rules = [rule for rule in policies[policy]["spec"]["ingress"] if {"port": port} in rule["ports"]]
        found: set[str] = set()
        for source in (source for rule in rules for source in rule["from"]):
            if "podSelector" in source:
                assert selected(source["podSelector"]), f"{policy} lets in nobody that there is: {source}"
                found |= selected(source["podSelector"])
            else:
                found |= {f"namespace {value}" for value in source["namespaceSelector"]["matchLabels"]}
        return found

    assert callers("clickhouse", 8123) == {
        *("init", "code", "run", "superset", "superset-worker", "metrics", "clickhouse"),
        "namespace kubernetes.io/metadata.name",
    }
    assert callers("clickhouse", 9000) == callers("clickhouse", 9009) == {"clickhouse"}
    assert callers("keeper", 2181) == {"clickhouse", "keeper"} and callers("keeper", 9444) == {"keeper"}
    assert callers("redis", 6379) == {"superset", "superset-worker"}
    assert callers("code", PORTS[Part.code]) == {"dagster-webserver", "dagster-daemon"}
    for name, policy in policies.items():
        if name != "nobody":
            assert len(selected(policy["spec"]["podSelector"])) == 1, name
    guarded = {
        pod for name, policy in policies.items() if name != "nobody" for pod in selected(policy["spec"]["podSelector"])
    }
    assert guarded >= set(of_kind("Service")), "a service that nobody reaches"


def test_as_many_runs_are_kept_from_being_moved_as_there_are_at_once() -> None:
    (budget,) = of_kind("PodDisruptionBudget").values()
    assert budget["spec"]["minAvailable"] == values()["concurrency"]["runs"]["maxConcurrentRuns"]
    run = next(pod for pod in pods() if pod.name == "run")
    assert budget["spec"]["selector"]["matchLabels"].items() <= run.labels.items()


def test_settings_are_ones_that_there_are() -> None:
    (data,) = (settings["data"] for settings in of_kind("ConfigMap").values())
    told = {name.removeprefix("ENERGY_").lower(): value for name, value in data.items() if name.startswith("ENERGY_")}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", told.pop("first_day"))
    assert set(told) <= set(Settings.model_fields)
    told["run_resources"] = json.loads(told["run_resources"])
    known = Settings(**told, CLICKHOUSE_URL="http://writer@clickhouse-energy:8123/")
    assert known.runs_in == "pods"
    assert set(known.run_resources) == {"landing", "daily"}
    for wrong in ({"dayly": {}}, {"daily": {"limit": {}}}):
        with pytest.raises(ValueError, match="run_resources"):
            Settings(run_resources=wrong)


def test_a_run_is_told_what_processes_of_a_home_are_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("POSTGRES_URL", "postgresql://energy:x@127.0.0.1/energy")
    monkeypatch.setenv("CLICKHOUSE_URL", "http://writer:x@127.0.0.1:8123/")
    monkeypatch.setattr("energy_assets.operations.instance.settings", Settings)
    (data,) = (settings["data"] for settings in of_kind("ConfigMap").values())
    given_otherwise = {"ENERGY_HOME", "DAGSTER_HOME", "ENERGY_DAGSTER_URL"}
    told = {name: value for name, value in environment(Home(tmp_path)).items() if name not in given_otherwise}
    assert told.items() <= data.items()


# ClickHouse


def granted(file: Path) -> set[str]:
    """The rights that a script of clickhouse_ddl/grants gives, as a user's file says them."""
    text = "\n".join(line for line in file.read_text().splitlines() if not line.startswith("--"))
    statements = [" ".join(statement.split()) for statement in text.split(";")]
    return {re.sub(r" TO \w+$", "", statement) for statement in statements if statement.startswith("GRANT ")}


@pytest.mark.parametrize(
    ("user", "more"), [("writer", {"GRANT CLUSTER, REMOTE ON *.*", "GRANT SELECT ON system.clusters"}), ("bi", set())]
)
def test_clickhouses_users_have_the_rights_of_the_scripts(user, more) -> None:
    users = of_kind("ClickHouseInstallation")["energy"]["spec"]["configuration"]["users"]
    assert len(granted(GRANTS / f"{user}.sql")) > 5
    assert set(users[f"{user}/grants/query"]) == granted(GRANTS / f"{user}.sql") | more


def test_readers_are_held_to_the_profile_and_the_quota_of_the_script() -> None:
    script = (GRANTS / "bi.sql").read_text()
    configuration = of_kind("ClickHouseInstallation")["energy"]["spec"]["configuration"]
    profile = re.search(r"CREATE SETTINGS PROFILE.*?SETTINGS(.*?);", script, flags=re.DOTALL)
    wanted = dict(re.findall(r"(\w+) = (\d+)", profile[1]))
    told = {name.removeprefix("energy_reader/"): value for name, value in configuration["profiles"].items()}
    assert told == wanted and len(wanted) == 6

    quota = re.search(r"CREATE QUOTA.*?;", script, flags=re.DOTALL)[0]
    seconds = {"minute": "60", "hour": "3600"}
    intervals = {
        seconds[unit]: dict(re.findall(r"(\w+) = (\d+)", limits))
        for unit, limits in re.findall(r"FOR INTERVAL 1 (\w+) MAX ([^;F]*)", quota)
    }
    file = ElementTree.fromstring(configuration["files"]["users.d/energy_reader.xml"])  # noqa: S314 (our own)
    found = {}
    for interval in file.iter("interval"):
        limits = {limit.tag: limit.text for limit in interval}
        found[limits.pop("duration")] = limits
    assert found == intervals and len(intervals) == 2
    assert configuration["users"]["bi/profile"] == configuration["users"]["bi/quota"] == "energy_reader"
    assert configuration["users"]["bi/default_database"] == "energy_analytics"


def test_the_operator_looks_at_our_namespace() -> None:
    told = yaml.safe_load(manifests.OPERATOR_VALUES.read_text())
    watched = told["configs"]["files"]["config.yaml"]["watch"]["namespaces"]
    assert watched == [manifests.kustomization()["namespace"]] == list(of_kind("Namespace"))
    assert "secret" not in told and "--set-file secret.password" in PAGE


def test_the_cluster_is_three_shards_of_two_on_three_keepers() -> None:
    server, keeper = of_kind("ClickHouseInstallation")["energy"], of_kind("ClickHouseKeeperInstallation")["energy"]
    (cluster,) = server["spec"]["configuration"]["clusters"]
    assert cluster["layout"] == {"shardsCount": 3, "replicasCount": 2}
    (data,) = (settings["data"] for settings in of_kind("ConfigMap").values())
    assert data["ENERGY_CLICKHOUSE_CLUSTER"] == cluster["name"]
    (keepers,) = keeper["spec"]["configuration"]["clusters"]
    hosts = [f"chk-energy-{keepers['name']}-0-{number}" for number in range(keepers["layout"]["replicasCount"])]
    assert [node["host"] for node in server["spec"]["configuration"]["zookeeper"]["nodes"]] == hosts
    for document in (server, keeper):
        spec = document["spec"]
        (template,) = spec["templates"]["podTemplates"]
        (claim,) = spec["templates"]["volumeClaimTemplates"]
        assert spec["defaults"]["templates"] == {
            "podTemplate": template["name"],
            "dataVolumeClaimTemplate": claim["name"],
        }
        port = spec["configuration"]["settings"]["prometheus/port"]
        assert template["metadata"]["annotations"]["prometheus.io/port"] == port


# Dagster's chart


def test_the_chart_is_of_dagsters_own_version() -> None:
    version = re.search(r'"dagster==([\d.]+)"', (ROOT / "pyproject.toml").read_text())[1]
    assert f"--version {version}" in manifests.VALUES.read_text() and f"--version {version}" in PAGE
    libraries = set(re.findall(r'"dagster-(?:k8s|postgres)==([\d.]+)"', (ROOT / "pyproject.toml").read_text()))
    assert len(libraries) == 1


def test_the_chart_says_of_the_instance_what_up_writes() -> None:
    written, told = yaml.safe_load(DAGSTER_YAML.format(artifacts=f"{HOME}/dagster")), values()
    assert written["concurrency"] == {
        "runs": {"max_concurrent_runs": told["concurrency"]["runs"]["maxConcurrentRuns"]},
        "pools": {
            "granularity": told["concurrency"]["pools"]["granularity"],
            "default_limit": told["concurrency"]["pools"]["defaultLimit"],
        },
    }
    monitoring = told["dagsterDaemon"]["runMonitoring"]
    assert written["run_monitoring"] == {
        "enabled": monitoring["enabled"],
        "poll_interval_seconds": monitoring["pollIntervalSeconds"],
    }
    assert told["telemetry"] == written["telemetry"]
    assert told["additionalInstanceConfig"] == {name: written[name] for name in ("local_artifact_storage", "nux")}
    logs = told["computeLogManager"]["config"]["localComputeLogManager"]
    assert logs == {"baseDir": written["compute_logs"]["config"]["base_dir"]}
    assert told["pythonLogs"] == {"managedPythonLoggers": list(LIBRARIES)}


def test_dagsters_page_and_daemon_know_where_the_code_is() -> None:
    (server,) = values()["dagsterWebserver"]["workspace"]["servers"]
    assert server["host"] in of_kind("Service")
    assert server["port"] == of_kind("Service")[server["host"]]["spec"]["ports"][0]["port"]
    assert server["name"] == "energy_assets"
    ports = {probe["httpGet"]["port"] for name, probe in values()["dagsterWebserver"].items() if name.endswith("Probe")}
    assert ports == {values()["dagsterWebserver"]["service"]["port"]}


def test_dagsters_tables_are_where_the_platform_looks_for_them() -> None:
    from energy_assets.embedded.connections import DAGSTER_SCHEMA, connections

    url = "postgresql://energy:x@postgres.example:5432/energy?sslmode=require"
    known = connections(
        Home(Path("/nowhere")), Settings(POSTGRES_URL=url, CLICKHOUSE_URL="http://writer@clickhouse:8123/")
    )
    params = values()["postgresql"]["postgresqlParams"]
    assert params["options"] == f"-csearch_path={DAGSTER_SCHEMA}"
    assert all(f"{name}={value.replace('=', '%3D')}" in known.dagster_dsn for name, value in params.items())


# Runs: the launcher's own code, which is given the values as the chart hands them on, and no cluster


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", name)


def launcher_config(kubeconfig: Path) -> dict[str, Any]:
    """What the chart writes into dagster.yaml of its values; where no cluster is, the file of one that is asked nothing."""
    (told,) = every(values(), "k8sRunLauncher")
    kept = ("volumes", "volumeMounts", "labels", "resources", "securityContext", "imagePullPolicy")
    return {
        "load_incluster_config": False,
        "kubeconfig_file": str(kubeconfig),
        "job_namespace": "energy-assets",
        "service_account_name": values()["serviceAccount"]["name"],
        "job_image": manifests.image_of(told["image"]),
        "dagster_home": values()["global"]["dagsterHome"],
        "instance_config_map": "dagster-instance",
        "postgres_password_secret": values()["global"]["postgresqlSecretName"],
        "env_config_maps": [source["name"] for source in told["envConfigMaps"]],
        "env_secrets": [source["name"] for source in told["envSecrets"]],
        "run_k8s_config": {snake(name): config for name, config in told["runK8sConfig"].items()},
        **{snake(name): told[name] for name in kept},
    }


class Recorder:
    """In the place of the cluster."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []

    def create_namespaced_job_with_retries(self, body: Any, namespace: str) -> None:
        assert namespace == "energy-assets"
        self.jobs.append(kubernetes.client.ApiClient().sanitize_for_serialization(body))


@dg.job
def nothing() -> None:
    """A job to have runs of."""


def launched(tmp_path: Path, tags: dict[str, Any]) -> dict[str, Any]:
    """The Kubernetes job of a run with these tags."""
    file = tmp_path / "kubeconfig"
    cluster = {"clusters": [{"name": "none", "cluster": {"server": "https://127.0.0.1:1"}}]}
    context = {
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
        "current-context": "none",
    }
    file.write_text(yaml.safe_dump(cluster | context | {"users": [{"name": "none", "user": {}}]}))
    told = ConfigurableClassData("dagster_k8s", "K8sRunLauncher", yaml.safe_dump(launcher_config(file)))
    launcher = told.rehydrate(as_type=RunLauncher)
    recorder = launcher._api_client = Recorder()
    pointer = dg._core.code_pointer.ModuleCodePointer("energy_assets.definitions", "defs", HOME)
    origin = RepositoryPythonOrigin("/usr/bin/python", pointer, entry_point=["dagster"])
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        launcher.register_instance(instance)
        run = instance.create_run_for_job(nothing, tags=tags, job_code_origin=JobPythonOrigin("nothing", origin))
        launcher.launch_run(LaunchRunContext(run, workspace=None))
    (job,) = recorder.jobs
    return job


def test_a_runs_pod_is_what_kubernetes_allows_and_starts_dagster(tmp_path) -> None:
    job = launched(tmp_path, {})
    kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["image"] == manifests.image_of(values()["dagsterDaemon"]["image"])
    assert container["command"] == ["/usr/bin/env"]
    assert container["args"][:3] == ["dagster", "api", "execute_run"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("energy-assets", False)
    assert spec["securityContext"]["runAsUser"] == 10001
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels["reaches-stores"] == "yes" and labels["app.kubernetes.io/component"] == "run_worker"
    assert job["spec"]["backoffLimit"] == 0
    assert container["resources"] == next(every(values(), "k8sRunLauncher"))["resources"]


def test_runs_of_a_job_have_the_resources_that_were_set_for_it(tmp_path) -> None:
    set_for = {"daily": {"requests": {"memory": "3Gi"}, "limits": {"memory": "9Gi"}}}
    known = Settings(run_resources=set_for)
    assert pod_tags("landing", known) == {} == pod_tags("daily", Settings())

    @dg.job(tags=pod_tags("daily", known))
    def daily() -> None:
        """As the platform's own: the tag goes from the job to its runs."""

    job = launched(tmp_path, {POD_TAG: daily.tags[POD_TAG]})
    (container,) = job["spec"]["template"]["spec"]["containers"]
    given = next(every(values(), "k8sRunLauncher"))["resources"]
    assert container["resources"] == {
        "requests": given["requests"] | {"memory": "3Gi"},
        "limits": {"memory": "9Gi"},
    }
    assert container["command"] == ["/usr/bin/env"], "the tag took the place of everything else"
