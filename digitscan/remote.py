"""What lies behind URLs, through fsspec: object stores, web servers, archives. Needs the extra `remote`."""

from __future__ import annotations

import random
import re
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from digitscan.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Result = TypeVar("Result")

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
"""Two letters at least: `C:` is a drive."""

_DELAYS = (0.5, 1.0, 2.0, 4.0)
"""Seconds before a request is tried again; each is drawn out by up to half, lest a thousand workers come at once."""

_FOLDERS_IN_MEMORY = 64
"""Listings that are kept: those of the folders on the way to the present file, so that no object is asked for twice."""

_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""What another try can't mend."""

_CREDENTIALS = "give credentials for it in the environment, or in the file where its own tools keep them"

_VERSIONS = (
    *("ETag", "etag", "md5Hash", "content_md5", "CRC", "Content-MD5", "Digest", "mtime", "LastModified"),
    *("last_modified", "Last-Modified", "updated", "modified", "created", "date_time"),
)
"""What stores call that by which one content of an object is told from the next, the surest first."""


class Version(NamedTuple):
    """Size in bytes, if it is known, and whatever the store tells contents apart by, as text."""

    size: int
    name: str


def is_url(name: str) -> bool:
    """Whether it isn't a path of this machine."""
    return _URL.match(name) is not None


def whole_url(url: str) -> str:
    """The URL of an input as fsspec wants it: `zip://scans.zip` is all that the archive holds."""
    return url.replace("://", "://::", 1) if url.startswith("zip://") and "::" not in url else url


def join(folder: str, name: str) -> str:
    """The URL of what a folder holds; where archives are chained (`zip://folder::s3://bucket/a.zip`), of the first."""
    first, chain, rest = folder.partition("::")
    return first + ("" if first.endswith("/") else "/") + name + chain + rest


def is_folder(url: str) -> bool:
    """Whether it can be listed, as far as is remembered. Raises OSError, and UsageError where a package is missing."""
    info = _asked(url, lambda store, path: store.info(path))
    return info["type"] == "directory" or str(info.get("mimetype")).startswith("text/html")


def entries(folder: str) -> Iterator[tuple[str, bool]]:
    """What a folder holds: names, and whether each is a folder. Raises OSError."""
    here, found = _asked(folder, lambda store, path: (path.strip("/"), store.ls(path, detail=True)))
    for entry in found:
        full = entry["name"].strip("/")
        if full != here:  # Object stores may have an object for the folder itself.
            yield full.rsplit("/", 1)[-1], entry["type"] == "directory"


def read(url: str) -> bytes:
    """All of a file: pages are small, and one request costs less than several. Raises OSError."""
    return _asked(url, lambda store, path: bytes(store.cat_file(path)))


def version(url: str) -> Version | None:
    """By what the content of a file is known; None where the store doesn't say. Raises OSError."""
    info = _asked(url, lambda store, path: store.info(path))
    told = next((str(info[name]) for name in _VERSIONS if info.get(name)), None)
    return Version(info.get("size") or 0, told) if told else None


def write(url: str, file: str) -> None:
    """Copy a file of this machine there, as a whole. Raises OSError."""
    _asked(url, lambda store, path: store.put_file(file, path))


def remove(url: str) -> None:
    """Raises OSError."""
    _asked(url, lambda store, path: store.rm_file(path))


def forget() -> None:
    """Drop what this process remembers of stores and archives: they may have changed since the last scan."""
    known = sys.modules.get("fsspec.registry")
    for store in known.registry.values() if known else ():
        store.clear_instance_cache()


def _asked(url: str, request: Callable[[Any, str], Result]) -> Result:
    """What a request to the store of a URL gives, for the path in it, perhaps only after several tries."""
    with _errors():
        store, path = _locate(url)
        return _retried(lambda: request(store, path))


def _locate(url: str) -> tuple[Any, str]:
    try:
        import fsspec

        store, path = fsspec.url_to_fs(url, max_paths=_FOLDERS_IN_MEMORY)
    except ImportError as error:
        raise UsageError(f"{url} needs more packages: pip install 'digitscan[remote]' ({error})") from error
    except ValueError as error:
        raise UsageError(f"{url} is no URL that can be read: {error}") from error
    return store, str(path)


def _retried(request: Callable[[], Result]) -> Result:
    for delay in _DELAYS:
        try:
            return request()
        except _FINAL:
            raise
        except OSError:
            time.sleep(delay * random.uniform(1, 1.5))
    return request()


@contextmanager
def _errors() -> Iterator[None]:
    """Makes OSErrors of what each store raises in its own way."""
    try:
        yield
    except PermissionError as error:
        raise PermissionError(f"{error}; {_CREDENTIALS}") from error
    except (OSError, UsageError):
        raise
    except Exception as error:
        remedy = f"; {_CREDENTIALS}" if "credential" in f"{type(error).__name__} {error}".lower() else ""
        raise OSError(f"{' '.join(str(error).split()) or type(error).__name__}{remedy}") from error
