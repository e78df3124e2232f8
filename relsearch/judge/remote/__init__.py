"""A model behind an OpenAI-compatible chat endpoint as a judge.

Inner to `judge`: other rooms open it by its name, `remote`, through `judge.registry`.
"""
