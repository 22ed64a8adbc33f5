"""The weights of local models: known ones, where they come from, and how they are checked."""
