"""Settings of where work is done."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from relsearch.core.settings.section import Section

On = Literal["here", "ray"]


class RunConfig(Section):
    """Where labels are made: in this process, or on the workers of a Ray cluster."""

    on: On = Field("here", description="here, or ray: on this machine or the cluster of RAY_ADDRESS")
    worker_cpus: float = Field(1.0, gt=0, description="cores of each Ray worker; it computes with as many threads")
    worker_gpus: float = Field(0.0, ge=0, description="GPUs of each Ray worker; 0.5 puts two workers on one")
