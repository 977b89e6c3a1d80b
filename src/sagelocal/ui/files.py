"""The output files of a step: what the run recorded, what is there now, and the content of small ones."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sagelocal.errors import Error, InputError
from sagelocal.run import records
from sagelocal.storage import transfer
from sagelocal.storage.address import join
from sagelocal.storage.store import FolderStore
from sagelocal.ui.logs import shown

if TYPE_CHECKING:
    from pathlib import Path

    from sagelocal.run.records import Execution, StepRecord
    from sagelocal.storage.manifest import FileRecord

MOST: Final = 200  # files of a step that are listed
TEXT_BYTES: Final = 256 * 2**10
PICTURE_BYTES: Final = 4 * 2**20
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_MOST_PIXELS: Final = 8192  # of a side
THERE, GONE, CHANGED = "there", "no longer there", "changed since"
ODD, CLOSED = "a link or no regular file", "without access"


@dataclass(frozen=True, slots=True)
class Output:
    """A recorded file, by its prefix and name."""

    uri: str
    name: str
    record: FileRecord
    store: FolderStore

    @property
    def path(self) -> Path | None:
        """The path of the file, also of one that is gone; None if it leads out of the bucket or over a link."""
        try:
            return self.store.path(self.address)
        except (Error, OSError):
            return None

    @property
    def address(self) -> str:
        """Its s3:// address."""
        return join(self.uri, self.name)

    @property
    def state(self) -> str:
        """Whether a file of the recorded size is there; the content is checked only where it is shown."""
        try:
            with transfer.open_regular(self.store.path(self.address)) as file:
                return THERE if file.seek(0, 2) == self.record.size_bytes else CHANGED
        except FileNotFoundError:
            return GONE
        except PermissionError:
            return CLOSED
        except (Error, OSError):
            return ODD


@dataclass(frozen=True, slots=True)
class Content:
    """What is shown of a file: `kind` is text, json, png, or empty where `text` says why nothing is."""

    kind: str
    text: str = ""
    data: bytes = b""


def recorded(home: Path, execution: Execution, step: StepRecord) -> list[Output]:
    """Return all output files of a step, sorted by address.

    Raises:
        ArtifactError: Their record can't be read.
    """
    folder = execution.folder
    if step.taken_from is not None:
        if step.taken_from not in records.ids(home):
            return []
        folder = home / "runs" / step.taken_from
    found = records.outputs(folder, step.name)
    store = FolderStore(home / "s3")
    return [
        Output(uri, name, record, store)
        for uri, files in sorted(found.items())
        for name, record in sorted(files.items())
    ]


def find(outputs: list[Output], uri: str, name: str) -> Output:
    """Return one of the files.

    Raises:
        InputError: There is no such file.
    """
    for output in outputs:
        if (output.uri, output.name) == (uri, name):
            return output
    raise InputError(f"the step has no output {name[:200]!r} below {uri[:200]!r}: its page lists what is there")


def content(output: Output, most_bytes: int = PICTURE_BYTES) -> Content:
    """Return what is shown of a file: text of up to 256 KiB or a PNG, if it is what the run recorded."""
    if output.record.size_bytes > most_bytes:
        return Content("", f"Files of more than {most_bytes:,} bytes are not shown.")
    try:
        data = records.load(output.store.path(output.address), most_bytes)
    except PermissionError:
        return Content("", "The file can't be read (permission denied): give access, and load the page again.")
    except (Error, OSError, ValueError):
        return Content("", "The file is not there, or is a link or no regular file.")
    if hashlib.sha256(data).hexdigest() != output.record.sha256:
        return Content("", "The file is no longer what this run wrote: a later run or a person replaced it.")
    if data.startswith(_PNG):
        return _picture(data)
    return _text(data, is_json=output.name.endswith(".json"))


def _picture(data: bytes) -> Content:
    # Source: W3C, "Portable Network Graphics", 11.2.2: IHDR comes first, with width and height.
    sides = struct.unpack(">II", data[16:24]) if len(data) >= 24 else (0, 0)
    if not all(0 < side <= _MOST_PIXELS for side in sides):
        return Content("", f"A picture of more than {_MOST_PIXELS} pixels a side is not shown.")
    return Content("png", f"{sides[0]} × {sides[1]} pixels", data)


def _text(data: bytes, *, is_json: bool) -> Content:
    if len(data) > TEXT_BYTES:
        return Content("", f"Text of more than {TEXT_BYTES:,} bytes is not shown.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return Content("", "The file is no text and no PNG.")
    if is_json:
        try:
            return Content("json", json.dumps(json.loads(text), indent=1, ensure_ascii=False))
        except (ValueError, RecursionError):
            pass
    return Content("text", shown(text))
