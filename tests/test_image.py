from __future__ import annotations

import io
import os
import struct
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pypdfium2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digitscan.image import read_pages
from digitscan.schema import Page, PageFailure, Settings

GREY = np.full((60, 96), 255, np.uint8)
GREY[10:20, 10:40] = 0
GREY[30:50, 60:80] = 128
COLOUR = cv2.cvtColor(GREY, cv2.COLOR_GRAY2BGR)
COLOUR[10:20, 10:40] = (200, 30, 20)

FORMATS = (".png", ".jpg", ".webp", ".bmp", ".tif")
DEFAULT = Settings()


def encode(suffix: str, pixels: Any, *parameters: int) -> bytes:
    return cv2.imencode(suffix, pixels, parameters)[1].tobytes()


def tiff(*directories: dict[int, Any], order: str = "<", big: bool = False) -> bytes:
    """Writes a TIFF by hand: tags as numbers, or bytes for the one strip; what is left out is 8-bit grey."""
    pointer, count, entry = ("Q", "Q", "HHQ") if big else ("I", "H", "HHI")
    data = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    data += struct.pack(order + "HH", 8, 0) if big else b""
    link = len(data)
    data += bytes(struct.calcsize(order + pointer))
    for extra in directories:
        tags = {256: 96, 257: 60, 258: 8, 259: 1, 262: 1, 273: GREY.tobytes(), 277: 1, 278: 60} | extra
        strip, tags[273] = tags[273], len(data)
        tags.setdefault(279, len(strip))
        data += strip
        data = data[:link] + struct.pack(order + pointer, len(data)) + data[link + struct.calcsize(order + pointer) :]
        data += struct.pack(order + count, len(tags))
        for tag, value in sorted(tags.items()):
            kind = 4 if tag in (273, 279) else 3
            field = struct.pack(order + ("I" if kind == 4 else "H"), value).ljust(8 if big else 4, b"\0")
            data += struct.pack(order + entry, tag, kind, 1) + field
        link = len(data)
        data += bytes(struct.calcsize(order + pointer))
    return data


def pdf(*sizes: tuple[float, float]) -> bytes:
    document, out = pypdfium2.PdfDocument.new(), io.BytesIO()
    for size in sizes:
        document.new_page(*size)
    document.save(out)
    document.close()
    return out.getvalue()


@pytest.fixture(autouse=True)
def _nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Any:
    yield
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read_data(data: bytes, settings: Settings = DEFAULT, first: int = 1) -> list[Page | PageFailure]:
        (tmp_path / "file").write_bytes(data)
        return list(read_pages(str(tmp_path / "file"), settings, first))

    return read_data


@pytest.fixture
def pixels(read: Any) -> Any:
    def read_one(data: bytes) -> Any:
        (page,) = read(data)
        assert isinstance(page, Page), page.message
        assert (page.number, page.pixels.dtype) == (1, np.uint8)
        assert page.pixels.flags.c_contiguous
        return page.pixels

    return read_one


@pytest.fixture
def failure(read: Any) -> Any:
    def read_one(data: bytes, settings: Settings = DEFAULT) -> str:
        (page,) = read(data, settings)
        assert isinstance(page, PageFailure)
        assert page.page == 1
        assert "\n" not in page.message
        return page.message

    return read_one


@pytest.mark.parametrize("suffix", FORMATS)
def test_grey(pixels: Any, suffix: str) -> None:
    for source in (GREY, cv2.cvtColor(GREY, cv2.COLOR_GRAY2BGR)):
        found = pixels(encode(suffix, source))
        assert found.shape == GREY.shape
        assert np.abs(found.astype(int) - GREY).mean() < 3


@pytest.mark.parametrize("suffix", FORMATS)
def test_colour(pixels: Any, suffix: str) -> None:
    found = pixels(encode(suffix, COLOUR))
    assert found.shape == COLOUR.shape
    assert np.abs(found.astype(int) - COLOUR).mean() < 5


def test_one_number_in_colour_keeps_the_colour(pixels: Any) -> None:
    page = np.full((2000, 1400, 3), 255, np.uint8)
    cv2.putText(page, "123", (300, 900), cv2.FONT_HERSHEY_SIMPLEX, 3, (200, 30, 20), 5)
    assert pixels(encode(".png", page)).shape == page.shape


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_sixteen_bits_use_the_range_of_the_scanner(pixels: Any, suffix: str, bits: int) -> None:
    deep = (GREY.astype(np.uint32) * ((1 << bits) - 1) // 255).astype(np.uint16)
    assert np.abs(pixels(encode(suffix, deep)).astype(int) - GREY).max() <= 1


@pytest.mark.parametrize("scale", [1, 1 / 255])
def test_float_tiff(pixels: Any, scale: float) -> None:
    assert np.array_equal(pixels(encode(".tif", (GREY * scale).astype(np.float32))), GREY)


def test_float_tiff_with_odd_values_is_a_failure(failure: Any) -> None:
    for odd in (np.nan, -1, 1e6):
        assert "8 bits" in failure(encode(".tif", np.full((9, 9), odd, np.float32)))


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_transparent_paper_is_white(pixels: Any, suffix: str) -> None:
    black_ink = np.dstack([np.zeros((60, 96, 3), np.uint8), 255 - GREY])
    lossless = (cv2.IMWRITE_WEBP_QUALITY, 101) if suffix == ".webp" else ()
    assert np.abs(pixels(encode(suffix, black_ink, *lossless)).astype(int) - GREY).max() <= 1


def test_alpha_that_was_never_filled_in_is_ignored(pixels: Any) -> None:
    assert np.array_equal(pixels(encode(".png", np.dstack([GREY, GREY, GREY, GREY * 0]))), GREY)


def test_exif_orientation(pixels: Any) -> None:
    jpeg = encode(".jpg", GREY)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    turned = pixels(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:])
    assert np.abs(turned.astype(int) - np.rot90(GREY, -1)).mean() < 3
    assert np.array_equal(pixels(tiff({274: 6})), np.rot90(GREY, -1))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
def test_tiff_pages_each_with_their_own_kind(read: Any, order: str, big: bool) -> None:
    bilevel = {258: 1, 262: 0, 273: np.packbits(GREY < 100, axis=1).tobytes()}
    negative = {258: 16, 262: 0, 273: (65535 - GREY.astype(order + "u2") * 257).astype(order + "u2").tobytes()}
    thumbnail, mask = {254: 1}, {254: 4, 258: 1}
    pages = read(tiff({}, thumbnail, bilevel, mask, negative, order=order, big=big))
    assert [page.number for page in pages] == [1, 2, 3]
    for page, expected in zip(pages, (GREY, np.where(GREY < 100, 0, 255), GREY), strict=True):
        assert np.array_equal(page.pixels, expected)


def test_a_bad_tiff_page_does_not_harm_the_others(read: Any) -> None:
    first, second, third = read(tiff({}, {259: 34925}, {}))
    assert isinstance(second, PageFailure)
    assert second.page == 2
    assert np.array_equal(first.pixels, third.pixels)


def test_a_tiff_with_a_loop_or_a_lost_page_ends_with_a_failure(read: Any) -> None:
    whole = tiff({}, {})
    second = tiff({}).find(b"\0\0\0\0", len(tiff({})) - 4)
    for link, word in ((struct.unpack_from("<I", whole, 4)[0], "loop"), (1 << 30, "missing")):
        data = whole[:second] + struct.pack("<I", link) + whole[second + 4 :]
        page, failed = read(data)
        assert page.number == 1
        assert failed.page == 2
        assert word in failed.message
        assert [item.page for item in read(data, first=2)] == [2]
        assert not read(data, first=3)


def test_tiff_whose_strip_is_cut_off(failure: Any) -> None:
    assert "truncated" in failure(tiff({279: 60_000}))


def test_tiff_without_a_full_size_page(failure: Any) -> None:
    assert "no pages" in failure(tiff({254: 1}))


def test_pdf(read: Any) -> None:
    pages = read(b"junk\n" + pdf((72, 144), (100, 50)), Settings(dpi=144))
    assert [(page.number, page.pixels.shape) for page in pages] == [(1, (288, 144)), (2, (100, 200))]
    assert all(np.all(page.pixels == 255) for page in pages)


def test_parts_of_a_long_pdf(tmp_path: Path) -> None:
    path = tmp_path / "long.pdf"
    path.write_bytes(pdf(*[(20, 20)] * 10))
    parts = [list(islice(read_pages(str(path), DEFAULT, first), 4)) for first in (1, 5, 9, 13)]
    assert [[page.number for page in part] for part in parts] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10], []]


def test_a_pdf_that_ends_early_says_so(read: Any) -> None:
    whole = pdf((20, 20), (20, 20))
    *pages, failed = read(whole[: whole.rindex(b"%%EOF")])
    assert [page.number for page in pages] == [1, 2]
    assert (failed.page, "truncated" in failed.message) == (3, True)


ENCRYPTED = b"""%%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj
4 0 obj<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>endobj
trailer<</Root 1 0 R/Size 5/Encrypt 4 0 R/ID[<00><00>]>>
startxref
0
%%%%EOF""" % (b"11" * 32, b"22" * 32)


def test_encrypted_pdf(failure: Any) -> None:
    assert "password" in failure(ENCRYPTED)


def test_damaged_pdf(failure: Any) -> None:
    assert "PDF is damaged" in failure(b"%PDF-1.4\nnothing\n%%EOF")
    assert "truncated" in failure(pdf((20, 20))[:60])


@pytest.mark.parametrize("suffix", FORMATS)
def test_too_many_pixels(failure: Any, suffix: str) -> None:
    assert "96 x 60 pixels" in failure(encode(suffix, GREY), Settings(max_pixels=96 * 60 - 1))


def test_too_many_pixels_in_a_pdf(failure: Any) -> None:
    assert "--dpi" in failure(pdf((14_400, 14_400)))


def test_a_bomb_is_refused_by_its_header(failure: Any) -> None:
    png = bytearray(encode(".png", GREY))
    png[16:24] = struct.pack(">II", 60_000, 60_000)
    assert "60000 x 60000" in failure(bytes(png))


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("share", [0.2, 0.6, 0.9, 0.99])
def test_truncated(failure: Any, suffix: str, share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (80, 80), np.uint8)
    data = encode(suffix, noise)
    assert failure(data[: int(len(data) * share)])


def test_a_truncated_jpeg_is_not_saved_by_its_thumbnail(failure: Any) -> None:
    jpeg = encode(".jpg", GREY)
    thumbnail = b"\xff\xe1" + struct.pack(">H", len(jpeg) + 2) + jpeg
    assert "truncated" in failure(jpeg[:2] + thumbnail + jpeg[2:-2])


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_damage_in_the_middle_is_a_failure(failure: Any, suffix: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 200), np.uint8)
    data = bytearray(encode(suffix, noise))
    half = len(data) // 2
    data[half : half + 40] = b"\xff\xd5" * 20 if suffix == ".jpg" else b"\xff" * 40
    assert "lost" in failure(bytes(data))


@pytest.mark.parametrize("suffix", FORMATS)
def test_trailing_garbage_is_fine(pixels: Any, suffix: str) -> None:
    assert pixels(encode(suffix, GREY) + b"garbage" * 9).shape == GREY.shape


def test_what_is_no_image(failure: Any) -> None:
    assert "empty" in failure(b"")
    for data in (b"x", b"GIF89a" + bytes(99), b"hello\n" * 99):
        assert "not a PNG" in failure(data)


def test_what_is_no_file(tmp_path: Path) -> None:
    (folder,) = read_pages(str(tmp_path), DEFAULT)
    (missing,) = read_pages(str(tmp_path / "missing.png"), DEFAULT, 3)
    assert isinstance(folder, PageFailure)
    assert "folder" in folder.message
    assert missing == PageFailure(str(tmp_path / "missing.png"), 3, "the file can't be read: No such file or directory")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
def test_a_fifo_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.png")
    (failed,) = read_pages(str(tmp_path / "fifo.png"), DEFAULT)
    assert isinstance(failed, PageFailure)
    assert "pipe" in failed.message


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.png").write_bytes(encode(".png", GREY))
    monkeypatch.setattr(Path, "open", refuse)  # Permissions don't stop root, who may run the tests.
    (failed,) = read_pages(str(tmp_path / "a.png"), DEFAULT)
    assert isinstance(failed, PageFailure)
    assert "Permission denied" in failed.message


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
@pytest.mark.parametrize("data", [encode(".png", GREY), pdf((20, 20))])
def test_names_that_are_not_utf8(tmp_path: Path, data: bytes) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n")
    Path(name).write_bytes(data)
    (page,) = read_pages(name, DEFAULT)
    assert isinstance(page, Page)


def test_closed_stderr(pixels: Any) -> None:
    stderr = os.dup(2)
    os.close(2)
    try:
        found = pixels(encode(".png", GREY))
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
    assert np.array_equal(found, GREY)


SEEDS = [encode(suffix, source) for suffix in FORMATS for source in (GREY, COLOUR)] + [
    tiff({}, {}),
    pdf((9, 9), (9, 9)),
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_gives_pages_and_failures_in_order(read: Any, data: st.DataObject) -> None:
    damaged = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4)) or b"\xff"
    found = read(bytes(damaged), Settings(max_pixels=1_000_000))
    numbers = [item.number if isinstance(item, Page) else item.page for item in found]
    assert numbers == list(range(1, max(1, len(numbers)) + 1))


@pytest.mark.parametrize("code", [None, cv2.Error.StsNoMem])
def test_want_of_memory_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    def full(*_: object) -> None:
        error = MemoryError() if code is None else cv2.error("Failed to allocate")
        if code is not None:
            error.code = code
        raise error

    assert cv2.imwrite(str(tmp_path / "a.png"), np.zeros((9, 9), np.uint8))
    monkeypatch.setattr(cv2, "imdecode", full)
    (failure,) = read_pages(str(tmp_path / "a.png"), Settings())
    assert isinstance(failure, PageFailure)
    assert "not enough memory" in failure.message
    assert failure.transient


def test_another_try_is_worth_it_where_the_file_was_not_reached(tmp_path: Path) -> None:
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    for name, transient in (("gone.png", True), ("damaged.png", False)):
        (failure,) = read_pages(str(tmp_path / name), Settings())
        assert isinstance(failure, PageFailure)
        assert failure.transient is transient
