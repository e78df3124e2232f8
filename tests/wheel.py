"""Build the wheel, install it into a clean virtual environment and use it there: `python -m tests.wheel`.

It has to be smaller than what PyPI takes of a file.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

MOST_BYTES = 100 * 1024 * 1024
PROBE = """
import sys
import relsearch.cli, relsearch.index, relsearch.exporters, relsearch.rerank.cross.onnx_scorer
heavy = {"torch", "transformers", "sentence_transformers"} & set(sys.modules)
assert not heavy, heavy
assert "site-packages" in relsearch.index.__file__, relsearch.index.__file__
from relsearch.data.collection import load_collection
assert len(load_collection("demo").queries()) > 200
from relsearch.core.query_pool import QueryPool
from relsearch.judge.tuned import load_judge
(labels,) = load_judge("ready").judge([QueryPool("q", "how tall is it", ("a",), ("It is nine metres tall.",))])
assert labels[0].grade is not None, labels
"""


def main() -> None:
    """Fail with the command's own status where building, installing or importing fails."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "build", "--outdir", name], check=True, stdout=subprocess.DEVNULL)
        venv.create(folder / "venv", with_pip=True)
        python = str(folder / "venv" / "bin" / "python")
        wheel = next(folder.glob("*.whl"))
        if (size := wheel.stat().st_size) >= MOST_BYTES:
            raise SystemExit(f"{wheel.name}: {size:,} bytes; PyPI takes fewer than {MOST_BYTES:,}")
        subprocess.run([python, "-m", "pip", "install", "-q", str(wheel)], check=True)
        subprocess.run([python, "-c", PROBE], check=True, cwd=name)
        subprocess.run([str(folder / "venv" / "bin" / "relsearch"), "--version"], check=True, cwd=name)


if __name__ == "__main__":
    main()
