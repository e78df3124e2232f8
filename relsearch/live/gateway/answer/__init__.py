"""The engine's answer, reranked and cut to the page that the client asked for."""
