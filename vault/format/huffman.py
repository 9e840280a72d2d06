"""Huffman codes as zlib makes them: of several that are equally short, the one that `trees.c` of zlib 1.2.13 comes to. See
`zlib_deflate`, which is alone in needing them.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class HuffmanCode(Struct):
    """A Huffman code of a block. lengths: of each symbol's code, 0 for those that do not occur · most: the last that does ·
    bits: that the symbols take, with what follows them."""

    lengths: list[int]
    most: int
    bits: int

    def words(self) -> list[int]:
        """The code of each symbol, its first bit lowest."""
        counts = [0] * 16
        for length in self.lengths:
            counts[length] += 1
        counts[0] = 0
        following, code = [0] * 17, 0
        for length in range(1, 16):
            code = (code + counts[length - 1]) << 1
            following[length] = code
        words = []
        for length in self.lengths:
            words.append(int(f"{following[length]:0{length}b}"[::-1], 2) if length else 0)
            following[length] += 1
        return words


def huffman_code(frequencies: Sequence[int], extra: Sequence[int], base: int, longest: int) -> HuffmanCode:
    """zlib's code for symbols that occur so often. extra: bits that follow those from `base` on · longest: bits of a code."""
    total = [*frequencies, *([0] * len(frequencies))]
    depth, heap = [0] * len(total), [symbol for symbol, count in enumerate(frequencies) if count]
    most = heap[-1] if heap else -1
    added = 0
    while len(heap) < 2:  # a code must have two words
        most, new = (most + 1, most + 1) if most < 2 else (most, 0)
        heap.append(new)
        total[new], added = 1, added + 1
    leaves = most
    parents, order = _merged(heap, total, depth, len(frequencies))
    lengths, counts, overflow = [0] * len(total), [0] * (longest + 1), 0
    for node in order[1:]:
        length = lengths[parents[node]] + 1
        if length > longest:
            length, overflow = longest, overflow + 1
        lengths[node] = length
        if node <= leaves:
            counts[length] += 1
    if overflow:
        _shorten(counts, overflow, longest)
        by_depth = iter([node for node in reversed(order) if node <= leaves])
        for length in range(longest, 0, -1):
            for _ in range(counts[length]):
                lengths[next(by_depth)] = length
    own = lengths[: len(frequencies)]
    following = (extra[symbol - base] if symbol >= base else 0 for symbol in range(len(frequencies)))
    bits = sum(count * (length + more) for count, length, more in zip(total, own, following, strict=False))
    return HuffmanCode(own, leaves, bits - added)


def _merged(heap: list[int], total: list[int], depth: list[int], node: int) -> tuple[dict[int, int], list[int]]:
    """Join the two rarest until one is left: each node's parent, and the nodes from the root on. node: the first new one."""

    def smaller(one: int, other: int) -> bool:
        return total[one] < total[other] or (total[one] == total[other] and depth[one] <= depth[other])

    def sink(place: int) -> None:
        value, child = heap[place], 2 * place + 1
        while child < len(heap):
            if child + 1 < len(heap) and smaller(heap[child + 1], heap[child]):
                child += 1
            if smaller(value, heap[child]):
                break
            heap[place] = heap[child]
            place, child = child, 2 * child + 1
        heap[place] = value

    for place in range(len(heap) // 2 - 1, -1, -1):
        sink(place)
    parents: dict[int, int] = {}
    order: list[int] = []
    while len(heap) > 1:
        rarest, last = heap[0], heap.pop()
        heap[0] = last
        sink(0)
        second = heap[0]
        order += [rarest, second]
        total[node] = total[rarest] + total[second]
        depth[node] = max(depth[rarest], depth[second]) + 1
        parents[rarest] = parents[second] = node
        heap[0] = node
        sink(0)
        node += 1
    return parents, [*order, heap[0]][::-1]


def _shorten(counts: list[int], overflow: int, longest: int) -> None:
    """Move words so that none is too long: one of a shorter length makes place for two."""
    while overflow > 0:
        length = longest - 1
        while not counts[length]:
            length -= 1
        counts[length] -= 1
        counts[length + 1] += 2
        counts[longest] -= 1
        overflow -= 2
