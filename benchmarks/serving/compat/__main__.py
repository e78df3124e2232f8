"""Which unmodified clients work against the service and the gateway.

`python -m benchmarks.serving.compat [--environments .venv/compat]` installs the clients, in as many environments as
their pins need, starts `relsearch serve`, a real Elasticsearch and a real OpenSearch behind `relsearch gateway`, and
makes each client's calls. Needs RELSEARCH_SERVERS, npm, and a package index. Its table is in docs/serving.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.record import record
from benchmarks.serving.engines import NAMES, engine, started
from relsearch.core.display.text_table import table

HERE = Path(__file__).resolve().parent
ENVIRONMENTS: Mapping[str, Sequence[str]] = {
    "cohere": ("cohere",),
    "rerank": ("cohere", "voyageai", "litellm", "langchain-cohere", "langchain-community", "rerankers[api]"),
    "frameworks": (
        "llama-index-postprocessor-tei-rerank",
        "llama-index-postprocessor-cohere-rerank",
        "llama-index-postprocessor-jinaai-rerank",
        "huggingface-api-haystack",
        "cohere-haystack",
        "jina-haystack",
    ),
    "search": ("elasticsearch[async]>=9,<10", "opensearch-py[async]>=3,<4"),
    "elasticsearch-8": ("langchain-elasticsearch", "elasticsearch[async]>=8,<9"),
}
PACKAGES = ("@elastic/elasticsearch", "@opensearch-project/opensearch", "cohere-ai", "searchkit", "@searchkit/api")
TEXTS = (
    "How long is green, how long is tea, how long is how.",
    "Tea that is green is green tea, and green tea is green.",
    "Green tea is steeped for two minutes in water of 80 degrees.",
    "Long leaves of tea are dried.",
)
_RULES = "[index.tea]\nbudget_ms = 20000\noriginal = true\n"
_RELSEARCH = (sys.executable, "-c", "from relsearch.cli import main; main()")


def main() -> None:
    """Install, call, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environments", type=Path, default=Path(".venv/compat"), help="where the clients are put")
    options = parser.parse_args()
    pythons = [_environment(options.environments / name, needs) for name, needs in ENVIRONMENTS.items()]
    packages = options.environments / "npm"
    packages.mkdir(parents=True, exist_ok=True)
    subprocess.run(["npm", "install", "--silent", *PACKAGES], cwd=packages, check=True)
    rows: list[dict[str, Any]] = []
    with _service() as service:
        for python in pythons:
            rows += _called([python, str(HERE / "rerank_calls.py"), service])
        for name in NAMES:
            with engine(name) as url, _gateway(url) as gateway:
                _fill(url)
                for python in pythons:
                    rows += _called([python, str(HERE / "search_calls.py"), gateway, name])
                rows += _called(["node", str(HERE / "calls.mjs"), service, gateway, url, name], folder=packages)
    record("compat", {"calls": rows, "works": sum(row["works"] for row in rows), "of": len(rows)})
    heads = ["client", "version", "called", "works", "said"]
    print(table(heads, [[str(row[head]) for head in heads] for row in rows]))


def _environment(folder: Path, needs: Sequence[str]) -> str:
    """Return the Python of an environment that has the packages."""
    python = folder / "bin/python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *needs], check=True)
    return str(python.absolute())


@contextmanager
def _service() -> Iterator[str]:
    command = [*_RELSEARCH, "serve", "--bundle", "ready", "--port", "0", "--timeout-s", "60"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = process.stderr or ()
            yield next(word for line in lines for word in line.replace('"', " ").split() if word.startswith("http://"))
        finally:
            process.terminate()


@contextmanager
def _gateway(url: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "gateway.toml"
        rules.write_text(_RULES, encoding="utf-8")
        options = ["--bundle", "ready", "--upstream", url, "--port", "0", "-c", str(rules)]
        with started([*_RELSEARCH, "gateway", *options]) as through:
            yield through


def _fill(url: str) -> None:
    lines = [line for n, text in enumerate(TEXTS) for line in ({"index": {"_id": str(n)}}, {"text": text})]
    content = "".join(json.dumps(line) + "\n" for line in lines)
    headers = {"Content-Type": "application/x-ndjson"}
    httpx.post(f"{url}/tea/_bulk?refresh=true", content=content, headers=headers).raise_for_status()


def _called(command: Sequence[str], *, folder: Path | None = None) -> list[dict[str, Any]]:
    """The lines of JSON that a program of calls prints; the clients' own chatter goes by."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for row in rows:
        print("ok  " if row["works"] else "FAIL", row["client"], row["version"], row["called"], row["said"], flush=True)
    return rows


if __name__ == "__main__":
    main()
