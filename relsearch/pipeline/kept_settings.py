"""The settings that a run folder was made with, kept in it, so that a report needs the folder alone."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from relsearch.core.errors import ArtifactError
from relsearch.core.files.atomic import replace_text
from relsearch.core.settings.config import Config

SETTINGS = "settings.json"


def write_settings(config: Config) -> None:
    """Write the settings into the output folder."""
    config.output.mkdir(parents=True, exist_ok=True)
    replace_text(config.output / SETTINGS, config.model_dump_json(indent=1) + "\n")


def read_settings(folder: Path) -> Config:
    """Return the settings of a run folder, wherever it stands now; raise ArtifactError where it holds none."""
    path = folder / SETTINGS
    try:
        config = Config.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise ArtifactError(
            f"{folder}: not a run folder; run `relsearch run`, which writes {SETTINGS} into it"
        ) from exc
    except ValidationError as exc:
        raise ArtifactError(f"{path}: damaged, or of another version; run `relsearch run` again") from exc
    return config.model_copy(update={"output": folder})
