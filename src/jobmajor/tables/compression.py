"""Streams of bytes from and to files, decompressed and compressed on the way: no file is held whole in memory.

Compressing twice gives the same bytes twice, since neither a time nor a name is written. A file that decompresses to
far more than its size costs time but no memory, since a row is bounded.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final, Literal, cast

from jobmajor.errors import DataError, MissingExtra
from jobmajor.tables import archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Packing = Literal["", "gzip", "zstd"]
ENDINGS: Final[dict[str, Packing]] = {".gz": "gzip", ".zst": "zstd"}
EXTRA: Final = "formats"
_BUFFER_BYTES = 2**20
_GZIP_LEVEL = 6
_TEXT = "text"


class ByteSource:
    """The decompressed bytes of a file, from the beginning."""

    def __init__(self, path: Path, packing: Packing, codec: str = "") -> None:
        """Open the file; with a `codec`, its text is given as UTF-8.

        Raises:
            DataError: It is missing, empty, or holds no text.
            MissingExtra: It is packed with zstd, for which pyarrow is needed.
        """
        self._path, self._packing, self._codec, self._given = path, packing, codec, 0
        try:
            self._file = path.open("rb")
            self._size = path.stat().st_size
        except OSError as error:
            reason = error.strerror or "no file"
            raise DataError(path, f"what can't be read ({reason})", "a file", "name one that can be read") from error
        try:
            self._stream = io.BufferedReader(self._unpacked(), _BUFFER_BYTES)
            self._check()
            if codec:
                self._stream = io.BufferedReader(_AsUtf8(self._stream, codec), _BUFFER_BYTES)
        except BaseException:
            self._file.close()
            raise

    def _check(self) -> None:
        with self._faults():
            head = self._stream.peek(archive.HEAD_BYTES)[: archive.HEAD_BYTES]
        found = archive.kind(head.replace(b"\0", b" "))  # a row may hold one, and is a bad one then
        if found not in (archive.TEXT, archive.UTF_16):
            raise DataError(self._path, found, _TEXT, "save it as that, or name it as what it is")

    def _unpacked(self) -> Any:
        if self._packing == "gzip":
            return gzip.GzipFile(fileobj=self._file, mode="rb")
        if self._packing == "zstd":
            arrow = required("a .zst file")
            return arrow.CompressedInputStream(arrow.PythonFile(self._file, "r"), "zstd")
        return self._file

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, zlib.error, OSError) as error:
            if not self._packing:
                raise
            do = "pack or fetch it again"
            raise DataError(self._path, f"a damaged or cut-off {self._packing} file", "a whole one", do) from error

    def fill(self, buffer: memoryview) -> int:
        """Fill the buffer unless the file ends before; return how many bytes were read."""
        done = 0
        with self._faults():
            while done < len(buffer) and (count := self._stream.readinto(buffer[done:])):
                done += count
        self._given += done
        return done

    def some(self, most: int) -> bytes:
        """Return the next bytes, `most` of them unless the file ends before."""
        buffer = bytearray(most)
        return bytes(buffer[: self.fill(memoryview(buffer))])

    def line(self, most: int) -> bytes:
        """Return the next line with its end, at most `most` bytes of it; empty at the end of the file."""
        with self._faults():
            found = self._stream.readline(most)
        self._given += len(found)
        return found

    @property
    def share(self) -> float:
        """How much of the file has been read, 0 to 1; of a compressed one, how much has been decompressed."""
        done = self._file.tell() if self._packing or self._codec else self._given
        return min(1.0, done / max(self._size, 1))

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._file.close()


class _AsUtf8(io.RawIOBase):
    """Text of another encoding as UTF-8; what can't be read becomes U+FFFD."""

    def __init__(self, stream: io.BufferedReader, codec: str) -> None:
        self._stream, self._left, self._is_done = stream, memoryview(b""), False
        self._decoder = codecs.getincrementaldecoder(codec)("replace")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not len(self._left) and not self._is_done:
            chunk = self._stream.read(_BUFFER_BYTES)
            self._is_done = not chunk
            self._left = memoryview(self._decoder.decode(chunk, final=self._is_done).encode("utf-8", "replace"))
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


def sink(path: Path, packing: Packing) -> IO[bytes]:
    """Open a new file for bytes, which are compressed on the way; closing it closes the file.

    Raises:
        MissingExtra: zstd needs pyarrow.
    """
    if packing == "zstd":
        arrow = required("a .zst file")
        return cast("IO[bytes]", arrow.CompressedOutputStream(arrow.OSFile(str(path), "wb"), "zstd"))
    if packing == "gzip":
        return cast("IO[bytes]", _Gzip(path))
    return path.open("wb")


class _Gzip(gzip.GzipFile):
    """A gzip file without a name and a time, which closes its target."""

    def __init__(self, path: Path) -> None:
        self._target = path.open("wb")
        super().__init__(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=self._target, mtime=0)

    def close(self) -> None:
        try:
            super().close()
        finally:  # on a full disk the first fails
            self._target.close()


def required(what: str) -> Any:
    """Return the package pyarrow.

    Raises:
        MissingExtra: It is not installed; `what` needs it.
    """
    try:
        import pyarrow  # noqa: PLC0415 - an extra, and slow to load
    except ImportError as error:
        raise MissingExtra(what, EXTRA) from error
    return pyarrow
