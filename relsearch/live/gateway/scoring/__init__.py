"""Scoring beside the event loop: documents are read in turns, within each search's budget and afterwards."""
