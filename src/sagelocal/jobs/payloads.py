"""Split an object into the requests of a transform, and filter and join the answers.

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
    """Yield the records of an object, with their line ends: its lines, or all of it as one record."""
    with path.open("rb") as file:
        if split == "Line":
            yield from file
        else:
            yield file.read()


def batches(found: Iterable[bytes], max_bytes: int | None, *, single: bool) -> Iterator[list[bytes]]:
    """Yield the records of each request, in order: as many as fit, or one if `single`.

    Raises:
        PipelineError: A record is larger than `max_bytes`; None means no limit.

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
    """The DataProcessing of a transform: filters for records and answers.

    `kind` is csv or json, or empty if nothing is filtered or joined. With `lines`, each line of a JSON object is a
    record; a line of CSV always is.
    """

    kind: str
    lines: bool
    sent: Filter = WHOLE
    kept: Filter = WHOLE
    joined: bool = False

    def request(self, batch: list[bytes]) -> bytes:
        """Return the body of the request for these records."""
        if self.sent == WHOLE:
            return b"".join(batch)
        return b"".join(self._written(self.sent(value)) for value in self._values(b"".join(batch)))

    def result(self, batch: list[bytes], answer: bytes) -> bytes:
        """Return the part of the answer to keep, joined with the records if asked for.

        Raises:
            PipelineError: The number of answers differs from that of records.
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
    """Return the DataProcessing of a transform's Arguments.

    Raises:
        InputError: It is not possible with this kind of data, or not supported here.
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
