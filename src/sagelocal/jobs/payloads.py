"""The requests that a transform makes of one object, and what it makes of the answers.

Source: AWS, SageMaker API Reference, CreateTransformJob, and Developer Guide, "Associate Prediction Results with
Input Records".
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sagelocal.errors import InputError, PipelineError
from sagelocal.jobs.filters import WHOLE, Filter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MB: Final = 2**20
_FORMATS: Final = {"text/csv": "csv", "application/json": "json", "application/jsonlines": "json"}


def records(path: Path, split: str) -> Iterator[bytes]:
    """Yield the records of an object with the line ends that they have: lines, or the whole."""
    with path.open("rb") as file:
        if split == "Line":
            yield from file
        else:
            yield file.read()


def batches(found: Iterable[bytes], max_bytes: int | None, *, single: bool) -> Iterator[list[bytes]]:
    """Yield the records of each request, in order: as many as fit into it, or one.

    Raises:
        PipelineError: One alone is larger than `max_bytes`, where that isn't None.

    >>> list(batches([b"aa", b"b", b"c"], 3, single=False))
    [[b'aa', b'b'], [b'c']]
    """
    batch: list[bytes] = []
    size = 0
    for record in found:
        if max_bytes is not None and len(record) > max_bytes:
            fault = f"a record of {len(record):,} bytes is over MaxPayloadInMB, {max_bytes // MB}"
            raise PipelineError(f"{fault}: split the input by Line, or allow more")
        if batch and (single or (max_bytes is not None and size + len(record) > max_bytes)):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record)
    if batch:
        yield batch


@dataclass(frozen=True, slots=True)
class Processing:
    """What is sent of each record and kept of each answer; `kind` is csv, json, or empty where both go untouched.

    With `lines` each line is a record also within a JSON object; a line of CSV always is one.
    """

    kind: str
    lines: bool
    sent: Filter = WHOLE
    kept: Filter = WHOLE
    joined: bool = False

    def request(self, batch: list[bytes]) -> bytes:
        """Return the body to send for these records."""
        if self.sent == WHOLE:
            return b"".join(batch)
        return b"".join(self._written(self.sent(value)) for value in self._values(b"".join(batch)))

    def result(self, batch: list[bytes], answer: bytes) -> bytes:
        """Return what is kept of the answer to these records.

        Raises:
            PipelineError: It has not an answer for each record.
        """
        if self.kept == WHOLE and not self.joined:
            return answer
        given = self._values(b"".join(batch))
        answers = self._values(answer) if len(given) != 1 else [self._only(answer)]
        if len(answers) != len(given):
            raise PipelineError(f"{len(answers)} answers came for {len(given)} records: expected one for each")
        pairs = zip(given, answers, strict=True)
        return b"".join(self._written(self.kept(self._join(*pair) if self.joined else pair[1])) for pair in pairs)

    def _values(self, body: bytes) -> list[Any]:
        try:
            text = body.decode()
            if self.kind == "csv":
                return list(csv.reader(io.StringIO(text, newline="")))
            return [json.loads(part) for part in (text.splitlines() if self.lines else [text])]
        except (ValueError, csv.Error) as error:
            raise PipelineError(
                f"a record is no {self.kind.upper()} ({error}), which filters and joins need"
            ) from error

    def _only(self, answer: bytes) -> Any:
        if self.kind == "csv":
            rows = self._values(answer)
            return rows[0] if len(rows) == 1 else rows
        try:
            return json.loads(answer)
        except ValueError as error:
            raise PipelineError(f"an answer is no JSON ({error}), which filters and joins need") from error

    def _join(self, given: Any, answer: Any) -> Any:
        if self.kind == "csv":
            return [*given, *answer]
        if isinstance(given, dict):
            return {**given, "SageMakerOutput": answer}
        return {"SageMakerInput": given, "SageMakerOutput": answer}

    def _written(self, value: Any) -> bytes:
        if self.kind == "csv":
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerow(value if isinstance(value, list) else [value])
            return text.getvalue().encode()
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + (b"\n" if self.lines else b"")


def processing(arguments: dict[str, Any]) -> Processing:
    """Return what a transform's DataProcessing asks for.

    Raises:
        InputError: It can't be done with this kind of data, or not here.
    """
    asked = arguments.get("DataProcessing", {})
    sent, kept = (Filter.parse(asked.get(name, "$")) for name in ("InputFilter", "OutputFilter"))
    joined = asked.get("JoinSource", "None") == "Input"
    source, target = arguments["TransformInput"], arguments["TransformOutput"]
    lines = source.get("SplitType", "None") == "Line"
    if (sent, kept, joined) == (WHOLE, WHOLE, False):
        return Processing("", lines)
    given = source.get("ContentType", "")
    kind, answered = _kind(given), _kind(target.get("Accept", given))
    if not kind or (kind != answered and (joined or kept != WHOLE)):
        fault = f"found ContentType {given!r} and Accept {target.get('Accept', given)!r}"
        raise InputError(f"DataProcessing: {fault}; filters and joins need CSV or JSON, the same for both")
    return Processing(kind, lines, sent, kept, joined)


def _kind(media_type: str) -> str:
    return _FORMATS.get(media_type.partition(";")[0].strip().lower(), "")
