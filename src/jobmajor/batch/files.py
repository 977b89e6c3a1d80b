"""Code a file, a folder or a pattern of tables: what `jobmajor classify --input` does.

Blocks pass through reader, scorer and writer one after another, so memory stays flat. Answers are stored beside the
output until it is complete. A run after a kill reads and writes everything again, and scores only titles without a
stored answer. The output gets its final name when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobmajor import lineage, soc
from jobmajor.batch import jobs, second_text, staging
from jobmajor.batch.added import Added
from jobmajor.batch.bad_rows import BadRows
from jobmajor.batch.engine import MEMO_BYTES, Engine
from jobmajor.batch.journal import Journal
from jobmajor.batch.notes import Notes
from jobmajor.batch.progress import Progress, Reporter
from jobmajor.batch.threads import ReadAhead, WriteBehind
from jobmajor.errors import InputError
from jobmajor.model.coder import REASONS, SOURCES
from jobmajor.model.deepest import deepest
from jobmajor.registry import loading
from jobmajor.soc import classifications
from jobmajor.tables import formats
from jobmajor.tables.block import Reading, check_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobmajor.batch.added import Answers
    from jobmajor.batch.engine import Tally
    from jobmajor.batch.jobs import Job
    from jobmajor.model.classifier import Classifier
    from jobmajor.model.deepest import AnyCoder
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.model.rules.prior import Prior
    from jobmajor.soc import Level
    from jobmajor.tables.block import Block, Reader, Writer

_PREFIX = "jobmajor_"


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Options for coding files.

    Attributes:
        column: The column of titles, by its name or its number from 1; guessed when None.
        encoding: The encoding of text files; recognised when None.
        has_header: Whether the first line names the columns; guessed when None.
        has_quotes: Whether cells of delimited text may stand in quotes.
        sheet: The sheet of a workbook; the first one when None.
        context: The column of a second text, such as duties; without one when None.
        level: The level of the codes; "all" gives all four, "best" for each title the deepest one that is sure.
        to: The classification of the codes: "soc-2018", "soc-2010" or "isco-08".
        top: How many codes each level gets.
        overrides: A user's own titles with their codes.
        exact: Whether a title that training lists gets the codes that it is listed under.
        prior: The mix of occupations that answers are moved toward.
        prefix: Stands before the names of the added columns; None adds one only where a column of the input has a name
            of theirs.
        safe_cells: Whether cells of the input that a spreadsheet would run as a formula get an apostrophe.
        threads: How many threads score; one for each processor when None.
        memo_bytes: The size of the memo of answers.
        on_progress: Called with the progress, at most five times a second.
        on_note: Called with each line that a person should read before anything is written.
    """

    column: str | None = None
    encoding: str | None = None
    has_header: bool | None = None
    has_quotes: bool = True
    sheet: str | None = None
    context: str | None = None
    level: str = "major"
    top: int = 1
    overrides: Overrides | None = None
    exact: bool = True
    prior: Prior | None = None
    to: str = classifications.SOC_2018
    prefix: str | None = None
    safe_cells: bool = False
    threads: int | None = None
    memo_bytes: int = MEMO_BYTES
    on_progress: Callable[[Progress], None] | None = None
    on_note: Callable[[str], None] | None = None

    @property
    def reading(self) -> Reading:
        """How the files are to be read."""
        return Reading(self.column, self.encoding, self.has_header, self.has_quotes, self.sheet)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels that `level` names.

        Raises:
            InputError: There is none of that name, or no classification `to`.
        """
        target = classifications.parse(self.to)
        return target.parse_levels(self.level) if target else soc.parse_levels(self.level)

    @property
    def level_names(self) -> tuple[str, ...]:
        """What the classification calls them, and "best" for that."""
        if self.level == soc.BEST_LEVEL:
            return (soc.BEST_LEVEL,)
        target = classifications.parse(self.to)
        return tuple(map(target.level_name, self.levels)) if target else self.levels


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of a run.

    Attributes:
        files: The files that were written.
        rows: Rows with answers.
        bad: Rows with a fault: of other than UTF-8, with too few or too many cells, with a stray quote.
        left_out: Those of them that are not in the output, since they can't be read at all.
        bad_files: The side files that list all rows with a fault.
        notes: What was guessed about the files, and what in the output differs from them.
        scored: Different titles that were scored.
        stored: Different titles whose answers an interrupted run had left.
        abstained: By level, the number of rows for each reason to abstain.
        sources: The number of rows for each source of an answer.
        seconds: The duration.
        prior: The digest of the mix of occupations that answers were moved toward; empty without one.
    """

    files: tuple[str, ...]
    rows: int
    bad: int
    left_out: int
    bad_files: tuple[str, ...]
    scored: int
    stored: int
    abstained: dict[str, dict[str, int]]
    sources: dict[str, int]
    seconds: float
    prior: str = ""
    notes: tuple[str, ...] = ()


def code_file(
    source: str | Path,
    output: str | Path,
    options: FileOptions | None = None,
    *,
    model: Classifier | str | Path | None = None,
    home: str | Path | None = None,
) -> Summary:
    """Write files of titles again, with codes in added columns.

    Args:
        source: A .csv, .tsv, .jsonl, .parquet or .xlsx file, the text ones also packed (.gz, .zst); a folder or a
            pattern of such.
        output: The file to write, in any of these formats, or the folder. An existing file is replaced at the end.
        options: The options; their defaults when None.
        model: A classifier, a model's folder or `model.tar.gz`; None takes the champion.
        home: The champion's workspace.

    Raises:
        InputError: An option, a file or its column can't be used; MissingExtra: a format's package is not installed.
        ArtifactError: The model is not as recorded. Busy: another run writes the same output.
    """
    began, wanted = time.monotonic(), options or FileOptions()
    levels, target = wanted.level_names, Path(output)
    if wanted.top < 1:
        raise InputError(f"top is {wanted.top}: expected at least 1")
    planned, passed_over = jobs.jobs(Path(source), target)
    classifier, digest = _model(model, home)
    classifier = classifier.adapted(wanted.prior) if wanted.prior else classifier
    coder = _coder(classifier, wanted)
    added = Added.of(coder, wanted.prefix or "")
    notes = Notes(passed_over)
    with ExitStack() as stack:
        added, opened = _checked(planned, wanted, added, notes)  # refused before anything is written
        stack.callback(opened.close)
        if wanted.on_note:
            for note in notes.lines:
                wanted.on_note(note)
        folder = stack.enter_context(staging.staging(planned[0].target if len(planned) == 1 else target))
        journal = Journal(staging.answers(folder), _context(classifier, digest, coder, wanted))
        with Engine(coder, added, journal, threads=wanted.threads, memo_bytes=wanted.memo_bytes) as engine:
            reporter = Reporter(wanted.on_progress, len(planned))
            bad = list[str]()
            for number, job in enumerate(planned):
                reader = opened if number == 0 else _opened(job, wanted, added)
                with closing(reader):
                    context = second_text.find(reader, job.source, wanted.context)
                    run = _FileRun(job, folder, engine, reporter.of(number), context)
                    if run.write(reader, added, safe_cells=wanted.safe_cells):
                        bad.append(str(job.bad))
            tally = engine.tally
    prior = wanted.prior.digest if wanted.prior else ""
    found = _summary(planned, bad, tally, levels, time.monotonic() - began)
    return replace(found, prior=prior, notes=notes.lines)


def _model(model: Classifier | str | Path | None, home: str | Path | None) -> tuple[Classifier, str]:
    """Return a classifier and its digest; one in memory is saved to a temporary folder for that."""
    if model is None or isinstance(model, str | Path):
        return loading.load_with_digest(model, home=home)
    with tempfile.TemporaryDirectory() as folder:
        return model, model.save(Path(folder)).digest


def _coder(classifier: Classifier, wanted: FileOptions) -> AnyCoder:
    """Return a coder for at most as many codes as the largest level has, since each gets its columns."""
    asked = classifier if wanted.context is None else classifier.contextual
    model = asked if wanted.to == classifications.SOC_2018 else asked.to(wanted.to)
    most = max(map(len, model.coder(wanted.levels, overrides=wanted.overrides).classes))
    top = min(wanted.top, most)
    if wanted.level == soc.BEST_LEVEL:
        return deepest(model).coder(top, overrides=wanted.overrides, exact=wanted.exact)
    return model.coder(wanted.levels, top, overrides=wanted.overrides, exact=wanted.exact)


def _checked(planned: Sequence[Job], wanted: FileOptions, added: Added, notes: Notes) -> tuple[Added, Reader]:
    """Return the columns to add, with a prefix if an input has one of their names, and the first file's reader."""
    taken = set[str]()
    for job in planned:
        with closing(_opened(job, wanted, None)) as reader:
            head = reader.head()
            taken.update(head.names)
            notes.add(job.source, head.notes)
            if wanted.prefix is not None:
                check_names(job.source, head.names, added.names)
        if wanted.prefix is None:
            taken |= formats.keys_like(job.source, added.names)
    prefix = ""
    while wanted.prefix is None and any(prefix + name in taken for name in added.names):
        prefix += _PREFIX
    if prefix:
        added = replace(added, prefix=prefix)
        notes.say(f"the input has columns of the names of ours: ours are called {prefix}… in all files")
    return added, _opened(planned[0], wanted, added)


def _opened(job: Job, wanted: FileOptions, added: Added | None) -> Reader:
    reader = formats.reader(job.source, wanted.reading, job.made, added.names if added else ())
    try:
        second_text.find(reader, job.source, wanted.context)
    except BaseException:
        reader.close()
        raise
    return reader


def _context(classifier: Classifier, digest: str, coder: AnyCoder, wanted: FileOptions) -> str:
    """Return everything besides the title that an answer depends on."""
    listed = wanted.overrides.codes if wanted.overrides else {}
    names = hashlib.sha256(json.dumps({title: dict(codes) for title, codes in listed.items()}).encode()).hexdigest()
    version = lineage.code_version(__name__, classifier.scorer.recipe)
    asked = [version, digest, coder.levels, coder.k, wanted.exact, names, wanted.to]
    asked += ["context"] if wanted.context is not None else []
    return json.dumps([*asked, wanted.prior.digest] if wanted.prior else asked)


@dataclass(frozen=True, slots=True)
class _FileRun:
    """Codes one file."""

    job: Job
    folder: Path
    engine: Engine
    told: Callable[[int, float], None]
    context: int | None

    def write(self, reader: Reader, added: Added, *, safe_cells: bool) -> bool:
        """Write the output and publish it; return whether there are bad rows."""
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
            bad.write(block)
            writer.write(block, added.values(answers))

        behind = WriteBehind(write)
        try:
            with closing(ReadAhead(reader.blocks(self.engine.block_rows))) as blocks:
                for block in blocks:
                    behind.put((block, self.engine.answers(second_text.joined(block, self.context))))
                    self.told(self.engine.tally.rows, block.share)
            behind.finish()
        finally:
            behind.stop()
            has_bad = bad.close()
        return has_bad


def _summary(
    planned: Sequence[Job], bad: Sequence[str], tally: Tally, levels: Sequence[str], seconds: float
) -> Summary:
    counts: dict[str, Any] = {
        level: {reason: int(count) for reason, count in zip(REASONS, row, strict=True) if reason}
        for level, row in zip(levels, tally.reasons if len(tally.reasons) else [[0] * len(REASONS)] * 4, strict=False)
    }
    return Summary(
        tuple(str(job.target) for job in planned),
        tally.rows,
        tally.bad,
        tally.left_out,
        tuple(bad),
        tally.scored,
        tally.stored,
        counts,
        {source: int(count) for source, count in zip(SOURCES, tally.sources, strict=True)},
        seconds,
    )
