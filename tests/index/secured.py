"""A real Elasticsearch that speaks TLS, asks for a client certificate, and knows one user."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

USER, PASSWORD = "librarian", "hidden-stacks-71"
_SECURITY = """
xpack.security.enabled: true
xpack.security.autoconfiguration.enabled: false
xpack.security.http.ssl.enabled: true
xpack.security.http.ssl.key: http.key
xpack.security.http.ssl.certificate: http.crt
xpack.security.http.ssl.certificate_authorities: [ca.crt]
xpack.security.http.ssl.client_authentication: required
"""
_PATIENCE_S = 240
_NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files of one authority, a server on this machine, and a client."""

    authority: Path
    server: Path
    server_key: Path
    client: Path


def certificates(folder: Path) -> Certificates:
    """Make an authority and what it signs."""
    authority = trustme.CA()
    server, client = authority.issue_cert("localhost"), authority.issue_cert("client@example.org")
    made = Certificates(folder / "ca.crt", folder / "http.crt", folder / "http.key", folder / "client.pem")
    authority.cert_pem.write_to_path(str(made.authority))
    server.private_key_pem.write_to_path(str(made.server_key))
    for blob in server.cert_chain_pems:
        blob.write_to_path(str(made.server), append=True)
    client.private_key_and_cert_chain_pem.write_to_path(str(made.client))
    return made


@contextmanager
def secured_elasticsearch(servers: Path, made: Certificates) -> Iterator[str]:
    """Yield its https URL, once it answers the user."""
    start = _starter(servers)
    home, java, port = start.unpack("elasticsearch-9.4.3"), start.find_java(21, 99), start.free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        data = Path(folder)
        data.chmod(0o755)
        command, variables = start.elasticsearch(home, java, data, port, "512m")
        _secure(data / "config", made)
        drop: dict[str, Any] = {}
        if os.getuid() == 0:  # Elasticsearch refuses to run as root
            subprocess.run(["chown", "-R", f"{_NOBODY}:{_NOBODY}", folder], check=True)
            drop = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        env = {name: value for name, value in os.environ.items() if not name.startswith(("ES_", "JAVA_", "RELSEARCH_"))}
        options = {"cwd": home, "stdin": subprocess.PIPE, "env": {**env, "HOME": folder, **variables}, **drop}
        with (data / "out").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, **options) as process:
            try:
                _wait(f"https://localhost:{port}", made, process, data / "out")
                yield f"https://localhost:{port}"
            finally:
                process.terminate()


def _starter(servers: Path) -> Any:
    spec = importlib.util.spec_from_file_location("start", servers / "start.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _secure(config: Path, made: Certificates) -> None:
    for file in (made.authority, made.server, made.server_key):
        shutil.copy(file, config)
    settings = config / "elasticsearch.yml"
    kept = settings.read_text().replace("xpack.security.enabled: false\n", "")
    settings.write_text(kept + _SECURITY)
    digest = base64.b64encode(hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).digest()).decode()
    (config / "users").write_text(f"{USER}:{{SHA}}{digest}\n")
    (config / "users_roles").write_text(f"superuser:{USER}\n")


def _wait(url: str, made: Certificates, process: subprocess.Popen[bytes], log: Path) -> None:
    context = ssl.create_default_context(cafile=str(made.authority))
    context.load_cert_chain(str(made.client))
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    request = urllib.request.Request(
        f"{url}/_cluster/health?wait_for_status=yellow", headers={"Authorization": f"Basic {token}"}
    )
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        try:
            urllib.request.urlopen(request, timeout=10, context=context).close()
            return
        except (urllib.error.URLError, OSError) as exc:
            if process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"{exc}: {log.read_text()[-1500:]}") from exc
            time.sleep(0.3)
