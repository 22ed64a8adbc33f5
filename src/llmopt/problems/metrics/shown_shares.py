"""How scores from 0 to 1 are shown in meta-prompts, whatever the problem is."""

from __future__ import annotations


class ShownShares:
    """Shows shares as whole numbers, as the published code of OPRO does."""

    def show(self, score: float, buckets: int) -> str:
        """Return a score on 0..buckets, rounded half to even.

        The product is rounded to 9 decimals first, so that 0.29 is 29 and 0.285 of 100 is
        decided by its decimal value and not by its binary one.
        """
        return str(round(round(score * buckets, 9)))

    def scale(self, buckets: int) -> str:
        """Return the highest score shown."""
        return str(buckets)

    def aim(self, best: float, buckets: int) -> str:
        """Return the score that a continued list asks for: halfway from the best to the top."""
        return self.show(best + (1 - best) / 2, buckets)
