"""An untuned language model as a judge: each grade is one digit token, and the logits of these are its opinion."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from relsearch.core.query_pool import QueryPool, pairs_of
from relsearch.core.settings.config import JudgeConfig
from relsearch.core.types import Scale
from relsearch.encoders.model_source import fast_dtype
from relsearch.judge.fingerprint import fingerprint_of
from relsearch.judge.judge_base import Advance, Decision, ModelJudge
from relsearch.judge.models.base import load_base
from relsearch.judge.models.causal import CausalReader
from relsearch.judge.models.feature_reader import read_all
from relsearch.judge.models.label_tokens import label_tokens
from relsearch.judge.models.prompt import Tokens, load_prompt


class ZeroShotJudge(ModelJudge):
    """Grades each document by the likeliest label token; no adapter, no retrieval features, no calibration."""

    def __init__(self, config: JudgeConfig, scale: Scale) -> None:
        prompt = load_prompt(config.prompt)
        self._base = load_base(config, prompt, scale, dtype=fast_dtype())
        about = (self._base.checksum, prompt.model_dump_json(), config.model_dump_json(), scale, fast_dtype())
        super().__init__(fingerprint=fingerprint_of(*about), scale=scale)
        self._reader = CausalReader(self._base.model)
        self._labels = list(label_tokens(self._base.tokenizer, scale))
        self._batch_size = config.batch_size

    def _decide(self, pools: Sequence[QueryPool], advance: Advance) -> Decision:
        tokens = self._base.encode(pairs_of(pools))
        self._truncated += sum(row.truncated for row in tokens)
        logits = read_all(self._label_logits, tokens, batch_size=self._batch_size, advance=advance)
        rows = torch.softmax(logits.double(), dim=1).numpy()
        return rows.argmax(axis=1) + self.scale.lowest, rows

    def _label_logits(self, tokens: Sequence[Tokens]) -> torch.Tensor:
        # Only the label rows of the output matrix are used: the whole of it took a third of the time.
        output = self._base.model.get_output_embeddings().weight[self._labels]
        logits: torch.Tensor = self._reader.last_states(tokens).float() @ output.float().T
        return logits
