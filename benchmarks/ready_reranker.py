"""Put the augmented bundle of benchmarks.chain_trec_dl into the package, as the ready reranker.

`python -m benchmarks.ready_reranker [--chain runs/trec-dl] [--base intfloat/e5-small-v2]` takes int8, and refuses
another variant: 33 MB travel with the package, 133 would not.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from relsearch.rerank.bundle import MANIFEST, MODEL, SHIPPED, TOKENIZER, open_bundle, seal

FILES = (MODEL, TOKENIZER)


def main() -> None:
    """Copy graph and tokenizer, and seal them under the base's public name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--chain", type=Path, default=Path("runs/trec-dl"))
    parser.add_argument("--arm", default="augmented")
    parser.add_argument("--base", default="intfloat/e5-small-v2")
    arguments = parser.parse_args()
    bundle = open_bundle(arguments.chain / "export" / arguments.arm)
    if bundle.manifest.variant != "int8":
        raise SystemExit(f"{bundle.folder}: {bundle.manifest.variant}; {bundle.manifest.figures['reason']}")
    SHIPPED.mkdir(exist_ok=True)
    (SHIPPED / MANIFEST).unlink(missing_ok=True)
    for name in FILES:
        shutil.copyfile(bundle.folder / name, SHIPPED / name)
    seal(SHIPPED, bundle.manifest.model_copy(update={"base": arguments.base}))


if __name__ == "__main__":
    main()
