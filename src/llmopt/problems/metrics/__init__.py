"""How an answer is compared with its target."""
