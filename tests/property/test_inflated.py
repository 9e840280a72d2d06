"""Inflated forms: every file comes back bit for bit, on any machine, and no form that is given does harm."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from contextlib import suppress
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vault.errors import Damaged
from vault.format import frames, inflated, zlib_deflate

levels = st.integers(1, 9)
plain = st.one_of(
    st.binary(max_size=3000),
    st.lists(st.sampled_from([b"queue ", b"7", b"\0" * 40, b"met,", b"2026-05-01T", b"\n"]), max_size=4000).map(b"".join),
    st.tuples(st.binary(min_size=1, max_size=400), st.integers(1, 200)).map(lambda one: one[0] * one[1]),
)


def zlib_stream(content: bytes, level: int) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, -15, 8)
    return compressor.compress(content) + compressor.flush()


class Pipe(io.BytesIO):
    """What cannot be gone back in, so that sizes are written behind the members."""

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation("seek")


def zip_of(members: list[tuple[bytes, int]], comment: bytes = b"", *, streamed: bool = False) -> bytes:
    """members: content and level · streamed: written to a pipe."""
    file = Pipe() if streamed else io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.comment = comment
        for number, (content, level) in enumerate(members):
            info = zipfile.ZipInfo(f"member {number}")
            info.compress_type = zipfile.ZIP_DEFLATED if level else zipfile.ZIP_STORED
            archive.writestr(info, content, compresslevel=level or None)
    return file.getvalue()


@given(plain, levels)
def test_the_written_out_deflate_makes_the_bytes_of_zlib(content: bytes, level: int) -> None:
    assert zlib_deflate.deflate(content, level) == zlib_stream(content, level)


@pytest.mark.parametrize("level", range(1, 10))
def test_it_does_over_several_windows_and_blocks_too(level: int) -> None:
    lines = b"".join(b"%d,queue %d,%d\n" % (number, number * 7 % 11, number * number % 1009) for number in range(20_000))
    noise = bytes(number * number * 2654435761 >> 13 & 255 for number in range(40_000))
    for content in (lines, lines[:70_000] + noise + lines, noise * 2, bytes(300_000)):
        assert zlib_deflate.deflate(content, level) == zlib_stream(content, level)


@given(
    members=st.lists(st.tuples(plain, st.integers(0, 9)), max_size=6), comment=st.binary(max_size=100), streamed=st.booleans()
)
def test_an_archive_is_made_of_its_inflated_form_again(
    *, members: list[tuple[bytes, int]], comment: bytes, streamed: bool
) -> None:
    data = zip_of(members, comment, streamed=streamed)
    assert not members or bool(data[6] & 0x08) == streamed
    form = inflated.inflated(data)
    if form is not None:
        assert inflated.deflated(form, len(data)) == data
        assert any(content in form for content, level in members if level)
    else:
        assert all(not level or len(content) < inflated.SHORTEST for content, level in members)


@given(plain, levels, st.binary(max_size=20))
def test_a_gzip_file_is_too(content: bytes, level: int, behind: bytes) -> None:
    data = gzip.compress(content, level) + behind
    form = inflated.inflated(data)
    assert form is None if len(content) < inflated.SHORTEST else form is not None and content in form
    if form is not None:
        assert inflated.deflated(form, len(data)) == data


@given(plain, levels)
def test_what_another_library_has_deflated_stays_as_it_is(content: bytes, level: int) -> None:
    """Here one that flushes in between, as no call of zlib with all of the content does."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, -15, 8)
    half = len(content) // 2
    stream = compressor.compress(content[:half]) + compressor.flush(zlib.Z_FULL_FLUSH)
    stream += compressor.compress(content[half:]) + compressor.flush()
    data = b"\x1f\x8b\x08" + bytes(7) + stream + bytes(8)
    assert inflated.inflated(data) is None


def test_a_machine_with_another_zlib_makes_no_inflated_forms_and_reads_those_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zip_of([(b"<row>7</row>" * 500, 6), (b"<row>8</row>" * 500, 9)])
    form = inflated.inflated(data)
    assert form is not None
    monkeypatch.setattr(inflated, "_deflate", lambda content, _level: content)
    inflated.is_usual_zlib.cache_clear()
    try:
        assert inflated.inflated(data) is None
        assert inflated.deflated(form, len(data)) == data
    finally:
        monkeypatch.undo()
        inflated.is_usual_zlib.cache_clear()
    assert inflated.is_usual_zlib()


@given(st.binary(max_size=200), st.integers(0, 10_000))
@example(b"\1\0\0\0\x06\xff\xff\xff\xff", 10)
@example(b"\xff\xff\xff\xff", 10)
@example(b"\1\0\0\0\x0a\0\0\0\0", 0)
def test_a_form_that_cannot_be_is_damaged(form: bytes, size: int) -> None:
    with suppress(Damaged):
        assert len(inflated.deflated(form, size)) == size


@given(plain, plain)
def test_a_delta_opens_with_its_base_alone(one: bytes, other: bytes) -> None:
    data = zip_of([(one, 6), (b"x" * 100, 6), (other, 6)])
    form, base = inflated.inflated(data), b"base " + one
    assert form is not None
    frame = frames.delta(form, frames.dictionary(base))
    assert frames.Expander(frames.dictionary(base)).expand(frame, len(data)) == data
    for size in (len(data) - 1, len(data) + 1):
        with pytest.raises(Damaged):
            frames.Expander(frames.dictionary(base)).expand(frame, size)
    with pytest.raises(Damaged):
        frames.Expander().expand(frames.INFLATED_MARK + frame[:-3], len(data))


def test_a_bomb_is_refused_before_it_is_inflated() -> None:
    bomb = zip_of([(bytes(inflated.LARGEST_FORM + 1), 9)])
    assert inflated.inflated(bomb) is None
    twice = zip_of([(bytes(inflated.LARGEST_FORM - 1000), 9), (b"a" * 5000, 9)])
    form = inflated.inflated(twice)
    assert form is not None and len(form) <= inflated.LARGEST_FORM
    assert inflated.deflated(form, len(twice)) == twice


def test_little_is_tried_where_another_library_has_written_all(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def makes(level: int, _plain: bytes, _stream: bytes) -> bool:
        tried.append(level)
        return False

    monkeypatch.setattr(inflated, "_makes", makes)
    assert inflated.inflated(zip_of([(b"<row>7</row>" * 20_000, 6)] * 30)) is None
    assert len(tried) < 8
    tried.clear()
    assert inflated.inflated(zip_of([(b"<row>7</row>" * 10, 6)] * 3)) is None
    assert len(tried) == 3 * len(inflated.LEVELS)


def test_an_archive_of_many_members_is_not_copied_for_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zip_of([(b"%06d" % number * 40, 6) for number in range(3000)])
    given: list[int] = []
    real = zlib.decompressobj

    class Counting:
        def __init__(self, wbits: int) -> None:
            self._real = real(wbits)

        def decompress(self, piece: bytes, most: int) -> bytes:
            given.append(len(piece))
            return self._real.decompress(piece, most)

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    form = inflated.inflated(data)
    assert form is not None and len(given) == 3000 and sum(given) <= 3000 * 1024
    assert inflated.deflated(form, len(data)) == data


archives = st.lists(st.tuples(plain, st.integers(0, 9)), min_size=1, max_size=4)


@given(st.lists(st.tuples(archives, st.booleans()), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_a_form_is_the_same_whatever_was_inflated_before_it(
    runs: list[tuple[list[tuple[bytes, int]], bool]], chance: Random
) -> None:
    """Also where members come again with other members before them, are cut, or have headers that lie about their sizes."""
    remembering = inflated.Inflater()
    members = [member for archive, _ in runs for member in archive]
    for archive, streamed in [*runs, *runs]:
        mixed = chance.sample(members, min(len(members), 3)) if chance.random() < 0.5 else archive
        data = bytearray(zip_of(mixed, streamed=streamed))
        if chance.random() < 0.3:
            data[chance.choice([18, 19, chance.randrange(len(data))])] = chance.randrange(256)
        form = remembering.form(bytes(data))
        assert form == inflated.inflated(bytes(data))
        assert form is None or inflated.deflated(form, len(data)) == data


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflated, "MOST_REMEMBERED", 10)
    remembering = inflated.Inflater()
    for number in range(100):
        remembering.form(zip_of([(b"%d" % number * 100, 6), (bytes(100_000), 6)]))
    assert len(remembering._plain) <= 12 and len(remembering._levels) <= 22
    assert max(map(len, remembering._plain.values())) < 16 * 1024


def test_streams_that_were_met_before_are_not_deflated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    makes = inflated._makes

    def counted(level: int, content: bytes, stream: bytes) -> bool:
        tried.append(level)
        return makes(level, content, stream)

    monkeypatch.setattr(inflated, "_makes", counted)
    remembering = inflated.Inflater()
    styles = [(b"<style>%d</style>" % number * 20, 6) for number in range(5)]
    for hour in range(3):
        remembering.form(zip_of([*styles, (b"<row>%d</row>" % hour * 20_000, 6)]))
    assert tried == [6] * (5 + 3)
