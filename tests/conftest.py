"""How hypothesis runs here: without deadlines, since machines are noisy; HYPOTHESIS_PROFILE=long
looks longer."""

import os

from hypothesis import HealthCheck, settings

slow_draws = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("quick", max_examples=30, deadline=None, suppress_health_check=slow_draws)
settings.register_profile(
    "long", max_examples=1000, deadline=None, suppress_health_check=slow_draws
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
