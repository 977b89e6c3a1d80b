"""What a file really is, told from its first bytes.

A sign-in page saved as a workbook, or a spreadsheet renamed to `.txt`, would otherwise end in a
parser's error that doesn't say what to do.
"""

from __future__ import annotations

HEAD_BYTES = 512  # what `kind` needs to see
ZIP = "a zip archive or workbook"
TEXT = "plain text"
HTML = "an HTML page"

_MAGIC = (
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0", "an encrypted workbook or one of the old .xls kind"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
)


def kind(head: bytes) -> str:
    """A few words for what starts with `head` (the first `HEAD_BYTES` bytes, or a whole smaller file).

    >>> kind(b"<!DOCTYPE html><title>Sign in</title>")
    'an HTML page'
    """
    for magic, words in _MAGIC:
        if head.startswith(magic):
            return words
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<script")):
        return HTML
    if not head:
        return "an empty file"
    return "binary data" if b"\x00" in head else TEXT
