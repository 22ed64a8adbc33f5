"""Student's t distribution with any number of degrees of freedom, also a fraction."""

from __future__ import annotations

import math

_STEPS = 1_000  # of the continued fraction, which needs about 20
_CLOSE = 1e-14


def t_p_value(t: float, freedom: float) -> float:
    """Return the two-sided p-value of a t statistic.

    It is the regularized incomplete beta function at ``freedom / (freedom + t^2)`` with the
    parameters ``freedom / 2`` and ``1 / 2`` (Abramowitz and Stegun 26.7.1 and 26.5.8).

    Args:
        t: The statistic; infinite where the standard error is 0.
        freedom: Degrees of freedom, above 0.

    Raises:
        ValueError: An argument is out of its range.
    """
    if not freedom > 0:
        raise ValueError(f"degrees of freedom are above 0, but got {freedom}")
    if math.isnan(t):
        raise ValueError(f"t is a number, but got {t}")
    if math.isinf(t):
        return 0.0
    x = freedom / (freedom + t * t)
    a, b = freedom / 2, 0.5
    # The fraction converges fast on one side of the mean of the beta distribution only.
    if x < (a + 1) / (a + b + 2):
        return min(1.0, _beta(x, a, b))
    return max(0.0, 1 - _beta(1 - x, b, a))


def t_quantile(level: float, freedom: float) -> float:
    """Return how far a two-sided interval of a confidence level reaches, in standard errors.

    Args:
        level: Between 0 and 1.
        freedom: Degrees of freedom, above 0.

    Raises:
        ValueError: An argument is out of its range.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is between 0 and 1, but got {level}")
    low, high = 0.0, 1.0
    while t_p_value(high, freedom) > 1 - level:
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if t_p_value(middle, freedom) > 1 - level else (low, middle)
        if middle in {low, high} and math.nextafter(low, high) == high:
            break
    return (low + high) / 2


def _beta(x: float, a: float, b: float) -> float:
    """Return the regularized incomplete beta function, by Lentz's continued fraction."""
    if x <= 0:
        return 0.0
    front = a * math.log(x) + b * math.log1p(-x) - math.log(a)
    front += math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    total = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1 / (1 + even * d), 1 + even / c
        total *= c * d
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1 / (1 + odd * d), 1 + odd / c
        total *= c * d
        if abs(c * d - 1) < _CLOSE:
            break
    return math.exp(front) * total
