"""The LLM judge: label logits of a causal model, combined with evidence, calibrated to the human grades."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from relsearch.config import JudgeConfig
from relsearch.errors import ArtifactError, MissingExtraError
from relsearch.judge.base import Base, load_base
from relsearch.judge.card import ADAPTER, JudgeCard, read_card
from relsearch.judge.head import GradeHead
from relsearch.judge.labels import label_tokens
from relsearch.judge.prompt import PromptEncoder, load_prompt
from relsearch.judge.reader import read_labels
from relsearch.ordinal import CumulativeLink, cut
from relsearch.types import Judgment, Pair, Scale
from relsearch.weights import fast_dtype

if TYPE_CHECKING:
    from relsearch.encoder import Encoder

_LOG = logging.getLogger(__name__)
# Pairs that are sorted together: enough for whole queries to share their prefix, few enough to hold in memory.
_CHUNK = 512
_BAR_DELAY_S = 2.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns a score into a grade and its distribution, fitted on held-out queries."""

    link: CumulativeLink
    cuts: tuple[float, ...]


class LLMJudge:
    """Grades pairs with one forward pass each; `truncated` counts the pairs whose query or text was cut."""

    def __init__(
        self,
        base: Base,
        encoder: PromptEncoder,
        *,
        scale: Scale,
        head: GradeHead,
        evidence: Encoder | None,
        calibration: Calibration | None,
        batch_size: int,
        fingerprint: str,
    ) -> None:
        self._base = base
        self._encoder = encoder
        self._scale = scale
        self._head = head
        self._evidence = evidence
        self._calibration = calibration
        self._batch_size = batch_size
        self._fingerprint = fingerprint
        self._labels = label_tokens(base.tokenizer, scale)
        self.truncated = 0

    @property
    def fingerprint(self) -> str:
        """A hash of base, adapter, prompt, scale, evidence, calibration and dtype."""
        return self._fingerprint

    @property
    def scale(self) -> Scale:
        """The scale its grades are on."""
        return self._scale

    def judge(self, pairs: Iterable[Pair]) -> Iterator[Judgment]:
        """Yield one judgment a pair, in the order of the pairs."""
        waiting = iter(pairs)
        with tqdm(desc="judge", unit="pair", delay=_BAR_DELAY_S, disable=None) as bar:
            while chunk := list(islice(waiting, _CHUNK)):
                yield from self._judgments(chunk, self.grade_logits(chunk, bar))

    def grade_logits(self, pairs: list[Pair], bar: tqdm | None = None) -> torch.Tensor:
        """Return the grade logits of the pairs before calibration, shape [pairs, grades]."""
        tokens = self._encoder.encode(pairs)
        self._count_truncated(sum(row.truncated for row in tokens))
        advance = bar.update if bar is not None else (lambda done: done)
        logits = read_labels(self._base.model, tokens, self._labels, batch_size=self._batch_size, advance=advance)
        cosines = self._evidence.cosines(pairs) if self._evidence else np.zeros(len(pairs), dtype=np.float32)
        with torch.inference_mode():
            combined: torch.Tensor = self._head(logits, torch.from_numpy(cosines))
        return combined

    def _judgments(self, pairs: list[Pair], logits: torch.Tensor) -> Iterator[Judgment]:
        grades, probabilities = self._decide(logits)
        expected = probabilities @ np.asarray(self._scale.grades, dtype=np.float64)
        for row, pair in enumerate(pairs):
            grade = int(grades[row])
            yield Judgment(
                pair.query_id,
                pair.doc_id,
                grade,
                "judge",
                judge=self._fingerprint,
                probabilities=tuple(float(value) for value in probabilities[row]),
                expected=float(expected[row]),
                confidence=float(probabilities[row, grade - self._scale.lowest]),
            )

    def _decide(self, logits: torch.Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        if self._calibration is None:
            rows = torch.softmax(logits.double(), dim=1).numpy()
            return rows.argmax(axis=1) + self._scale.lowest, rows
        scores = GradeHead.scores(logits).double().numpy()
        return cut(scores, self._calibration.cuts, self._scale), self._calibration.link.probabilities(scores)

    def _count_truncated(self, count: int) -> None:
        if count and not self.truncated:
            _LOG.info("some texts are longer than the judge reads and are cut; raise [judge] max_document_tokens")
        self.truncated += count


def load_judge(folder: Path) -> LLMJudge:
    """Load a tuned judge; raise ArtifactError if the folder is not whole or its base has changed."""
    from relsearch.encoder import load_encoder

    card = read_card(folder)
    base = _merged(folder, card)
    return LLMJudge(
        base,
        PromptEncoder(base.tokenizer, card.prompt, scale=card.scale, config=card.judge),
        scale=card.scale,
        head=GradeHead(CumulativeLink.from_json(card.prior), gamma=card.gamma, offset=torch.tensor(card.offset)),
        evidence=load_encoder(card.encoder),
        calibration=Calibration(CumulativeLink.from_json(card.calibration), card.cuts),
        batch_size=card.judge.batch_size,
        fingerprint=card.fingerprint(str(fast_dtype())),
    )


def zero_shot(config: JudgeConfig, scale: Scale) -> LLMJudge:
    """Return the untuned base as a judge: no adapter, no evidence, no calibration; a baseline."""
    base = load_base(config.base, dtype=fast_dtype())
    prompt = load_prompt(config.prompt)
    content = f"{base.checksum}|{prompt.model_dump_json()}|{config.model_dump_json()}|{scale}|{fast_dtype()}"
    return LLMJudge(
        base,
        PromptEncoder(base.tokenizer, prompt, scale=scale, config=config),
        scale=scale,
        head=GradeHead(None, gamma=1.0, offset=torch.zeros(len(scale.names))),
        evidence=None,
        calibration=None,
        batch_size=config.batch_size,
        fingerprint=hashlib.sha256(content.encode()).hexdigest()[:16],
    )


def _merged(folder: Path, card: JudgeCard) -> Base:
    """The base with the adapter merged in float32, then in the dtype that computes fastest here."""
    try:
        from peft import PeftModel
    except ImportError as exc:
        raise MissingExtraError("a tuned judge", "train") from exc
    base = load_base(card.judge.base, dtype=torch.float32)
    if base.checksum != card.base_checksum:
        raise ArtifactError(f"{folder}: tuned on other weights of {card.judge.base}; run `relsearch tune` again")
    merged = PeftModel.from_pretrained(base.model, folder / ADAPTER).merge_and_unload()
    return Base(merged.to(fast_dtype()).eval(), base.tokenizer, base.checksum)
