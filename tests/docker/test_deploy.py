"""The kustomize base: valid Kubernetes objects, probed, bounded and without rights; no cluster is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from relsearch.live.service.metrics import Metrics
from tests.conftest import REPOSITORY
from tests.docker.test_docker import DOCKER, last_value
from tests.documentation import blocks

DEPLOY = REPOSITORY / "deploy"
TUTORIAL = REPOSITORY / "docs" / "tutorials" / "platform-engineer.md"
NAMES = ["service", "gateway"]
VERSIONS = ["1.31", "1.37"]


def _objects(name: str) -> dict[str, dict[str, Any]]:
    """The objects of a file by kind."""
    return {each["kind"]: each for each in yaml.safe_load_all((DEPLOY / f"{name}.yaml").read_text(encoding="utf-8"))}


def _kustomization() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text(encoding="utf-8"))
    return found


def _container(name: str) -> dict[str, Any]:
    [found] = _objects(name)["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", NAMES)
def test_every_object_follows_the_schema(name: str, version: str) -> None:
    """Strictly: a key that Kubernetes does not know is an error."""
    objects = _objects(name)
    assert sorted(objects) == ["Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service"]
    for each in objects.values():
        kubernetes_validate.validate(each, version, strict=True)
    broken = objects["Deployment"]
    broken["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(broken, version, strict=True)


def test_the_base_names_every_file() -> None:
    """And the image by the name that the tutorial builds."""
    kustomization = _kustomization()
    files = {path.name for path in DEPLOY.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == files
    assert [each["name"] for each in kustomization["images"]] == ["relsearch-serve"]
    assert {_container(name)["image"] for name in NAMES} == {"relsearch-serve"}


@pytest.mark.parametrize("name", NAMES)
def test_objects_find_each_other(name: str) -> None:
    """Selectors are the pods' labels, ports those that the command opens, targets the deployment."""
    objects, container = _objects(name), _container(name)
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [objects[kind]["spec"]["selector"] for kind in ("Deployment", "PodDisruptionBudget")]
    assert selectors == [{"matchLabels": labels}] * 2
    assert objects["Service"]["spec"]["selector"] == labels
    [port] = container["ports"]
    assert f"--port={port['containerPort']}" in container["args"]
    assert [each["targetPort"] for each in objects["Service"]["spec"]["ports"]] == [port["name"]]
    assert objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == f"relsearch-{name}"


@pytest.mark.parametrize("name", NAMES)
def test_pods_have_no_rights_and_bounded_memory(name: str) -> None:
    """The image's user, no token, no capability, a root that cannot be written; keys come from a secret."""
    pod = _objects(name)["Deployment"]["spec"]["template"]["spec"]
    container = _container(name)
    user = pod["securityContext"]
    assert f"{user['runAsUser']}:{user['runAsGroup']}" == last_value(DOCKER / "Dockerfile.serve", "USER")
    assert user["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    assert all("secretKeyRef" in each["valueFrom"] for each in container["env"])
    assert "--insecure" not in container["args"]


def test_scaling_reads_a_metric_that_the_service_has() -> None:
    """The queue's length, by its name in /metrics."""
    metrics = _objects("service")["HorizontalPodAutoscaler"]["spec"]["metrics"]
    [queue] = [each["pods"]["metric"]["name"] for each in metrics if each["type"] == "Pods"]
    assert f"\n{queue} " in Metrics().exposition().decode()


def test_the_tutorial_deploys_what_there_is() -> None:
    """Its secret has the keys that pods read; the overlay of platform-engineer.md patches the arguments it means."""
    wanted = {each["valueFrom"]["secretKeyRef"]["key"] for name in NAMES for each in _container(name)["env"]}
    [lines, overlay] = [each for each in blocks(TUTORIAL) if each.kind.endswith(Path(__file__).name)]
    assert all(f"--from-literal={key}=" in lines.text for key in wanted)
    [patch] = yaml.safe_load(overlay.text)["patches"]
    arguments = _container(patch["target"]["name"].removeprefix("relsearch-"))["args"]
    for each in yaml.safe_load(patch["patch"]):
        place = int(each["path"].rpartition("/")[2])
        assert arguments[place].partition("=")[0] == each["value"].partition("=")[0]
