"""The exchange itself: a pure function of (state, commands) to (state, events)."""

from holdfast import kernel_cache  # noqa: F401  Before any kernel: importing `holdfast.engine.x` imports this first.
