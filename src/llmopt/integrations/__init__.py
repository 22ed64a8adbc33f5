"""Runs in the formats of other tools, and llmopt as a tool of theirs."""
