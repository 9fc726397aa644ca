"""Where compiled kernels lie: importing this module names their directory, so it comes before any kernel is defined.

Numba's own cache notices a change only in the file that defines a kernel, and would run yesterday's rules after a
change in a helper. So the directory is named after everything that several kernels can see: the language and the whole
engine. Kernels of other stages keep what else they need in their own file.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import numba
import numpy

_package = Path(__file__).parent
_language = ["codes.py", "config.py", "commands.py", "events.py", "line.py"]
_sources = [_package / name for name in _language] + sorted((_package / "engine").glob("*.py"))
_seen = [source.read_bytes() for source in _sources]
_config: Any = numba.config  # Numba makes its settings' names when it is imported.
_mode = f"{numba.__version__} {numpy.__version__} boundscheck={_config.BOUNDSCHECK} jit={not _config.DISABLE_JIT}"

CACHE_KEY = hashlib.blake2b(b"\0".join([*_seen, _mode.encode()]), digest_size=8).hexdigest()
CACHE_ROOT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdfast"
_config.CACHE_DIR = str(CACHE_ROOT / CACHE_KEY)
