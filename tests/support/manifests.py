"""deploy/kubernetes as a cluster would be given it: the manifests of the kustomization, and the values of Dagster's chart.

What belongs here: reading, and what a pod is wherever one is described. What does not: what should stand in them (tests/unit/test_kubernetes.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
VALUES = FOLDER / "dagster-values.yaml"
OPERATOR_VALUES = FOLDER / "operator-values.yaml"
OPERATORS = ("clickhouse.altinity.com/v1", "clickhouse-keeper.altinity.com/v1")
CHART = ("dagsterWebserver", "dagsterDaemon")


@dataclass(frozen=True)
class Pod:
    """What is said of a pod, by whichever file says it."""

    name: str
    labels: dict[str, str]
    spec: dict[str, Any]
    is_ours: bool
    """Whether its programs are this project's: then more can be asked of it."""

    @property
    def containers(self) -> list[dict[str, Any]]:
        return self.spec["containers"]


@cache
def kustomization() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "kustomization.yaml").read_text())


@cache
def values() -> dict[str, Any]:
    return yaml.safe_load(VALUES.read_text())


@cache
def documents() -> tuple[dict[str, Any], ...]:
    """Every object that `kubectl apply -k` sends, before images are renamed."""
    return tuple(
        document
        for name in kustomization()["resources"]
        for document in yaml.safe_load_all((FOLDER / name).read_text())
    )


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """The objects of a kind, by name."""
    return {document["metadata"]["name"]: document for document in documents() if document["kind"] == kind}


def pods() -> Iterator[Pod]:
    """Every pod that comes to be: of our manifests, of the operator's, of the chart and of runs."""
    for document in documents():
        name = document["metadata"]["name"]
        if document["kind"] in ("Deployment", "Job"):
            template = document["spec"]["template"]
            yield Pod(name, template["metadata"]["labels"], template["spec"], is_ours=name != "redis")
        elif document["apiVersion"] in OPERATORS:
            (template,) = document["spec"]["templates"]["podTemplates"]
            kind = "chi" if document["kind"] == "ClickHouseInstallation" else "chk"
            yield Pod(template["name"], {f"{document['apiVersion'][:-3]}/{kind}": name}, template["spec"], False)
    for part in CHART:
        yield _of_chart(part)
    yield _of_runs()


def _of_chart(part: str) -> Pod:
    told = values()[part]
    component = "dagster-" + part.removeprefix("dagster").lower()
    container = {
        "name": part,
        "image": image_of(told["image"]),
        "volumeMounts": told["volumeMounts"],
        "securityContext": told["securityContext"],
        "resources": told["resources"],
        "env": told["env"],
    }
    spec = {"securityContext": told["podSecurityContext"], "volumes": told["volumes"], "containers": [container]}
    return Pod(component, {"component": component}, spec, is_ours=True)


def _of_runs() -> Pod:
    told = values()["runLauncher"]["config"]["k8sRunLauncher"]
    container = {
        "name": "run",
        "image": image_of(told["image"]),
        "volumeMounts": told["volumeMounts"],
        "securityContext": told["securityContext"],
        "resources": told["resources"],
        "envFrom": [
            *({"configMapRef": source} for source in told["envConfigMaps"]),
            *({"secretRef": source} for source in told["envSecrets"]),
        ],
    }
    spec = told["runK8sConfig"]["podSpecConfig"] | {"volumes": told["volumes"], "containers": [container]}
    return Pod("run", told["labels"] | {"app.kubernetes.io/component": "run_worker"}, spec, is_ours=True)


def image_of(image: dict[str, str]) -> str:
    return f"{image['repository']}:{image['tag']}"
