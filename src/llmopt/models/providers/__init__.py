"""Where replies come from: one file a provider."""
