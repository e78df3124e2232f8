"""Any judge by its name: the ready one, a folder, an untuned model, an endpoint, a reranker; alike for every caller."""

from __future__ import annotations

from pathlib import Path

from relsearch.core.errors import ConfigError
from relsearch.core.extras import TORCH, check_packages
from relsearch.core.files.atomic import checksum
from relsearch.core.plugins import Group, has_plugin, load_plugin, open_plugin, plugin_names
from relsearch.core.protocols import Judge
from relsearch.core.settings.config import Config
from relsearch.core.settings.judge import check_frozen
from relsearch.core.types import Scale, StrPath
from relsearch.data.trec import read_labels
from relsearch.encoders.model_source import check_model, model_folder
from relsearch.judge.judge_card import SHIPPED, content, read_card
from relsearch.judge.models.prompt import load_prompt
from relsearch.judge.onnx.manifest import is_exported
from relsearch.judge.teacher import PoolShareJudge, check_teacher, is_teacher, open_teacher, teacher_content
from relsearch.judge.wrappers.average import mean_of
from relsearch.judge.wrappers.binary import BinaryJudge

_TITLE_LINE = "{title}\n"
PLUGINS: Group = "relsearch.judges"
_NEEDS = ("fingerprint", "scale", "truncated", "judge", "context")
READY, TUNED, ZERO_SHOT, REMOTE, RERANKER = "ready", "tuned", "zero-shot", "remote", "reranker"
LEARNING = (TUNED, RERANKER)  # from the human labels of the pipeline that they judge for
_BUILT_IN = (TUNED, ZERO_SHOT, REMOTE, RERANKER)


def open_judge(config: Config, *, tuned: StrPath | None = None, keep: StrPath | None = None) -> Judge:
    """Return the judge that `[label] judge` names, or the mean of those, over windows where `[label]` asks for them.

    `tuned` is where this pipeline's own judge stands, `keep` a folder where vectors outlive the process. Raise
    ConfigError where the name leads nowhere or the judge grades on another scale than the collection's, but for a
    collection of two grades: relevant is then what the judge's own scale calls so.
    """
    if len(config.label.judges) > 1:
        return mean_of([open_judge(each, tuned=tuned, keep=keep) for each in by_judge(config)])
    judge = _open(config, tuned, keep)
    if not _on_scale(judge.scale, config):
        judge = BinaryJudge(judge, config.scale)
    if config.label.window_characters is None:
        return judge
    from relsearch.judge.wrappers.windows import WindowedJudge

    return WindowedJudge(
        judge,
        characters=config.label.window_characters,
        overlap=config.label.window_overlap,
        title=config.label.window_title if config.collection.template.startswith(_TITLE_LINE) else 0,
        max_windows=config.label.max_windows,
        combine=config.label.window_combine,
    )


def by_judge(config: Config) -> list[Config]:
    """Return the config once for each judge that `[label] judge` names, with that judge alone."""
    one = [config.label.model_copy(update={"judge": name}) for name in config.label.judges]
    return [config.model_copy(update={"label": label}) for label in one]


def check_judge(config: Config) -> None:
    """Raise what open_judge would, as far as it shows without loading a model or asking an endpoint.

    That includes MissingExtraError where the judge needs packages that are not installed.
    """
    if len(config.label.judges) > 1:
        for each in by_judge(config):
            check_judge(each)
        return
    name = config.label.judge
    if name == ZERO_SHOT:
        check_packages("an untuned judge", "train", TORCH)
        check_model(config.judge.base)
        load_prompt(config.judge.prompt)
    elif name == REMOTE:
        check_packages("a remote judge", "remote", ("httpx", "stamina"))
        from relsearch.judge.remote.remote_judge import check_remote

        check_remote(config.remote)
    elif is_teacher(name):
        check_teacher(name)
    elif _plugged_in(name):
        load_plugin(PLUGINS, name)
    elif _is_file(name):
        read_labels(name, config.scale)
    else:
        folder = _existing(judge_folder(name), name)
        _on_scale(read_card(folder).scale, config)
        if not is_exported(folder):
            check_packages(f"judge {name!r}, which is not exported to ONNX,", "train", TORCH)


def check_tuning(config: Config) -> None:
    """Raise ConfigError where a judge could not be tuned with this prompt, or its base not be read as it is."""
    check_frozen(config.judge, config.tune)
    load_prompt(config.judge.prompt)


def judge_folder(name: StrPath) -> Path:
    """Return a judge's folder by its name, `ready` or a path, as relsearch.encoders.model_source.model_folder does."""
    return model_folder(name, ready=SHIPPED)


def judge_content(name: str) -> str | None:
    """Return a hash of a judge's file or folder, None for a name that leads to neither; raise as open_judge."""
    if _is_file(name):
        return checksum(Path(name))
    if is_teacher(name):
        return teacher_content(name)
    if name in _BUILT_IN or _plugged_in(name):
        return None
    return content(_existing(judge_folder(name), name))


def _open(config: Config, tuned: StrPath | None, keep: StrPath | None) -> Judge:
    name = config.label.judge
    if name == ZERO_SHOT:
        from relsearch.judge.zero_shot import ZeroShotJudge

        return ZeroShotJudge(config.judge, config.scale)
    if name == REMOTE:
        from relsearch.judge.remote.remote_judge import RemoteJudge

        return RemoteJudge(config.remote, config.scale)
    if is_teacher(name):
        return PoolShareJudge(open_teacher(name, config.remote), config.scale)
    if _plugged_in(name):
        judge: Judge = open_plugin(PLUGINS, name, config, needs=_NEEDS)
        return judge
    if _is_file(name):
        from relsearch.judge.label_file import LabelFileJudge

        return LabelFileJudge(name, config.scale)
    own = Path(tuned) if tuned else None
    folder = _existing(own if name == TUNED else judge_folder(name), name)
    from relsearch.judge.tuned import load_judge

    return load_judge(folder, keep=keep)


def _is_file(name: str) -> bool:
    """Whether a name is that of a file of labels."""
    return name not in _BUILT_IN and Path(name).is_file()


def _plugged_in(name: str) -> bool:
    """Whether a name is a plug-in's, and neither one of ours nor a folder's."""
    return name not in _BUILT_IN and not judge_folder(name).is_dir() and has_plugin(PLUGINS, name)


def _on_scale(scale: Scale, config: Config) -> bool:
    """Whether a judge grades on the collection's own scale; else that must have two grades."""
    if (scale.grades, scale.relevant) == (config.scale.grades, config.scale.relevant):
        return True
    if len(config.scale.grades) == 2:
        return False
    raise ConfigError(
        f"[label] judge {config.label.judge!r} grades {_brief(scale)}, the collection "
        f"{_brief(config.scale)}; tune a judge on the collection's own labels"
    )


def _existing(folder: Path | None, name: str) -> Path:
    if folder is None or not folder.is_dir():
        if name in (TUNED, RERANKER):
            raise ConfigError(f"judge {name!r} is made by a pipeline; label with `relsearch judge -c relsearch.toml`")
        others = "".join(f", {each}" for each in plugin_names(PLUGINS))
        raise ConfigError(
            f"judge {name!r}: no such judge; name ready, zero-shot, remote{others}, reranker:NAME, a judge "
            "folder or a file of labels"
        )
    return folder


def _brief(scale: Scale) -> str:
    return f"{scale.lowest}-{scale.highest} (relevant from {scale.relevant})"
