"""zlib's deflate, written out: the same bytes as zlib 1.2 and 1.3 make of the same content at the same level.

What was stored in its inflated form must come back bit for bit, also on a machine whose zlib is another library (zlib-ng, that
of some processors), and after zlib has learnt to compress better. It is a hundred times slower, and used there alone. After
RFC 1951 and the algorithms of zlib 1.2.13 (`deflate.c`: lazy and greedy matching; `trees.c`: Huffman codes), with a window of
2^15 bytes, memory level 8 and the default strategy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct, field

from vault.format.huffman import HuffmanCode, huffman_code

_LEAST, _MOST = 3, 258
"""Bytes of a match."""

_FARTHEST = (1 << 15) - (_MOST + _LEAST + 1)
_TOO_FAR = 4096
"""Bytes back: beyond them a match of three bytes is not worth it."""

_SYMBOLS = (1 << 14) - 1
"""Literals and matches in a block."""

_END = 256
_LENGTH_EXTRA = (0,) * 8 + (1,) * 4 + (2,) * 4 + (3,) * 4 + (4,) * 4 + (5,) * 4 + (0,)
_DISTANCE_EXTRA = (0, 0, 0, 0, *(bits for bits in range(1, 14) for _ in range(2)))
_RUN_EXTRA = (0,) * 16 + (2, 3, 7)
_RUN_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_STORED, _FIXED, _DYNAMIC = 0, 1, 2


class _Effort(NamedTuple):
    """What a level does. good: a match so long makes the search for a better one a quarter as long · lazy: none is searched for
    after a match of so many bytes (greedy: all places in a match that long are remembered) · nice: long enough to end the
    search · chain: places that are looked at."""

    good: int
    lazy: int
    nice: int
    chain: int


_EFFORTS = {
    1: _Effort(4, 4, 8, 4), 2: _Effort(4, 5, 16, 8), 3: _Effort(4, 6, 32, 32), 4: _Effort(4, 4, 16, 16),
    5: _Effort(8, 16, 32, 32), 6: _Effort(8, 16, 128, 128), 7: _Effort(8, 32, 128, 256), 8: _Effort(32, 128, 258, 1024),
    9: _Effort(32, 258, 258, 4096),
}  # fmt: skip
_GREEDY = 3
"""The highest level that takes the first good match."""

_Symbol = tuple[int, int]
"""A match's length and distance, or a literal and 0."""


def deflate(plain: bytes, level: int) -> bytes:
    """The raw deflate stream. level: 1 to 9."""
    out = _Bits()
    block: list[_Symbol] = []
    start = end = 0
    for symbol in _greedy(plain, _EFFORTS[level]) if level <= _GREEDY else _lazy(plain, _EFFORTS[level]):
        block.append(symbol)
        end += symbol[0] if symbol[1] else 1
        if len(block) == _SYMBOLS:
            _write_block(out, block, plain[start:end], last=False)
            block, start = [], end
    _write_block(out, block, plain[start:], last=True)
    return out.finish()


class _Places:
    """Where three bytes of one hash stood before: the last place, and for each place the one before it. That others have the
    same hash matters: they are looked at, too, and counted."""

    def __init__(self, plain: bytes, effort: _Effort) -> None:
        self._plain = plain
        self._effort = effort
        self._last = [0] * (1 << 15)
        self._before = [0] * len(plain)

    def insert(self, at: int) -> int:
        """Remember a place; gives the last one of this hash, 0 where there is none: the first place counts as none."""
        plain = self._plain
        key = (plain[at] << 10 ^ plain[at + 1] << 5 ^ plain[at + 2]) & 0x7FFF
        found = self._last[key]
        self._before[at] = found
        self._last[key] = at
        return found

    def longest(self, at: int, found: int, least: int) -> tuple[int, int]:
        """The longest match of what begins at `at`, longer than `least`, and where it begins. found: where to look first."""
        plain, before, left = self._plain, self._before, len(self._plain) - at
        good, _, nice, chain = self._effort
        if least >= good:
            chain >>= 2
        nice = min(nice, left)
        limit, most = max(at - _FARTHEST, 0), min(_MOST, left)
        best, where = least, -1
        while True:
            if best < most and plain[found + best] == plain[at + best] and plain[found : found + best] == plain[at : at + best]:
                length = best + 1
                while length < most and plain[found + length] == plain[at + length]:
                    length += 1
                best, where = length, found
                if length >= nice:
                    break
            found = before[found]
            chain -= 1
            if found <= limit or not chain:
                break
        return min(best, left), where


def _greedy(plain: bytes, effort: _Effort) -> Iterator[_Symbol]:
    places, at, end = _Places(plain, effort), 0, len(plain)
    while at < end:
        length, where = 0, -1
        if end - at >= _LEAST:
            found = places.insert(at)
            if found and at - found <= _FARTHEST:
                length, where = places.longest(at, found, _LEAST - 1)
        if length < _LEAST or where < 0:
            yield plain[at], 0
            at += 1
            continue
        yield length, at - where
        if length <= effort.lazy and end - at - length >= _LEAST:
            for inside in range(at + 1, at + length):
                places.insert(inside)
        at += length


def _lazy(plain: bytes, effort: _Effort) -> Iterator[_Symbol]:
    """A match is taken only where none that begins a byte later is longer."""
    places, at, end = _Places(plain, effort), 0, len(plain)
    length, where, waiting = _LEAST - 1, -1, False
    while at < end:
        found = places.insert(at) if end - at >= _LEAST else 0
        earlier, earlier_where, length = length, where, _LEAST - 1
        if found and earlier < effort.lazy and at - found <= _FARTHEST:
            length, where = places.longest(at, found, earlier)
            if length == _LEAST and at - where > _TOO_FAR:
                length = _LEAST - 1
        if earlier >= _LEAST and length <= earlier:
            yield earlier, at - 1 - earlier_where
            for inside in range(at + 1, min(at + earlier - 1, end - _LEAST + 1)):
                places.insert(inside)
            at += earlier - 1
            waiting, length = False, _LEAST - 1
        else:
            if waiting:
                yield plain[at - 1], 0
            waiting = True
            at += 1
    if waiting:
        yield plain[end - 1], 0


class _Bits(Struct):
    """A stream of bits, the lowest of each byte first."""

    data: bytearray = field(default_factory=bytearray)
    value: int = 0
    used: int = 0

    def put(self, value: int, count: int) -> None:
        self.value |= value << self.used
        self.used += count
        while self.used >= 8:
            self.data.append(self.value & 255)
            self.value >>= 8
            self.used -= 8

    def align(self) -> None:
        self.put(0, -self.used % 8)

    def finish(self) -> bytes:
        self.align()
        return bytes(self.data)


def _codes(extra: Sequence[int]) -> list[tuple[int, int]]:
    """Of each code the first value that it stands for, and how many bits more say which."""
    starts, at = [], 0
    for bits in extra:
        starts.append((at, bits))
        at += 1 << bits
    return starts


def _code_of(starts: Sequence[tuple[int, int]]) -> list[int]:
    return [code for code, (_, bits) in enumerate(starts) for _ in range(1 << bits)]


_LENGTHS = [*_codes(_LENGTH_EXTRA)[:-1], (_MOST - _LEAST, 0)]
_DISTANCES = _codes(_DISTANCE_EXTRA)
_LENGTH_CODES = [*_code_of(_LENGTHS[:-1])[: _MOST - _LEAST], len(_LENGTHS) - 1]
_DISTANCE_CODES = _code_of(_DISTANCES)


_FIXED_LENGTHS = [*([8] * 144), *([9] * 112), *([7] * 24), *([8] * 8)]
_FIXED_DISTANCES = [5] * 30


def _write_block(out: _Bits, block: Sequence[_Symbol], content: bytes, *, last: bool) -> None:
    """In the shortest of the three forms that a block has."""
    literals, distances = [0] * 286, [0] * 30
    literals[_END] = 1
    for value, distance in block:
        if distance:
            literals[_LENGTH_CODES[value - _LEAST] + _END + 1] += 1
            distances[_distance_code(distance)] += 1
        else:
            literals[value] += 1
    symbols, backward = huffman_code(literals, _LENGTH_EXTRA, _END + 1, 15), huffman_code(distances, _DISTANCE_EXTRA, 0, 15)
    runs = [*_runs(symbols), *_runs(backward)]
    of_runs = [0] * 19
    for code, _ in runs:
        of_runs[code] += 1
    coded = huffman_code(of_runs, _RUN_EXTRA, 0, 7)
    ranks = max(rank for rank, code in enumerate(_RUN_ORDER) if coded.lengths[code] or rank < 4) + 1
    dynamic = (symbols.bits + backward.bits + coded.bits + 3 * ranks + 14 + 3 + 7) >> 3
    fixed = (_fixed_bits(literals, distances) + 3 + 7) >> 3
    if len(content) + 4 <= min(dynamic, fixed):
        out.put(_STORED << 1 | last, 3)
        out.align()
        out.put(len(content), 16)
        out.put(len(content) ^ 0xFFFF, 16)
        out.data += content
        return
    if fixed <= dynamic:
        out.put(_FIXED << 1 | last, 3)
        symbols, backward = HuffmanCode([*_FIXED_LENGTHS], 0, 0), HuffmanCode(_FIXED_DISTANCES, 0, 0)
    else:
        out.put(_DYNAMIC << 1 | last, 3)
        _write_trees(out, symbols, backward, coded, runs, ranks)
    _write_symbols(out, block, symbols, backward)


def _fixed_bits(literals: Sequence[int], distances: Sequence[int]) -> int:
    lengths = sum(count * _FIXED_LENGTHS[symbol] for symbol, count in enumerate(literals))
    following = sum(count * _LENGTH_EXTRA[code] for code, count in enumerate(literals[_END + 1 :]))
    return lengths + following + sum(count * (5 + _DISTANCE_EXTRA[code]) for code, count in enumerate(distances))


def _distance_code(distance: int) -> int:
    return _DISTANCE_CODES[distance - 1]


def _runs(tree: HuffmanCode) -> Iterator[tuple[int, int]]:
    """The lengths of a code as they are written: a length, or 16 (the last one again, 3 to 6 times), 17, 18 (0, 3 to 10 and 11
    to 138 times) with the number in the bits that follow."""
    lengths, previous, count = [*tree.lengths[: tree.most + 1], -1], -1, 0
    longest, least = (138, 3) if not lengths[0] else (7, 4)
    for length, following in pairwise(lengths):
        count += 1
        if count < longest and length == following:
            continue
        if count < least:
            yield from ((length, 0) for _ in range(count))
        elif length:
            if length != previous:
                yield length, 0
                count -= 1
            yield 16, count - 3
        elif count <= 10:
            yield 17, count - 3
        else:
            yield 18, count - 11
        previous, count = length, 0
        longest, least = (138, 3) if not following else (6, 3) if length == following else (7, 4)


def _write_trees(
    out: _Bits, symbols: HuffmanCode, backward: HuffmanCode, coded: HuffmanCode, runs: Sequence[tuple[int, int]], ranks: int
) -> None:
    out.put(symbols.most + 1 - 257, 5)
    out.put(backward.most, 5)
    out.put(ranks - 4, 4)
    for code in _RUN_ORDER[:ranks]:
        out.put(coded.lengths[code], 3)
    words = coded.words()
    for code, number in runs:
        out.put(words[code], coded.lengths[code])
        out.put(number, _RUN_EXTRA[code])


def _write_symbols(out: _Bits, block: Sequence[_Symbol], symbols: HuffmanCode, backward: HuffmanCode) -> None:
    words, distance_words = symbols.words(), backward.words()
    for value, distance in block:
        if not distance:
            out.put(words[value], symbols.lengths[value])
            continue
        code = _LENGTH_CODES[value - _LEAST]
        start, bits = _LENGTHS[code]
        out.put(words[code + _END + 1], symbols.lengths[code + _END + 1])
        out.put(value - _LEAST - start, bits)
        code = _distance_code(distance)
        start, bits = _DISTANCES[code]
        out.put(distance_words[code], backward.lengths[code])
        out.put(distance - 1 - start, bits)
    out.put(words[_END], symbols.lengths[_END])
