"""Conformance suites and scripted models, for llmopt's own tests and for yours."""
