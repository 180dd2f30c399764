"""Reads image files and PDFs into pages of pixels; whatever can't be read becomes a `PageFailure`."""

from __future__ import annotations

import os
import re
import struct
import sys
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, BinaryIO

import cv2
import numpy as np

from digitscan.errors import PageError
from digitscan.headers import TRUNCATED, UNDECODABLE, Header, header_reader
from digitscan.schema import Page, PageFailure, survey_reduction
from digitscan.sources import open_source
from digitscan.tiff import Tag, Tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import pypdfium2
    from numpy.typing import NDArray

    from digitscan.schema import Settings
    from digitscan.tiff import Tags

    Draw = Callable[[], tuple[NDArray[np.uint8], int]]
    """Decodes one page: its pixels, and how many times smaller it is than in the file."""

_EXPECTED = (PageError, OSError, MemoryError, struct.error, cv2.error)

OUT_OF_MEMORY = "there is not enough memory for the page; use fewer --jobs or a smaller --max-pixels"
"""Message of a page that is too large for this machine."""

_UNREADABLE_PDF = "the PDF is damaged; print it to a new PDF, or save its pages as images"
_DAMAGED = "the file is damaged, part of the picture is lost; copy or scan it again"

_LOSS = re.compile(
    rb"TIFF_Error (?!TIFF(Advance|Fetch)Directory)|PackBitsDecode"
    rb"|Corrupt JPEG data: (premature end|bad Huffman|\d{3,} extraneous)|Invalid SOS parameters"
)
"""What OpenCV's libraries print on stderr when they return a picture with a part missing.

Left out are a few extraneous bytes, which are padding that real scanners write, and errors about the next page.
"""

_STDERR = threading.Lock()

_MOST_BYTES = 2**31 - 1
"""The largest file that `cv2.imdecode` takes."""

_TINT = 32
"""Difference between the channels from which a pixel counts as coloured; JPEG makes smaller ones."""

_COLOURED_SHARE = 1e-4
"""A page with a larger share of coloured pixels keeps its colour: one number in coloured ink is enough."""


_REDUCED = {
    1: (cv2.IMREAD_GRAYSCALE, cv2.IMREAD_COLOR),
    2: (cv2.IMREAD_REDUCED_GRAYSCALE_2, cv2.IMREAD_REDUCED_COLOR_2),
    4: (cv2.IMREAD_REDUCED_GRAYSCALE_4, cv2.IMREAD_REDUCED_COLOR_4),
    8: (cv2.IMREAD_REDUCED_GRAYSCALE_8, cv2.IMREAD_REDUCED_COLOR_8),
}
"""How OpenCV is asked for a JPEG at a part of its size, grey and in colour."""

_WHITE_IS_0, _BLACK_IS_0, _RGB = 0, 1, 2


def read_pages(file: str, settings: Settings, first: int = 1, *, reduced: bool = False) -> Iterator[Page | PageFailure]:
    """Reads the pages of one file, each decoded only when it is asked for.

    The content decides about the format, not the name: PNG, JPEG, WebP, BMP, TIFF (also BigTIFF; reduced-size copies
    and masks in it aren't pages) or PDF, which is drawn at `settings.dpi`. An animation is its first frame. Pages are
    upright as their EXIF or TIFF orientation says (except PNG and WebP that have both EXIF and transparency), 16-bit
    and float pixels are scaled to 8 bits, and transparent places are white. Nothing is printed on stderr.

    A page that can't be read is one `PageFailure`, and the file's next pages follow. A file that can't be read, or
    whose end is missing, is one `PageFailure` after the pages that were there. No exception is raised for what is
    wrong with a file.

    To read a long file in parts, take n pages at a time, with n at least 2, from `first` = 1, n + 1 and so on: a
    part of fewer than n items is the last.

    Args:
        file: Path of the file, regular or a link to one; or its URL.
        settings: `dpi` for PDF; a page with more than `max_pixels` pixels is refused before it is decoded.
        first: The page to begin with, from 1.
        reduced: Whether JPEGs larger than `SURVEY_SIDE` are decoded at a part of their size, in a part of the time.

    Yields:
        Pages in order: uint8, (H, W) grey, or (H, W, 3) BGR where there is colour; 0 is black.
    """
    number = 0
    try:
        with open_source(file) as stream, closing(_draws(stream, settings, reduced=reduced)) as draws:
            for draw in draws:
                number += 1
                if number >= first:
                    yield _page(file, number, draw)
            if number == 0:
                raise PageError("the file holds no pages")
    except _EXPECTED as error:
        if number == 0 or number + 1 >= first:
            yield _failure(file, max(number + 1, first), error)


def count_pages(file: str, settings: Settings) -> int:
    """How many pages a file has, found without decoding any; those before its end, or before what can't be read."""
    number = 0
    with suppress(*_EXPECTED), open_source(file) as stream, closing(_draws(stream, settings, reduced=False)) as draws:
        for _ in draws:
            number += 1
    return number


def _page(file: str, number: int, draw: Draw) -> Page | PageFailure:
    try:
        return Page(file, number, *draw())
    except _EXPECTED as error:
        return _failure(file, number, error)


def _failure(file: str, page: int, error: BaseException) -> PageFailure:
    return PageFailure(file, page, _message(error), transient=isinstance(error, OSError) or is_out_of_memory(error))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, NumPy or OpenCV says that memory has run out."""
    return isinstance(error, MemoryError) or (
        isinstance(error, cv2.error) and getattr(error, "code", 0) == cv2.Error.StsNoMem
    )


def _message(error: BaseException) -> str:
    match error:
        case PageError():
            return str(error)
        case OSError():
            return f"the file can't be read: {error.strerror or error}"
        case _ if is_out_of_memory(error):
            return OUT_OF_MEMORY
        case struct.error():  # A field of the header lies beyond the end of the file.
            return TRUNCATED
        case _:
            return UNDECODABLE


def _draws(stream: BinaryIO, settings: Settings, reduced: bool) -> Generator[Draw, None, None]:
    """Yields a function for each page of the file, in order."""
    head = stream.read(1028)
    if not head:
        raise PageError("the file is empty")
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        yield from _tiff_draws(Tiff(bytearray(_content(stream))), settings)
    elif b"%PDF" in head:  # Junk before it is common, and PDF readers accept it.
        yield from _pdf_draws(stream, settings)
    else:
        read_header = header_reader(head)
        yield partial(_draw_image, _content(stream), read_header, settings, reduced)


def _content(stream: BinaryIO) -> bytes:
    if stream.seek(0, os.SEEK_END) > _MOST_BYTES:
        raise PageError("the file has more than 2 GB; split it")
    stream.seek(0)
    return stream.read()


def _draw_image(
    data: bytes, read_header: Callable[[bytes], Header], settings: Settings, reduced: bool
) -> tuple[NDArray[np.uint8], int]:
    header = read_header(data)
    _check_size(header.width, header.height, settings)
    if reduced and header.channels:
        reduction = min(survey_reduction(max(header.width, header.height)), max(_REDUCED))
        return _plain(_decode(data, _REDUCED[reduction][header.channels > 1])), reduction
    # OpenCV either keeps the transparency or turns the picture upright.
    flags = cv2.IMREAD_UNCHANGED if header.alpha else cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
    return _plain(_on_white(_eight_bit(_decode(data, flags)))), 1


def _check_size(width: float, height: float, settings: Settings) -> None:
    if not width * height <= settings.max_pixels:
        raise PageError(
            f"the page has {width:.0f} x {height:.0f} pixels, more than {settings.max_pixels}; "
            "if the file is genuine, raise --max-pixels or, for a PDF, lower --dpi"
        )


def _tiff_draws(tiff: Tiff, settings: Settings) -> Iterator[Draw]:
    for at, tags in tiff.directories():
        if not _value(tags, Tag.SUBFILE_TYPE, 0) & 0b101:  # Neither a reduced-size copy nor a mask.
            yield partial(_draw_tiff, tiff, at, tags, settings)


def _value(tags: Tags, tag: Tag, default: int) -> int:
    return int(tags[tag][0]) if tag in tags else default


def _draw_tiff(tiff: Tiff, at: int, tags: Tags, settings: Settings) -> tuple[NDArray[np.uint8], int]:
    _check_size(_value(tags, Tag.WIDTH, 0), _value(tags, Tag.HEIGHT, 0), settings)
    _check_complete(tags, len(tiff.data))
    bits, photometric = _value(tags, Tag.BITS, 1), _value(tags, Tag.PHOTOMETRIC, 1)
    # More than 8 bits are decoded rightly only in these kinds. For the rest OpenCV has libtiff make 8 bits of them,
    # and so it does where there are no more than 8; then white is 255, and the colours are multiplied with alpha.
    deep = bits > 8 and photometric in (_WHITE_IS_0, _BLACK_IS_0, _RGB) and _value(tags, Tag.PLANAR, 1) == 1
    tiff.select(at)
    pixels = _eight_bit(_decode(tiff.data, cv2.IMREAD_UNCHANGED if deep or bits <= 8 else cv2.IMREAD_COLOR))
    if deep and photometric == _WHITE_IS_0:
        pixels = cv2.bitwise_not(pixels).astype(np.uint8, copy=False)
    extra = _value(tags, Tag.EXTRA_SAMPLES, 1)
    if extra == 0 and pixels.ndim == 3:  # A fourth channel that isn't alpha.
        pixels = pixels[:, :, :3]
    return _plain(_on_white(pixels, premultiplied=not deep or extra == 1)), 1


def _check_complete(tags: Tags, size: int) -> None:
    """Refuses a page whose strips or tiles lie beyond the end of the file: libtiff would invent their pixels."""
    for offsets_tag, counts_tag in ((Tag.STRIPS, Tag.STRIP_SIZES), (Tag.TILES, Tag.TILE_SIZES)):
        offsets, counts = tags.get(offsets_tag), tags.get(counts_tag)
        if offsets is None or counts is None or len(offsets) != len(counts):
            continue
        starts, lengths = offsets.astype(np.uint64), counts.astype(np.uint64)
        if max(starts.max(), lengths.max(), (starts + lengths).max()) > size:
            raise PageError(TRUNCATED)


def _pdf_draws(stream: BinaryIO, settings: Settings) -> Iterator[Draw]:
    import pypdfium2

    whole = _pdf_is_whole(stream)
    try:
        document = pypdfium2.PdfDocument(stream)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise PageError("the PDF is protected by a password; save a copy without it") from error
        raise PageError(_UNREADABLE_PDF if whole else TRUNCATED) from error
    with closing(document):
        for index in range(len(document)):
            yield partial(_draw_pdf, document, index, settings)
    if not whole:  # PDFium finds what pages it can; that there were more must not go unnoticed.
        raise PageError("the PDF ends too early (truncated), pages may be missing; copy or scan it again")


def _pdf_is_whole(stream: BinaryIO) -> bool:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - (1 << 16)))
    return b"%%EOF" in stream.read().rstrip(b"\0\t\n\r ")[-1024:]


def _draw_pdf(document: pypdfium2.PdfDocument, index: int, settings: Settings) -> tuple[NDArray[np.uint8], int]:
    import pypdfium2

    scale = settings.dpi / 72
    try:
        with closing(document[index]) as page:
            width, height = page.get_size()
            _check_size(ceil(width * scale), ceil(height * scale), settings)
            with closing(page.render(scale=scale)) as bitmap:
                return _plain(bitmap.to_numpy().copy()), 1
    except pypdfium2.PdfiumError as error:
        raise PageError(_UNREADABLE_PDF) from error


def _decode(data: bytes | bytearray, flags: int) -> NDArray[Any]:
    with _stderr_caught() as said:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise PageError(UNDECODABLE)
    if _LOSS.search(said):
        raise PageError(_DAMAGED)
    return pixels


@contextmanager
def _stderr_caught() -> Iterator[bytearray]:
    """Keeps what C libraries print away from stderr; the bytes are there when the block is left.

    The file descriptor is redirected, because libpng and libjpeg know no other way: whatever else the process
    writes to stderr meanwhile is caught as well.
    """
    said = bytearray()
    if sys.platform == "win32":  # There the libraries have file descriptors of their own.
        yield said
        return
    with _STDERR, ExitStack() as stack:
        try:
            stderr = os.dup(2)
        except OSError:  # It is closed, so nothing can appear on it.
            yield said
            return
        stack.callback(os.close, stderr)
        read_end, write_end = os.pipe()
        stack.callback(os.close, read_end)
        # A full pipe swallows the rest, an empty one is no error: neither may block.
        os.set_blocking(read_end, False)
        os.set_blocking(write_end, False)
        os.dup2(write_end, 2)
        os.close(write_end)
        try:
            yield said
        finally:
            os.dup2(stderr, 2)
            with suppress(BlockingIOError):
                said += os.read(read_end, 1 << 16)


def _eight_bit(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Scales to 0 to 255. The full range is 0 to 1 or the fewest bits that hold the brightest pixel.

    So a scanner's 12 bits in a 16-bit file come out as bright as 16 full bits: paper is near the top of the range.
    """
    if pixels.dtype == np.uint8:
        return pixels
    lowest, highest = float(pixels.min()), float(pixels.max())
    if not (lowest >= 0 and highest <= 0xFFFF):
        raise PageError("its pixel values are not between 0 and 65535; save it again with 8 bits")
    is_fraction = pixels.dtype.kind == "f" and highest <= 1
    full = 1 if is_fraction else (1 << max(8, int(highest).bit_length())) - 1
    return cv2.convertScaleAbs(pixels, alpha=255 / full).astype(np.uint8, copy=False)


def _on_white(pixels: NDArray[np.uint8], *, premultiplied: bool = False) -> NDArray[np.uint8]:
    """Lays a picture with a fourth channel, alpha, on white paper; others come back as they are."""
    if pixels.ndim == 2 or pixels.shape[2] == 3:
        return pixels
    colour, alpha = cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR), pixels[:, :, 3]
    if alpha.max() > 0:  # Where all is transparent, alpha was never filled in.
        cover = cv2.merge([alpha] * 3)
        if not premultiplied:
            colour = cv2.multiply(colour, cover, scale=1 / 255)
        colour = cv2.add(colour, cv2.bitwise_not(cover))
    return colour.astype(np.uint8, copy=False)


def _plain(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Makes a BGR picture without colour grey. A coarse grid of its pixels decides, some 500 on a side."""
    if pixels.ndim == 2:
        return pixels
    step = max(1, max(pixels.shape) // 512)
    blue, green, red = np.moveaxis(pixels[::step, ::step], 2, 0)
    spread = np.maximum(np.maximum(blue, green), red) - np.minimum(np.minimum(blue, green), red)
    if np.count_nonzero(spread > _TINT) > _COLOURED_SHARE * spread.size:
        return np.ascontiguousarray(pixels)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
