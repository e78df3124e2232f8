"""relsearch in other frameworks: a module a framework, which imports it; each uses relsearch.Reranker."""
