"""Put the encoder judge that benchmarks.judges.quality tuned into the package, as the ready judge.

`python -m benchmarks.judges.ready [--output runs/judge-quality]` exports it to ONNX, held to torch's grades on the
held-out queries, and copies card, adapter, head and graphs; the held-out scores stay behind. Needs
RELSEARCH_COLLECTIONS and RELSEARCH_MODELS.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from benchmarks.folders import use_models
from benchmarks.judges.data import training_halves
from benchmarks.judges.variants import ENCODER, folder_of
from relsearch.core.query_pool import pools_of
from relsearch.exporters.bundle.judge import export_judge
from relsearch.judge.judge_card import SHIPPED

_POOLS = 3  # held-out queries that the graphs are held to torch on


def main() -> None:
    """Export beside the tuned judge, then copy over what ships."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/judge-quality"))
    source = folder_of(parser.parse_args().output, ENCODER) / "judge"
    use_models()
    exported = source.with_name("judge-onnx")
    manifest = export_judge(source, exported, pools=pools_of(training_halves()[1].pairs)[:_POOLS])
    print(f"grades as in torch: {manifest.figures['same_grades']:.1%}")
    shutil.copytree(exported, SHIPPED, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
