"""A reverse proxy before Elasticsearch or OpenSearch that reranks searches and passes everything else through."""
