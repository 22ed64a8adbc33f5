"""Bundled programs: slow ones with faster forms, and heuristics with a score."""
