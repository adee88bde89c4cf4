"""How long the native libraries keep memory that they have let go of: a moment, not for seconds.

chDB and polars bring an allocator each (jemalloc), whose pages the other can't use. Loading frees tens of megabytes
many times a second in both, which would otherwise count twice. numpy's OpenBLAS starts threads with buffers of their
own for the algebra of matrices, of which there are none here.
"""

import os
from collections.abc import Mapping

ENVIRONMENT: Mapping[str, str] = {
    "JE_MALLOC_CONF": "dirty_decay_ms:200,muzzy_decay_ms:0",
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:200,muzzy_decay_ms:0",
    "OPENBLAS_NUM_THREADS": "1",
}
"""What chDB's and polars' allocators, and numpy's OpenBLAS, read when the libraries are loaded."""


def keep_little() -> None:
    """Set what this process's environment leaves open. To be called before either library is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
