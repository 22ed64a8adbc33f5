"""What a user writes in a file: its tables, and reading it."""
