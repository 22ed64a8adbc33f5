"""The user's own program with one text or several, measured on the user's data."""
