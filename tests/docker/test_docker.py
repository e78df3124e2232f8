"""The images and the compose file: linted, and read by parsers for what they promise; no Docker engine is needed."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from dockerfile_parse import DockerfileParser
from packaging.requirements import Requirement

from tests.conftest import REPOSITORY
from tests.documentation import blocks

DOCKER = REPOSITORY / "docker"
DOCKERFILES = sorted(DOCKER.glob("Dockerfile.*"))
OURS = ["gateway", "service"]
TORCH = {"torch", "transformers", "sentence-transformers", "peft", "optimum", "optimum-onnx", "accelerate", "datasets"}


def _instructions(path: Path) -> list[tuple[str, str]]:
    parser = DockerfileParser(fileobj=io.BytesIO(path.read_bytes()))
    return [(each["instruction"], each["value"]) for each in parser.structure if each["instruction"] != "COMMENT"]


def _extras(path: Path) -> set[str]:
    """The extras that an image installs: named in place, or by the default of an argument."""
    text = path.read_text(encoding="utf-8")
    (named,) = re.findall(r"(?:/src|\.whl\))\[([\w,$]+)\]", text)
    if named == "$EXTRAS":
        (named,) = re.findall(r"^ARG EXTRAS=([\w,]+)$", text, re.MULTILINE)
    return set(named.split(","))


def last_value(path: Path, name: str) -> str:
    """Return the value of a Dockerfile's last instruction of this name."""
    return [value for instruction, value in _instructions(path) if instruction == name][-1]


def _compose() -> dict[str, Any]:
    text = (DOCKER / "compose.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{(\w+):\?[^}]*}", r"/given/\1", text))
    return loaded


def _health(service: dict[str, Any]) -> list[str]:
    return list(service["healthcheck"]["test"]) if "healthcheck" in service else []


@pytest.fixture
def services() -> dict[str, Any]:
    """The services of the compose file, with its variables given."""
    found: dict[str, Any] = _compose()["services"]
    return found


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_a_dockerfile_has_nothing_to_lint(path: Path) -> None:
    """hadolint, with shellcheck on what RUN runs, finds no fault."""
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_does_not_run_as_root(path: Path) -> None:
    """The last user is a number, which Kubernetes can check, and is not 0; nothing runs as root after it."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last_value(path, "USER"))
    names = [name for name, _ in _instructions(path)]
    assert "RUN" not in names[len(names) - names[::-1].index("USER") :]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_installs_extras_that_exist_and_no_secret(path: Path) -> None:
    """A misspelt extra would install nothing, with a warning only."""
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    assert _extras(path) <= set(extras)
    assert not [value for name, value in _instructions(path) if name in ("ENV", "ARG") and "KEY" in value]


def test_the_serving_image_has_no_torch() -> None:
    """Neither the base dependencies nor its extras name torch or what brings it; only the built environment is kept."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    path = DOCKER / "Dockerfile.serve"
    wanted = [*project["dependencies"]]
    for extra in [*_extras(path), "openvino"]:  # which its first lines offer
        wanted += project["optional-dependencies"][extra]
    packages = {Requirement(each).name.lower() for each in wanted}
    assert packages
    assert not packages & TORCH
    assert "relsearch" not in packages  # an extra of ours could bring it back
    stages = path.read_text(encoding="utf-8").split("\nFROM ")
    assert len(stages) == 3
    assert "pip" not in stages[-1]
    assert "pip wheel" in stages[1]  # what is installed is the wheel, as from an index


def test_the_serving_image_is_the_service_and_is_probed() -> None:
    """It serves by default, and its health check asks the port it serves."""
    path = DOCKER / "Dockerfile.serve"
    command = [*json.loads(last_value(path, "ENTRYPOINT")), *json.loads(last_value(path, "CMD"))]
    assert command == ["relsearch", "serve", "--bundle=/bundle", "--host=0.0.0.0", "--port=8080"]
    assert "http://127.0.0.1:8080/health" in last_value(path, "HEALTHCHECK")
    probe = json.loads(last_value(path, "HEALTHCHECK").partition("CMD")[2])
    assert probe[:2] == ["python", "-c"]
    compile(probe[2], "health check", "exec")


def test_the_compose_file_follows_the_specification() -> None:
    """The specification's own model reads it, finds three services, and would find a misspelt key."""
    compose = {name: value for name, value in _compose().items() if not name.startswith("x-")}
    assert sorted(PyCompose.from_yaml(yaml.safe_dump(compose)).service_names()) == ["elasticsearch", *OURS]
    compose["services"]["gateway"]["dependson"] = compose["services"]["gateway"].pop("depends_on")
    with pytest.raises(ValueError, match="dependson"):
        PyCompose.from_yaml(yaml.safe_dump(compose))


def test_every_service_is_probed_and_reached_from_this_machine_alone(services: dict[str, Any]) -> None:
    """Health checks stand in the compose file or the image; ports are published on 127.0.0.1."""
    for name, service in services.items():
        assert _health(service) or name == "service", name
        assert service["ports"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_on_a_read_only_root_as_nobody_special(services: dict[str, Any], name: str) -> None:
    """Only /tmp can be written, the bundle cannot, and the user is the image's."""
    service = services[name]
    assert service["read_only"] is True
    assert [each.partition(":")[0] for each in service["tmpfs"]] == ["/tmp"]  # noqa: S108 - in the container
    assert service["user"] == last_value(DOCKER / "Dockerfile.serve", "USER")
    assert [(each["target"], each["read_only"]) for each in service["volumes"]] == [("/bundle", True)]
    assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("name", OURS)
def test_commands_listen_where_the_ports_lead(services: dict[str, Any], name: str) -> None:
    """The published port is the one that the command and the health check name."""
    service = services[name]
    _, outer, inner = service["ports"][0].split(":")
    verb, *options = service["command"]
    assert verb == {"service": "serve", "gateway": "gateway"}[name]
    assert f"--port={inner}" in options
    assert {"--host=0.0.0.0", "--bundle=/bundle"} <= set(options)
    assert outer == inner
    probe = " ".join(_health(service)) or last_value(DOCKER / "Dockerfile.serve", "HEALTHCHECK")
    assert f"http://127.0.0.1:{inner}/" in probe


def test_the_service_has_a_key_and_the_gateway_waits_for_its_engine(services: dict[str, Any]) -> None:
    """No default key; the gateway's upstream is the service's name, and healthy before it starts."""
    raw = (DOCKER / "compose.yml").read_text(encoding="utf-8")
    assert re.search(r"RELSEARCH_API_KEY: \$\{RELSEARCH_API_KEY:\?", raw)
    assert "--upstream=http://elasticsearch:9200" in services["gateway"]["command"]
    assert services["gateway"]["depends_on"] == {"elasticsearch": {"condition": "service_healthy"}}


def test_the_build_context_leaves_out_what_is_not_installed() -> None:
    """Neither history nor environments nor data of runs are sent to the builder."""
    ignored = set((REPOSITORY / ".dockerignore").read_text(encoding="utf-8").split())
    assert {".git", ".venv", "runs"} <= ignored
    for path in DOCKERFILES:
        for name, value in _instructions(path):
            if name == "COPY" and "--from" not in value:
                assert shlex.split(value) == [".", "/src"]


def test_the_tutorial_starts_what_there_is() -> None:
    """The lines of platform-engineer.md name the files, the variables and the port that the image and compose use."""
    page = REPOSITORY / "docs" / "tutorials" / "platform-engineer.md"
    text = "".join(each.text for each in blocks(page) if each.kind.endswith(Path(__file__).name))
    for path in re.findall(r"-f (\S+)", text):
        assert (REPOSITORY / path).is_file()
    compose = (DOCKER / "compose.yml").read_text(encoding="utf-8")
    assert all(f"${{{name}:?" in compose for name in re.findall(r"(RELSEARCH_\w+)=\S+(?= .*compose)", text))
    assert f"127.0.0.1:{last_value(DOCKER / 'Dockerfile.serve', 'EXPOSE')}" in text
    assert "COPY --chmod=a+rX minilm /bundle" in text
    assert "--bundle=/bundle" in last_value(DOCKER / "Dockerfile.serve", "CMD")
