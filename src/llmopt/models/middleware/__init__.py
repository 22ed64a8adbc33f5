"""What stands between a run and a provider: cache, budget, retries, limits, usage."""
