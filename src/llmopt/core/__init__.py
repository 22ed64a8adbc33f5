"""The nouns of the field as values and protocols: what everything else is written in."""
