"""What has to be known of a PNG, JPEG, WebP or BMP file before it is decoded: its size, and that it is complete."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from digitscan.errors import PageError

if TYPE_CHECKING:
    from collections.abc import Callable

TRUNCATED = "the file ends too early (truncated); copy or scan it again"
UNDECODABLE = "the file is damaged or of an unsupported kind; save it again as PNG"


class Header(NamedTuple):
    """What has to be known of an image before it is decoded."""

    width: int
    height: int
    alpha: bool = False
    channels: int | None = None
    """Of a JPEG, which alone can be decoded at a part of its size."""


def header_reader(head: bytes) -> Callable[[bytes], Header]:
    """The function that reads the header of a whole file that begins with `head`, at least 12 bytes.

    It raises PageError, or struct.error where a field lies beyond the end of the file.
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png_header
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg_header
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _webp_header
    if head.startswith(b"BM"):
        return _bmp_header
    raise PageError("it is not a PNG, JPEG, WebP, BMP, TIFF or PDF file; convert it, or leave it out")


def _png_header(data: bytes) -> Header:
    header, alpha = None, False
    at, name = 8, b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"IHDR":
            width, height, _depth, colour = struct.unpack_from(">IIBB", data, at + 8)
            header, alpha = Header(width, height), colour in (4, 6)
        alpha |= name == b"tRNS"
        at += 12 + length
    if header is None:
        raise PageError(UNDECODABLE)
    return header._replace(alpha=alpha)


def _jpeg_header(data: bytes) -> Header:
    header = None
    at, marker = 2, 0
    while marker != 0xDA:  # The first scan. Thumbnails, which end like a picture, lie before it.
        fill, marker, length = struct.unpack_from(">BBH", data, at)
        if fill != 0xFF:
            raise PageError(UNDECODABLE)
        if marker == 0xFF:  # Padding.
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, channels = struct.unpack_from(">HHB", data, at + 5)
            header = header or Header(width, height, channels=channels)
        at += 2 + length
    if data.find(b"\xff\xd9", at) < 0:
        raise PageError(TRUNCATED)
    if header is None:
        raise PageError(UNDECODABLE)
    return header


def _webp_header(data: bytes) -> Header:
    size, _form, chunk = struct.unpack_from("<I4s4s", data, 4)
    if size + 8 > len(data):
        raise PageError(TRUNCATED)
    if chunk == b"VP8X":
        flags, width, height = struct.unpack_from("<I", data, 20)[0], data[24:27], data[27:30]
        return Header(1 + int.from_bytes(width, "little"), 1 + int.from_bytes(height, "little"), bool(flags & 0x10))
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return Header(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), bool(bits >> 28 & 1))
    width, height = struct.unpack_from("<HH", data, 26)
    return Header(width & 0x3FFF, height & 0x3FFF)


def _bmp_header(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if size == 12 else "<ii", data, 18)
    return Header(abs(width), abs(height))
