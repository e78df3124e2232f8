"""Put the encoder judge that benchmarks.judges.quality tuned into the package, as the ready judge.

`python -m benchmarks.judges.ready [--output runs/judge-quality]` copies card, adapter and head; the held-out scores
stay behind.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from benchmarks.judges.variants import ENCODER, folder_of
from relsearch.judge.judge_card import ADAPTER, CARD, HEAD
from relsearch.judge.registry import READY, judge_folder

FILES = (f"{ADAPTER}/adapter_model.safetensors", f"{ADAPTER}/adapter_config.json", f"{ADAPTER}/{HEAD}", CARD)


def main() -> None:
    """Copy file by file, the card last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("runs/judge-quality"))
    source = folder_of(parser.parse_args().output, ENCODER) / "judge"
    target = judge_folder(READY)
    for name in FILES:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)


if __name__ == "__main__":
    main()
