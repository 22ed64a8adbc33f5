"""The server of the pages."""
