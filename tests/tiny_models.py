"""Two-layer random models with real small tokenizers, built offline in well under a second."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

CHAT_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def save_tiny_bert(folder: Path, texts: Sequence[str], *, spread: float = 0.02) -> Path:
    """Write a random two-layer BERT with a WordPiece tokenizer that knows the words of the texts.

    `spread` is the deviation of its weights; the more, the less alike are the vectors of texts with unknown words.
    """
    import torch
    from transformers import BertConfig, BertModel

    vocabulary = save_tiny_tokenizer(folder, texts)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        initializer_range=spread,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def save_tiny_tokenizer(folder: Path, texts: Sequence[str], **options: object) -> int:
    """Write a WordPiece tokenizer that knows the words of the texts; return how many tokens it has."""
    from transformers import AutoTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(_wordpieces(texts)) + "\n", encoding="utf-8")
    tokenizer = AutoTokenizer.from_pretrained(folder, tokenizer_type="bert", **{"model_max_length": 128, **options})
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def save_tiny_llama(folder: Path, texts: Sequence[str]) -> Path:
    """Write a random two-layer Llama with a byte-level BPE tokenizer that splits digits and knows ChatML."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=list(CHAT_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    end, _, turn = CHAT_TOKENS
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=turn, pad_token=end, model_max_length=2048)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=64,
        max_position_embeddings=2048,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def _wordpieces(texts: Sequence[str]) -> list[str]:
    """Special tokens, the characters, then the words of the texts: a trained vocabulary differs from run to run."""
    words = sorted({word for text in texts for word in re.findall(r"\w+", text.lower())})
    characters = sorted({*"".join(words), *"0123456789", ".", ",", ";", "?"})
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return list(dict.fromkeys([*specials, *characters, *(f"##{character}" for character in characters), *words]))
