"""Language models: local, over HTTP, or scripted, and the rings around them."""
