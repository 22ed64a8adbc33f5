"""Instructions for a scorer LLM, scored on the user's data."""
