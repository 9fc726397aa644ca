"""Holdfast: a crypto spot exchange that stays up.

Importing the package costs nothing: the command line, which talks to a running venue, needs neither NumPy nor kernels.
What kernels need before they are imported is in `holdfast.kernel_cache`.
"""

if not __debug__:
    raise SystemExit("holdfast: run Python without -O: the exchange's invariants are assertions")

__version__ = "0.1.0"
