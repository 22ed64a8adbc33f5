"""Conformance suites and scripted models: what the house's own tests use, for yours too."""
