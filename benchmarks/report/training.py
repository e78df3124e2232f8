"""The table of training in two processes against one."""

from __future__ import annotations

from typing import Any

from benchmarks.report.markdown import section, table

TRAINED = {
    "one": "one process, one core",
    "two": "two processes, a core each",
}


def torchrun(figures: dict[str, Any]) -> str:
    """The losses of one process and of two, how far they are apart, and what each way took."""
    arms = figures["arms"]
    rows = [
        [
            name,
            *(f"{arms[key][part]:.1f}" for part in ("wall_s", "training_s", "cpu_s")),
            *(f"{loss:.6f}" for _, loss in _few(arms[key]["losses"])),
        ]
        for key, name in TRAINED.items()
    ]
    steps = [step for step, _ in _few(arms["one"]["losses"])]
    facts = [
        ["largest difference of a step's loss, to six decimals", f"{figures['largest_loss_difference']:.1g}"],
        ["largest difference of a weight", f"{figures['largest_weight_difference']:.1g}"],
    ]
    return section(
        f"The late-interaction model, trained on the demo's human labels in {figures['steps']} steps of "
        f"{figures['lists_per_step']} lists, which two processes share by torchrun and gloo; training is the time from "
        "the first evaluation to the last, CPU time that of all processes from start to end. The load average before "
        f"was {figures['load_before']:.1f}: what else ran slowed both.",
        "\n\n".join(
            (
                table(["where", "s", "training, s", "CPU s", *(f"loss, step {step}" for step in steps)], rows),
                table(["figure", "value"], facts),
            )
        ),
        figures,
    )


def _few(values: list[Any]) -> tuple[Any, Any, Any]:
    """The first, the middle and the last value."""
    return values[0], values[len(values) // 2], values[-1]
