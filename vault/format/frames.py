"""Compression: one zstd frame a chunk (RFC 8878), with its plain size in the frame's header.

A frame of a file in its inflated form (see `inflated`) has an empty skippable frame before it, and the form's size in its own
header. A reader never trusts a size: `expand` looks at the header before it allocates, and at the length afterwards.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import Enum

import zstandard

from vault.errors import Damaged
from vault.format import inflated


class Compression(Enum):
    """What content is compressed for: `FAST` as it comes in, `SMALL` where storage costs more than a processor's time."""

    FAST = "fast"
    SMALL = "small"


LEVEL = 1
"""zstd's level for `FAST`. Call records: level 1 470 MB/s and 7.5 : 1, level 3 370 MB/s and 7.3 : 1; small reports with a
dictionary: 138.4 MB at both, in 0.9 s and 1.2 s. Only from level 6 on is there something to win, at five times the time."""

SMALL_LEVEL = 9
"""For `SMALL`. Call records: 105 MB/s instead of 470, an eighth smaller; small CSV and JSON reports a sixth, in four times the
time; workbooks in their inflated form 0.61 of themselves (0.69 at level 1), 1.2 ms each. Level 15 wins a tenth more at a
twentieth of the speed."""

LEVELS = {Compression.FAST: LEVEL, Compression.SMALL: SMALL_LEVEL}

FAST_LEVEL = -50
"""For content that does not compress: three gigabytes a second, and zstd then stores raw blocks."""

SAMPLE = 16 * 1024
"""Bytes of a chunk that are tried first, to spare the full effort where nothing can be won."""

INFLATED_MARK = bytes.fromhex("522a4d18 00000000")
"""The skippable frame before a frame that holds an inflated form."""

DELTA_LEVEL = 3
"""zstd's level for a delta. Of a workbook of 23 KB that has got one row more (its form has 160 KB): level 1 misses most of what
is alike and makes 5,270 bytes in 0.2 ms, level 3 164 bytes in 0.4 ms, level 9 138 bytes in 5 ms. A window over both, and tables
that grow with it, make 502 bytes of one of 505 KB (3.4 MB inflated) in 15 ms, where the level's own make 536 KB in 12 ms."""

EXPANDERS = 16
"""That a thread keeps: the bases of deltas are as many as workbooks."""

FOR_TEXT = {
    "strategy": zstandard.STRATEGY_FAST, "window_log": 18, "hash_log": 15, "chain_log": 12, "search_log": 1, "min_match": 7,
    "target_length": 0,
}  # fmt: skip
"""`FAST` with a dictionary. Of level 1 (which looks for matches of 6 bytes, by a table of 2^13), 13,400 reports: CSV the same,
JSON 0.991; 1.07 of the time. What finds more near matches makes CSV larger: their literals cost less than offsets do."""

FOR_PACKED = {
    "strategy": zstandard.STRATEGY_DFAST, "window_log": 18, "hash_log": 14, "chain_log": 13, "search_log": 1, "min_match": 5,
    "target_length": 0,
}  # fmt: skip
"""The same for files that are compressed already, as their dictionary shows: what they share lies scattered before and
behind what does not compress. 6,600 workbooks: 0.25 MB of 98.4 less than by level 1, 30 ms more."""

Dictionary = zstandard.ZstdCompressionDict


class Compressor:
    """Makes frames. One per thread: zstd's contexts are not safe to share. dictionary: for small similar content."""

    def __init__(self, dictionary: Dictionary | None = None, compression: Compression = Compression.FAST) -> None:
        self._full = _full_compressor(dictionary, compression)
        self._probe = zstandard.ZstdCompressor(level=1)
        self._fast = zstandard.ZstdCompressor(level=FAST_LEVEL)
        self._may_be_raw = dictionary is None

    def frame(self, plain: bytes | bytearray | memoryview) -> bytes:
        """A frame that holds `plain`."""
        if self._may_be_raw and len(plain) >= 4 * SAMPLE and not self._pays(memoryview(plain)):
            return self._fast.compress(plain)
        return self._full.compress(plain)

    def form_frame(self, form: bytes) -> bytes:
        """A frame that holds the inflated form of a file."""
        return INFLATED_MARK + self._full.compress(form)

    def _pays(self, plain: memoryview) -> bool:
        """Whether a sample from the start and one from the middle shrink by more than a fiftieth."""
        middle = len(plain) // 2
        return any(len(self._probe.compress(plain[start : start + SAMPLE])) < SAMPLE * 49 // 50 for start in (0, middle))


def _full_compressor(dictionary: Dictionary | None, compression: Compression) -> zstandard.ZstdCompressor:
    """Frames do not name their dictionary, which takes 4 bytes: whoever opens one knows already which it needs."""
    if dictionary is None or compression is not Compression.FAST:
        return zstandard.ZstdCompressor(level=LEVELS[compression], dict_data=dictionary, write_dict_id=False)
    data = dictionary.as_bytes()
    is_of_packed = len(zstandard.ZstdCompressor(level=LEVEL).compress(data)) * 2 > len(data)
    made = zstandard.ZstdCompressionParameters(**(FOR_PACKED if is_of_packed else FOR_TEXT), write_dict_id=False)
    return zstandard.ZstdCompressor(dict_data=dictionary, compression_params=made)


def delta(form: bytes, base: Dictionary) -> bytes:
    """A frame of a file's inflated form that says what is other in it than in the base, which is its dictionary."""
    window = max((len(form) + len(base)).bit_length(), zstandard.WINDOWLOG_MIN)
    made = zstandard.ZstdCompressionParameters.from_level(
        DELTA_LEVEL,
        source_size=len(form),
        dict_size=len(base),
        window_log=window,
        hash_log=max(window - 3, 17),
        chain_log=max(window - 4, 16),
    )
    return INFLATED_MARK + zstandard.ZstdCompressor(dict_data=base, compression_params=made).compress(form)


class Expander:
    """Opens frames. One per thread."""

    def __init__(self, dictionary: Dictionary | None = None) -> None:
        self._zstd = zstandard.ZstdDecompressor(dict_data=dictionary)

    def expand(self, frame: bytes | bytearray | memoryview, plain_size: int) -> bytes:
        """The content of a frame, which must be `plain_size` bytes long. Raises `Damaged`."""
        try:
            # zstandard ignores max_output_size where the frame declares a size, so the declared one is checked first
            declared = zstandard.frame_content_size(frame)
            if declared != plain_size:
                if frame[: len(INFLATED_MARK)] == INFLATED_MARK:
                    return inflated.deflated(self.form(frame), plain_size)
                raise Damaged(f"its frame declares {declared} bytes where {plain_size} belong")
            return self._zstd.decompress(frame, max_output_size=max(plain_size, 1))
        except zstandard.ZstdError as error:
            raise Damaged(f"its frame does not decompress: {error}") from error

    def form(self, frame: bytes | bytearray | memoryview) -> bytes:
        """The inflated form that a marked frame holds. Raises `Damaged`."""
        inner = frame[len(INFLATED_MARK) :]
        try:
            declared = zstandard.frame_content_size(inner)
            if not 0 <= declared <= inflated.LARGEST_FORM:
                raise Damaged(f"its frame declares an inflated form of {declared} bytes")
            return self._zstd.decompress(inner, max_output_size=max(declared, 1))
        except zstandard.ZstdError as error:
            raise Damaged(f"its frame does not decompress: {error}") from error


class Expanders:
    """Expanders by dictionary: one thread's. find: the dictionary that is stored as a chunk; what it raises comes out."""

    def __init__(self, find: Callable[[bytes], Dictionary]) -> None:
        self._find = find
        self._kept: OrderedDict[bytes | None, Expander] = OrderedDict()

    def of(self, dictionary: bytes | None) -> Expander:
        """The one for frames with this dictionary, None: without one."""
        found = self._kept.get(dictionary)
        if found is None:
            found = self._kept[dictionary] = Expander(None if dictionary is None else self._find(dictionary))
            if len(self._kept) > EXPANDERS:
                self._kept.popitem(last=False)
        elif dictionary is not None:
            self._kept.move_to_end(dictionary)
        return found


SEGMENT, PACKED_SEGMENT, GRAIN = 1024, 256, 8
"""How a dictionary is made: of pieces of so many bytes, rated by what they hold of so many at a time (zstd's k and d). 20,000
reports with 64 KiB: 137.5 MB, with pieces of 200, 2,048 and 4,096 bytes 138.0, 137.5 and 137.8. Letting zstd try several takes
two to ten times as long, and wins 0.2 % at best."""


def train(samples: Sequence[bytes], size: int, *, segment: int = SEGMENT) -> Dictionary | None:
    """A dictionary of about `size` bytes for content like `samples`, or None where zstd finds nothing in common. segment: bytes
    of the pieces that it is made of."""
    try:
        return zstandard.train_dictionary(size, list(samples), k=segment, d=GRAIN, level=LEVEL)
    except zstandard.ZstdError:
        return None  # too few or too different samples: compressing without one is right, not wrong


TRAINED = bytes.fromhex("37a430ec")
"""What a dictionary begins with that was trained."""


def dictionary(data: bytes | bytearray | memoryview) -> Dictionary:
    """A dictionary from its stored bytes: a trained one, or the base of a delta. Raises `Damaged`."""
    kind = zstandard.DICT_TYPE_FULLDICT if data[: len(TRAINED)] == TRAINED else zstandard.DICT_TYPE_RAWCONTENT
    try:
        return zstandard.ZstdCompressionDict(bytes(data), dict_type=kind)
    except (zstandard.ZstdError, ValueError) as error:
        raise Damaged(f"it does not load: {error}") from error
