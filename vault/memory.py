"""What one phase has freed must not lie beside what the next one takes.

Arrow asks for memory that begins at a multiple of 64 bytes. What it gives back is then often a few bytes too short for the next
request of the same size, and lies idle between what is in use, until the allocator is told to hand it to the kernel.
"""

from __future__ import annotations


def give_back() -> None:
    """Hand what is free to the kernel. Some milliseconds: between phases, not in their loops."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
