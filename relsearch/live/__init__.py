"""Reranking for searches as they come: from the client's side, as a gateway, as a service."""
