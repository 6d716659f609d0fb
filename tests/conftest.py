"""How the tests run: with machine code of the present sources; and hypothesis without deadlines,
since machines are noisy.  HYPOTHESIS_PROFILE=long looks longer."""

import contextlib
import os
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
PACKAGES = ROOT / "hybrid", ROOT / "indexes", ROOT / "fusion"

slow_draws = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("quick", max_examples=30, deadline=None, suppress_health_check=slow_draws)
settings.register_profile(
    "long", max_examples=1000, deadline=None, suppress_health_check=slow_draws
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_configure(config):
    """Remove machine code that may be older than what it was made of, once for all processes.

    Numba compares a cached function with its own file only, not with those of the functions that
    are compiled into it.  So all of it goes when any source is newer than the oldest of it.
    """
    if hasattr(config, "workerinput"):
        return
    cached = [path for package in PACKAGES for path in package.glob("__pycache__/*.nb[ic]")]
    sources = [path for package in PACKAGES for path in package.rglob("*.py")]
    if max(map(changed, sources), default=0) > min(map(changed, cached), default=float("inf")):
        for path in cached:
            with contextlib.suppress(OSError):  # gone, or in use, or not ours
                path.unlink()


def changed(path):
    """Return when a file was written; never, if another process has just removed it."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
