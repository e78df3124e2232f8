"""Elasticsearch and OpenSearch: searching, loading, fetching and vectors over their REST API."""
