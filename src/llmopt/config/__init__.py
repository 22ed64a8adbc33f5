"""Configuration files: their tables, and reading them."""
