"""How many examples the property tests draw, and which.

The suite draws the same examples in every run, so that it fails for a reason in the change. ``make search`` draws new
ones, and many more: what fails there is mended with a test that says the case.
"""

import os

from hypothesis import HealthCheck, settings

SEARCH = os.environ.get("HYPOTHESIS_PROFILE") == "search"

# Kernels compile or load within the first example; a deadline would only measure that.
settings.register_profile(
    "placezoo",
    deadline=None,
    derandomize=not SEARCH,
    max_examples=2000 if SEARCH else 50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("placezoo")


def examples(count: int) -> settings:
    """Return the settings of a property that draws another number of examples than most: ``count`` in the suite."""
    return settings(max_examples=40 * count if SEARCH else count)
