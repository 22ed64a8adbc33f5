"""Language models: local, over HTTP, or scripted, and the middleware around them."""
