"""The RayJob of deploy/ray: its pods are valid, without rights and bounded, and its command is one of relsearch."""

from __future__ import annotations

import shlex
from typing import Any

import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement
from typer.main import get_command

from relsearch.cli import app
from tests.conftest import REPOSITORY
from tests.docker.test_deploy import VERSIONS
from tests.test_layout import PYPROJECT

JOB: dict[str, Any] = yaml.safe_load((REPOSITORY / "deploy" / "ray" / "job.yaml").read_text(encoding="utf-8"))
CLUSTER: dict[str, Any] = JOB["spec"]["rayClusterSpec"]
GROUPS: list[dict[str, Any]] = [CLUSTER["headGroupSpec"], *CLUSTER["workerGroupSpecs"]]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("group", GROUPS)
def test_pods_follow_the_schema(group: dict[str, Any], version: str) -> None:
    """Strictly: a key that Kubernetes does not know is an error."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}, "spec": group["template"]["spec"]}
    kubernetes_validate.validate(pod, version, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError, match="volume"):
        kubernetes_validate.validate({**pod, "spec": {**pod["spec"], "volume": []}}, version, strict=True)


@pytest.mark.parametrize("group", GROUPS)
def test_pods_have_no_rights_and_see_the_same_files(group: dict[str, Any]) -> None:
    """No root, no token, no capability, bounded memory; the data stands at one path on every machine."""
    pod = group["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert container["resources"]["limits"]["memory"]
    assert {each["mountPath"]: each["name"] for each in container["volumeMounts"]}["/data"] == "data"


def test_the_job_runs_a_verb_on_ray() -> None:
    """With options that it has, paths in /data, a worker that fits a machine, and a Ray that the extra allows."""
    program, verb, *words = shlex.split(JOB["spec"]["entrypoint"])
    assert program == "relsearch"
    command = get_command(app).commands[verb]  # type: ignore[attr-defined]
    options = command.make_context(verb, words).params
    assert options["on"] == "ray"
    assert all(str(options[name]).startswith("/data/") for name in ("source", "collection", "output"))
    head, *workers = GROUPS
    assert head["rayStartParams"]["num-cpus"] == "0"
    assert all(int(group["rayStartParams"]["num-cpus"]) >= options["worker_cpus"] for group in workers)
    (ray,) = map(Requirement, PYPROJECT["project"]["optional-dependencies"]["ray"])
    assert CLUSTER["rayVersion"] in ray.specifier
