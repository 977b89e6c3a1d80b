"""A file, a folder or a pattern of tables → the same tables with codes: what `jobmajor classify --input` does.

Blocks go one after the other through reader, scorer and writer, so memory stays flat. Answers that were made are
stored beside the output until it is whole; who starts again after a kill reads and writes anew, and scores only what
is not stored. The output gets its name when it is whole.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobmajor import lineage, soc
from jobmajor.batch import jobs as plan
from jobmajor.batch import staging
from jobmajor.batch.added import Added
from jobmajor.batch.bad_rows import BadRows
from jobmajor.batch.engine import MEMO_BYTES, Engine
from jobmajor.batch.journal import Journal
from jobmajor.batch.threads import Ahead, Behind
from jobmajor.errors import InputError
from jobmajor.model.coder import REASONS, SOURCES
from jobmajor.registry import loading
from jobmajor.tables import formats
from jobmajor.tables.block import check_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobmajor.batch.added import Answers
    from jobmajor.batch.engine import Tally
    from jobmajor.batch.jobs import Job
    from jobmajor.model.classifier import Classifier
    from jobmajor.model.coder import Coder
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.soc import Level
    from jobmajor.tables.block import Block, Reader, Writer

_EVERY_S = 0.2  # between two words on how far it is


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: rows so far, the share of all that is read, rows a second, and seconds left, None at first."""

    rows: int
    share: float
    rows_per_s: float
    left_s: float | None


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What is asked about each title of a file.

    Attributes:
        column: The column of titles.
        level: Of the codes; "all" gives all four.
        top: How many codes.
        overrides: A user's own titles with their codes.
        exact: Whether titles that training lists are answered by what it lists.
        prefix: Put before the names of added columns.
        safe_cells: Whether input's cells that a spreadsheet would run get an apostrophe; added ones always do.
        threads: That score; one for each processor when None.
        memo_bytes: For answers that are remembered.
        on_progress: Told now and then how far it is.
    """

    column: str = "title"
    level: str = "major"
    top: int = 1
    overrides: Overrides | None = None
    exact: bool = True
    prefix: str = ""
    safe_cells: bool = False
    threads: int | None = None
    memo_bytes: int = MEMO_BYTES
    on_progress: Callable[[Progress], None] | None = None

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels by name.

        Raises:
            InputError: There is none of that name.
        """
        return soc.parse_levels(self.level)


@dataclass(frozen=True, slots=True)
class Summary:
    """What was done.

    Attributes:
        files: Those written.
        rows: With answers; each is in a file.
        bad: Rows that can't be used, which `bad_files` hold.
        scored: Different titles that were scored, and `stored` those that an earlier run had scored.
        abstained: By level, rows for each reason not to take an answer.
        sources: Rows by where their answers come from.
        seconds: In all.
    """

    files: tuple[str, ...]
    rows: int
    bad: int
    bad_files: tuple[str, ...]
    scored: int
    stored: int
    abstained: dict[str, dict[str, int]]
    sources: dict[str, int]
    seconds: float


def code_file(
    source: str | Path,
    output: str | Path,
    options: FileOptions | None = None,
    *,
    model: Classifier | str | Path | None = None,
    home: str | Path | None = None,
) -> Summary:
    """Write a file of titles again, with codes in added columns; a folder of files or a pattern likewise.

    Args:
        source: A .csv, .tsv, .jsonl, .parquet or .xlsx file, the text ones also packed (.gz, .zst); a folder or a
            pattern of such.
        output: The file to write, in any of these formats, or the folder. What stands there is replaced at the end.
        options: What is asked; the major group when None.
        model: A classifier, a model's folder or `model.tar.gz`; None takes the champion.
        home: The champion's workspace.

    Raises:
        InputError: An option, a file or its column can't be used; MissingExtra: a format's package is not installed.
        ArtifactError: The model is not as recorded. Busy: another run writes the same output.
    """
    began, wanted = time.monotonic(), options or FileOptions()
    levels, target = wanted.levels, Path(output)
    if wanted.top < 1:
        raise InputError(f"top is {wanted.top}: expected at least 1")
    planned = plan.jobs(Path(source), target)
    classifier, digest = _model(model, home)
    coder = _coder(classifier, wanted)
    added = Added.of(coder, wanted.prefix)
    with ExitStack() as stack:
        opened = _opened(planned[0], wanted, added)  # refused before anything is written
        stack.callback(opened.close)
        folder = stack.enter_context(staging.staging(planned[0].target if len(planned) == 1 else target))
        journal = Journal(staging.answers(folder), _context(classifier, digest, coder, wanted))
        with Engine(coder, added, journal, threads=wanted.threads, memo_bytes=wanted.memo_bytes) as engine:
            clock = _Clock(wanted.on_progress, len(planned))
            bad = []
            for number, job in enumerate(planned):
                reader = opened if number == 0 else _opened(job, wanted, added)
                with closing(reader):
                    run = _Run(job, folder, engine, clock.of(number))
                    if run.write(reader, added, safe_cells=wanted.safe_cells):
                        bad.append(str(job.bad))
            tally = engine.tally
    return _summary(planned, bad, tally, levels, time.monotonic() - began)


def _model(model: Classifier | str | Path | None, home: str | Path | None) -> tuple[Classifier, str]:
    """A classifier, and its manifest's digest; one in memory is saved for that."""
    if model is None or isinstance(model, str | Path):
        return loading.known(model, home=home)
    with tempfile.TemporaryDirectory() as folder:
        return model, model.save(Path(folder)).digest


def _coder(classifier: Classifier, wanted: FileOptions) -> Coder:
    """For no more codes than the largest level has: each has its columns."""
    most = max(map(len, classifier.coder(wanted.levels, overrides=wanted.overrides).classes))
    top = min(wanted.top, most)
    return classifier.coder(wanted.levels, top, overrides=wanted.overrides, exact=wanted.exact)


def _opened(job: Job, wanted: FileOptions, added: Added) -> Reader:
    reader = formats.reader(job.source, wanted.column, job.made, added.names)
    try:
        check_names(job.source, reader.head().names, added.names)
    except BaseException:
        reader.close()
        raise
    return reader


def _context(classifier: Classifier, digest: str, coder: Coder, wanted: FileOptions) -> str:
    """All but the titles that an answer depends on."""
    own = wanted.overrides.codes if wanted.overrides else {}
    names = hashlib.sha256(json.dumps({title: dict(codes) for title, codes in own.items()}).encode()).hexdigest()
    version = lineage.code_version(classifier.scorer.recipe)
    return json.dumps([version, digest, coder.levels, coder.k, wanted.exact, names])


class _Clock:
    """Says now and then how far the run is."""

    def __init__(self, tell: Callable[[Progress], None] | None, jobs: int) -> None:
        self._tell, self._jobs = tell, jobs
        self._began = self._last = time.monotonic()

    def of(self, number: int) -> Callable[[int, float], None]:
        """To be told of a job: all rows so far, and its own share."""

        def told(rows: int, share: float) -> None:
            now = time.monotonic()
            if self._tell and now - self._last >= _EVERY_S:
                self._last, spent = now, now - self._began
                whole = (number + share) / self._jobs
                left = spent * (1 - whole) / whole if whole > 0 else None
                self._tell(Progress(rows, whole, rows / spent, left))

        return told


@dataclass(frozen=True, slots=True)
class _Run:
    """One file on its way."""

    job: Job
    folder: Path
    engine: Engine
    told: Callable[[int, float], None]

    def write(self, reader: Reader, added: Added, *, safe_cells: bool) -> bool:
        """Write the output and publish it; whether there are bad rows."""
        made, side = self.folder / "output", self.folder / "bad"
        for left in (made, side):  # of a run that was killed
            left.unlink(missing_ok=True)
        writer = formats.writer(made, self.job.made, reader.head(), added.columns, safe_cells=safe_cells)
        with closing(writer):
            bad = self._fill(reader, writer, added, BadRows(side))
        if bad:
            staging.publish_file(side, self.job.bad)
        else:
            self.job.bad.unlink(missing_ok=True)
        staging.publish_file(made, self.job.target)
        return bad

    def _fill(self, reader: Reader, writer: Writer, added: Added, bad: BadRows) -> bool:
        def write(done: tuple[Block, Answers]) -> None:
            block, answers = done
            bad.write(block.bad)
            writer.write(block, added.values(answers))

        behind = Behind(write)
        try:
            with closing(Ahead(reader.blocks(self.engine.block_rows))) as blocks:
                for block in blocks:
                    behind.put((block, self.engine.answers(block)))
                    self.told(self.engine.tally.rows, block.share)
            behind.finish()
        finally:
            behind.stop()
            has_bad = bad.close()
        return has_bad


def _summary(
    planned: Sequence[Job], bad: Sequence[str], tally: Tally, levels: Sequence[Level], seconds: float
) -> Summary:
    counts: dict[str, Any] = {
        level: {reason: int(count) for reason, count in zip(REASONS, row, strict=True) if reason}
        for level, row in zip(levels, tally.reasons if len(tally.reasons) else [[0] * len(REASONS)] * 4, strict=False)
    }
    return Summary(
        tuple(str(job.target) for job in planned),
        tally.rows,
        tally.bad,
        tuple(bad),
        tally.scored,
        tally.stored,
        counts,
        {source: int(count) for source, count in zip(SOURCES, tally.sources, strict=True)},
        seconds,
    )
