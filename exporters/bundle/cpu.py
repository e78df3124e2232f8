"""The processor's name, and those of its flags that decide which arithmetic is fast."""

from __future__ import annotations

from pathlib import Path

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16", "amx_int8", "asimd", "bf16", "i8mm")


def cpu_flags() -> tuple[str, ...]:
    """Return those of FLAGS that this processor has; none where the system does not tell."""
    fields = _fields()
    present = set(fields.get("flags", fields.get("Features", "")).split())
    return tuple(flag for flag in FLAGS if flag in present)


def cpu_name() -> str:
    """Return what the processor calls itself; "unknown" where the system does not tell."""
    return _fields().get("model name", "unknown")


def _fields() -> dict[str, str]:
    """What Linux tells of one core."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
