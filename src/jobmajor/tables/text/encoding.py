"""The encoding of a text file, recognised by its bytes; the page's `reading.js` has the same rules.

Spreadsheets still write Windows-1252 and UTF-16. Read as UTF-8, such files lose rows, or letters of each of them.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from jobmajor.errors import InputError
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from jobmajor.tables.compression import ByteSource

UTF_8: Final = "utf-8"
_WINDOWS: Final = "cp1252"
_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_LABELS: Final = {UTF_8: "UTF-8", _WINDOWS: "Windows-1252", "iso8859-1": "Latin-1"}
_CHUNK_BYTES: Final = 2**20
_HEAD_BYTES: Final = 2**16
_ENOUGH = 1000  # characters after which the rest of a file is not asked
_WELL_FORMED_SHARE = 4  # a UTF-8 file may have so many stray bytes for each character that is well-formed
_ASCII = bytes(range(128))
_LINE_END = re.compile(r"[\r\n]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the bytes of a text become characters.

    Attributes:
        codec: The name of Python's codec.
        is_kept: Whether rows are read in these bytes, and written again unchanged: UTF-8, or one byte for each
            character and ASCII below 128. Everything else is read as UTF-8, and written so.
    """

    codec: str = UTF_8
    is_kept: bool = True

    @property
    def label(self) -> str:
        """What people call it.

        >>> Encoding("cp1252").label, Encoding("utf-16-le", is_kept=False).label
        ('Windows-1252', 'UTF-16')
        """
        return _LABELS.get(self.codec, self.codec.upper().removesuffix("-LE").removesuffix("-BE"))

    @property
    def is_utf8(self) -> bool:
        """Whether it is UTF-8."""
        return self.codec == UTF_8

    def decoded(self, data: bytes) -> str:
        """Return bytes as text; what can't be read becomes U+FFFD."""
        if self.codec == _WINDOWS:
            return codecs.charmap_decode(data, "replace", _windows_1252())[0]
        return data.decode(self.codec, "replace")

    def packed(self, texts: Packed) -> Packed:
        """Return texts, packed in these bytes, as UTF-8; for an encoding of one byte to a character."""
        if not len(texts.data) or texts.data.max() < len(_ASCII):
            return texts
        every = [self.decoded(bytes([byte])).encode() for byte in range(256)]
        lengths = np.array([len(each) for each in every])
        ends = np.append(0, np.cumsum(lengths[texts.data]))
        data = np.frombuffer(self.decoded(texts.data.tobytes()).encode(), np.uint8)
        return Packed(data, ends[texts.starts])


def _windows_1252() -> str:
    """Return its 256 characters; the five bytes that it leaves open are controls, as in browsers (WHATWG)."""
    return "".join(bytes([byte]).decode(_WINDOWS, "ignore") or chr(byte) for byte in range(256))


def named(name: str) -> Encoding:
    """Return the encoding of that name.

    Raises:
        InputError: Python knows no text encoding of that name.
    """
    try:
        codec = codecs.lookup(name).name
        is_ascii = _ASCII.decode(codec, "replace") == _ASCII.decode("ascii")
        is_single = len(bytes(range(128, 256)).decode(codec, "replace")) == len(_ASCII)
    except (LookupError, UnicodeError, ValueError):
        raise InputError(
            f"--encoding {name!r} is no text encoding: expected one such as utf-8, cp1252, latin-1 or utf-16"
        ) from None
    if codec == "utf-8-sig":
        codec = UTF_8
    return Encoding(codec, codec == UTF_8 or (is_ascii and is_single))


def recognise(source: ByteSource) -> Encoding:
    """Return the encoding of a file that is open at its beginning.

    A mark decides. Without one, text with a zero in every second byte is UTF-16, and so are bytes with zeros that make
    lines without control characters as UTF-16: text in other scripts than Latin. Of other bytes, UTF-8 is what they
    are where they are well-formed, or hold some stray bytes among characters that are; else Windows-1252, which has
    all characters of Latin-1.
    """
    head = source.some(_HEAD_BYTES)
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return Encoding(codec, is_kept=False)
    if codec := _by_zeros(head) or _by_lines(head):
        return Encoding(codec, is_kept=False)
    decoder = codecs.getincrementaldecoder(UTF_8)("replace")
    good = stray = 0
    chunk = head
    while True:
        if not chunk.isascii():
            text = decoder.decode(chunk)
            strays = text.count("\ufffd") - chunk.count(b"\xef\xbf\xbd")
            good += len(text) - len(text.encode("ascii", "ignore")) - strays
            stray += max(0, strays)
        if not chunk or max(good, stray) > _ENOUGH:
            break
        chunk = source.some(_CHUNK_BYTES)
    stray += len(decoder.decode(b"", final=True))
    return Encoding() if not stray or good * _WELL_FORMED_SHARE >= stray else Encoding(_WINDOWS)


def _by_zeros(head: bytes) -> str:
    """Return the UTF-16 that has its zeros where these bytes have them, mostly for ASCII; empty if none has."""
    pairs = np.frombuffer(head[: len(head) // 2 * 2], np.uint8).reshape(-1, 2) == 0
    values = np.frombuffer(head, np.uint8)
    if not len(pairs) or ((values > 0) & (values < 9)).any():  # binary data
        return ""
    first, second = pairs.mean(axis=0)
    if second > 0.3 and first < 0.05:
        return "utf-16-le"
    return "utf-16-be" if first > 0.3 and second < 0.05 else ""


def _by_lines(head: bytes) -> str:
    """Return the UTF-16 in which these bytes are lines of text, in any script; empty if there is none."""
    if 0 not in head:
        return ""
    for codec in ("utf-16-le", "utf-16-be"):
        try:
            text = codecs.getincrementaldecoder(codec)("strict").decode(head)  # the last character may be cut
        except UnicodeDecodeError:
            continue
        if _LINE_END.search(text) and not _CONTROL.search(text):
            return codec
    return ""
