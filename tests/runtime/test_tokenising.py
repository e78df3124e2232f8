"""Token ids: pairs joined from kept halves are those of the tokenizer itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from relsearch.core.errors import ArtifactError
from relsearch.runtime.tokenising import PairTokenizer, load_tokenizer

WORDS = ["a", "b", "c", "d", "e", "why", "what", "is", "it", "that", "one", "two", "three", "four"]
SPECIALS = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}
PROCESSORS: dict[str, Callable[[], processors.PostProcessor]] = {
    "bert": lambda: processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1)),
    "roberta": lambda: processors.RobertaProcessing(("[SEP]", 2), ("[CLS]", 1)),
    "template": lambda: processors.TemplateProcessing(
        single="[CLS] $A", pair="$A:0 [SEP]:1 $B:3", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    ),
    "document-first": lambda: processors.TemplateProcessing(
        single="[CLS] $A", pair="[CLS] $B:1 [SEP] $A:0", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    ),
}
Texts = st.lists(st.sampled_from(WORDS), max_size=24).map(" ".join)


@pytest.fixture(scope="session")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A word tokenizer with each way of joining pairs."""
    folder, found = tmp_path_factory.mktemp("tokenizers"), {}
    for name, processor in PROCESSORS.items():
        vocabulary = SPECIALS | {word: number for number, word in enumerate(WORDS, start=len(SPECIALS))}
        tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.post_processor = processor()
        found[name] = folder / f"{name}.json"
        tokenizer.save(str(found[name]))
    return found


@pytest.mark.parametrize("name", PROCESSORS)
@given(pairs=st.lists(st.tuples(Texts, Texts), min_size=1, max_size=4), max_length=st.integers(8, 40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_pairs_are_joined_and_cut_as_the_tokenizer_does(
    tokenizers: dict[str, Path], name: str, pairs: list[tuple[str, str]], max_length: int
) -> None:
    """Ids and types are equal whatever the lengths, the template and the cut; the count of cut pairs too."""
    whole = load_tokenizer(tokenizers[name])
    lengths = [len(encoding) for encoding in whole.encode_batch(pairs)]
    whole.enable_truncation(max_length, strategy="longest_first")
    reader = PairTokenizer(tokenizers[name], max_length=max_length)
    for _ in range(2):  # the second time from what was kept
        rows = [row for (row,) in reader.rows(pairs)]
        assert [row.ids.tolist() for row in rows] == [each.ids for each in whole.encode_batch(pairs)]
        assert [row.types.tolist() for row in rows] == [each.type_ids for each in whole.encode_batch(pairs)]
    assert reader.truncated(pairs) == sum(length > max_length for length in lengths)


def test_a_template_is_found_where_there_is_one(tokenizers: dict[str, Path]) -> None:
    """Only a tokenizer that puts the document first is encoded whole."""
    found = {name: PairTokenizer(path, max_length=16).template is not None for name, path in tokenizers.items()}
    assert found == {"bert": True, "roberta": True, "template": True, "document-first": False}


def test_what_is_kept_is_bounded_by_tokens(tokenizers: dict[str, Path]) -> None:
    """Documents beyond the bound are forgotten, and read again as they were."""
    reader = PairTokenizer(tokenizers["bert"], max_length=16, cached_tokens=4)
    first = reader.rows([("a", "b c d")])
    assert reader.kept == 1
    reader.rows([("a", "d e"), ("a", "c")])
    assert reader.kept == 2
    assert reader.rows([("a", "b c d")])[0][0].ids.tolist() == first[0][0].ids.tolist()


def test_windows_read_a_long_document_to_its_end(tokenizers: dict[str, Path]) -> None:
    """Windows lie one beside the other, the last one ends with the document; a short document has one."""
    text = " ".join(WORDS)
    reader = PairTokenizer(tokenizers["bert"], max_length=10, windows=3)
    short, long = reader.rows([("a", "b"), ("a", text)])
    size = 10 - 3 - 1
    ids = [SPECIALS.get(word, len(SPECIALS) + number) for number, word in enumerate(WORDS)]
    assert len(short) == 1
    assert [row.ids.tolist()[3:-1] for row in long] == [ids[:size], ids[size : 2 * size], ids[-size:]]
    assert reader.truncated([("a", "b"), ("a", text)]) == 0
    assert PairTokenizer(tokenizers["bert"], max_length=10, windows=2).truncated([("a", text)]) == 1


def test_windows_need_a_template(tokenizers: dict[str, Path]) -> None:
    """They are refused where pairs are encoded whole."""
    with pytest.raises(ArtifactError, match="windows=1"):
        PairTokenizer(tokenizers["document-first"], max_length=16, windows=2)


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    """The error names the file."""
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"tokenizer\.json: not a tokenizer"):
        load_tokenizer(tmp_path / "tokenizer.json")
