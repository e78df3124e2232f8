"""An untuned language model as a judge: each grade is one digit token, and the logits of these are its opinion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch

from relsearch.core.settings.config import JudgeConfig
from relsearch.core.types import Judgment, Pair, Scale
from relsearch.encoders.model_source import fast_dtype
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.judge.grading import Decision, judgments
from relsearch.judge.models.base import load_base
from relsearch.judge.models.causal import CausalReader
from relsearch.judge.models.feature_reader import read_all
from relsearch.judge.models.label_tokens import label_tokens
from relsearch.judge.models.prompt import Tokens, load_prompt


class ZeroShotJudge:
    """Grades pairs by the likeliest label token; no adapter, no evidence, no calibration: a baseline."""

    def __init__(self, config: JudgeConfig, scale: Scale) -> None:
        prompt = load_prompt(config.prompt)
        self._base = load_base(config, prompt, scale, dtype=fast_dtype())
        self._reader = CausalReader(self._base.model)
        self._labels = list(label_tokens(self._base.tokenizer, scale))
        self._scale = scale
        self._batch_size = config.batch_size
        about = (self._base.checksum, prompt.model_dump_json(), config.model_dump_json(), scale, fast_dtype())
        self.truncated = 0
        self._fingerprint = fingerprint_of(*about)

    @property
    def fingerprint(self) -> str:
        """A hash of base, prompt, settings, scale and dtype."""
        return self._fingerprint

    @property
    def scale(self) -> Scale:
        """The scale its grades are on."""
        return self._scale

    @property
    def pooled(self) -> bool:
        """False: each pair is graded alone."""
        return False

    def judge(self, pairs: Iterable[Pair]) -> Iterator[Judgment]:
        """Yield one judgment a pair, in the order of the pairs."""
        return judgments(pairs, self._decide, scale=self._scale, fingerprint=self._fingerprint)

    def _decide(self, pairs: list[Pair], advance: Callable[[int], object]) -> Decision:
        tokens = self._base.encode(pairs)
        self.truncated += sum(row.truncated for row in tokens)
        logits = read_all(self._label_logits, tokens, batch_size=self._batch_size, advance=advance)
        rows = torch.softmax(logits.double(), dim=1).numpy()
        return rows.argmax(axis=1) + self._scale.lowest, rows

    def _label_logits(self, tokens: Sequence[Tokens]) -> torch.Tensor:
        # Only the label rows of the output matrix are used: the whole of it took a third of the time.
        output = self._base.model.get_output_embeddings().weight[self._labels]
        logits: torch.Tensor = self._reader.last_states(tokens).float() @ output.float().T
        return logits
