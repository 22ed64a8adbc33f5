"""What is optimized: prompts on the user's data, and any function of a text."""
