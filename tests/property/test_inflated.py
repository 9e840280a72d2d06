"""Inflated forms: every file comes back bit for bit, on any machine, and no form that is given does harm."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from contextlib import suppress

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


def zip_of(members: list[tuple[bytes, int, bool]], comment: bytes = b"") -> bytes:
    """members: content, level, and whether its size follows it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.comment = comment
        for number, (content, level, streamed) in enumerate(members):
            info = zipfile.ZipInfo(f"member {number}")
            info.compress_type = zipfile.ZIP_DEFLATED if level else zipfile.ZIP_STORED
            if streamed:
                file.seekable = lambda: False  # type: ignore[method-assign]
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


@given(st.lists(st.tuples(plain, st.integers(0, 9), st.booleans()), max_size=6), st.binary(max_size=100))
def test_an_archive_is_made_of_its_inflated_form_again(members: list[tuple[bytes, int, bool]], comment: bytes) -> None:
    data = zip_of(members, comment)
    form = inflated.inflated(data)
    if form is not None:
        assert inflated.deflated(form, len(data)) == data
        assert any(content in form for content, level, _ in members if level)
    else:
        assert all(not level or len(content) < inflated.SHORTEST for content, level, _ in members)


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
    data = zip_of([(b"<row>7</row>" * 500, 6, False), (b"<row>8</row>" * 500, 9, False)])
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
    data = zip_of([(one, 6, False), (b"x" * 100, 6, False), (other, 6, False)])
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
    bomb = zip_of([(bytes(inflated.LARGEST_FORM + 1), 9, False)])
    assert inflated.inflated(bomb) is None
    twice = zip_of([(bytes(inflated.LARGEST_FORM - 1000), 9, False), (b"a" * 5000, 9, False)])
    form = inflated.inflated(twice)
    assert form is not None and len(form) <= inflated.LARGEST_FORM
    assert inflated.deflated(form, len(twice)) == twice


def test_little_is_tried_where_another_library_has_written_all(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def makes(level: int, _plain: bytes, _stream: bytes) -> bool:
        tried.append(level)
        return False

    monkeypatch.setattr(inflated, "_makes", makes)
    assert inflated.inflated(zip_of([(b"<row>7</row>" * 20_000, 6, False)] * 30)) is None
    assert len(tried) < 8
    tried.clear()
    assert inflated.inflated(zip_of([(b"<row>7</row>" * 10, 6, False)] * 3)) is None
    assert len(tried) == 3 * len(inflated.LEVELS)
