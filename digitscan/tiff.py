"""The directories of TIFF files, read without decoding a page."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from digitscan.errors import PageError
from digitscan.headers import TRUNCATED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Tags = dict[int, NDArray[np.unsignedinteger[Any]]]
    """All values of each tag."""


class Tag(IntEnum):
    """The tags that decide how a page is decoded."""

    SUBFILE_TYPE = 254
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    PHOTOMETRIC = 262
    STRIPS = 273
    STRIP_SIZES = 279
    PLANAR = 284
    TILES = 324
    TILE_SIZES = 325
    EXTRA_SAMPLES = 338


_TAGS = frozenset(Tag)
_TIFF_TYPES = {1: "u1", 3: "u2", 4: "u4", 16: "u8"}


class Tiff:
    """The directories of a TIFF file, each of them a page.

    Damaged files raise PageError, or struct.error where a field lies beyond the end of the file.
    """

    def __init__(self, data: bytearray) -> None:
        self.data = data
        self._order = "<" if data.startswith(b"I") else ">"
        (version,) = struct.unpack_from(self._order + "H", data, 2)
        self._big = version == 43
        self._pointer = self._order + ("Q" if self._big else "I")
        self._first = 8 if self._big else 4

    def directories(self) -> Iterator[tuple[int, Tags]]:
        """Yields offset and tags of each directory in the order of the file's chain."""
        (at,) = struct.unpack_from(self._pointer, self.data, self._first)
        seen = set()
        while at:
            if at >= len(self.data):
                raise PageError("the file ends too early (truncated), pages are missing; copy or scan it again")
            if at in seen:
                raise PageError("the file is damaged, its pages form a loop; save it again")
            seen.add(at)
            tags, following = self._directory(at)
            yield at, tags
            at = following

    def select(self, at: int) -> None:
        """Makes the directory at `at` the first one, which is the one that `cv2.imdecode` reads."""
        struct.pack_into(self._pointer, self.data, self._first, at)

    def _directory(self, at: int) -> tuple[Tags, int]:
        count_format, entry_format, size = ("Q", "HHQ", 20) if self._big else ("H", "HHI", 12)
        (count,) = struct.unpack_from(self._order + count_format, self.data, at)
        start = at + struct.calcsize(count_format)
        tags: Tags = {}
        for entry in range(start, start + count * size, size):
            tag, kind, length = struct.unpack_from(self._order + entry_format, self.data, entry)
            if tag in _TAGS and kind in _TIFF_TYPES and length:
                tags.setdefault(tag, self._values(entry, kind, length))
        (following,) = struct.unpack_from(self._pointer, self.data, start + count * size)
        return tags, following

    def _values(self, entry: int, kind: int, length: int) -> NDArray[np.unsignedinteger[Any]]:
        dtype = np.dtype(self._order + _TIFF_TYPES[kind])
        room, at = (8, entry + 12) if self._big else (4, entry + 8)
        if length * dtype.itemsize > room:
            (at,) = struct.unpack_from(self._pointer, self.data, at)
        if at + length * dtype.itemsize > len(self.data):
            raise PageError(TRUNCATED)
        return np.frombuffer(self.data, dtype, length, at)
