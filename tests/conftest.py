"""What all tests share: the examples that hypothesis draws are the same in every run.

A run of the suite is a statement about the code, not about luck. To look for new examples: HYPOTHESIS_PROFILE=explore.
`scripts/mutants.py` has a profile of its own: the same examples, but a failure need not be made small.
"""

import os

import hypothesis

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile(
    "mutants", derandomize=True, deadline=None, phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate]
)
hypothesis.settings.register_profile("explore", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
