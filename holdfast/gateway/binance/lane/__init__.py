"""The fast lane: ordinary new orders, many at a time, where a turn of the event loop brought many.

Kernels read their requests and write their replies; a batch is one call for each. They take only what they are sure of:
every request and every reply that is not quite ordinary goes the general way (`orders`, `ws_api`, `rest`, `formats`),
which is the norm. What the lane takes, it must take to the very same bytes; tests hold the two ways together.
"""

from holdfast import kernel_cache  # noqa: F401  Names the directory of compiled kernels, before any is defined.
