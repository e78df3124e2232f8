"""The packaged demo, recorded: `python -m benchmarks.rerankers.demo`.

Prints what `relsearch demo` prints, and writes benchmarks/results/demo.json if no stage was skipped, which `make demo`
leaves alone. Its table is in benchmarks/rerankers.md.
"""

from __future__ import annotations

import argparse
import resource
import sys
from pathlib import Path

from benchmarks.record import record
from relsearch.pipeline.demo.show import to_json, to_text
from relsearch.pipeline.demo.study import demo_config, run_demo


def main() -> None:
    """Run the demo, print its tables, record a run that was whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="where artefacts go; default: runs/demo")
    arguments = parser.parse_args()
    config = demo_config()
    if arguments.output:
        config = config.model_copy(update={"output": arguments.output})
    found = run_demo(config, say=lambda line: print(line, file=sys.stderr, flush=True))
    print(to_text(found))
    if found.clock.whole:
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        record("demo", {**to_json(found), "peak_mb": peak_mb}, seed=config.seed)


if __name__ == "__main__":
    main()
