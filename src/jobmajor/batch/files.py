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

from jobmajor import arguments, lineage, soc
from jobmajor.batch import jobs, second_text, staging
from jobmajor.batch.added import Added
from jobmajor.batch.bad_rows import BadRows
from jobmajor.batch.engine import Engine
from jobmajor.batch.journal import Journal
from jobmajor.batch.options import FileOptions, Summary
from jobmajor.batch.progress import Notes, Reporter
from jobmajor.batch.threads import ReadAhead, WriteBehind
from jobmajor.model.classifier import Classifier
from jobmajor.model.coder import REASONS, SOURCES
from jobmajor.model.deepest import deepest
from jobmajor.registry import loading
from jobmajor.soc import classifications
from jobmajor.tables import formats
from jobmajor.tables.block import check_names
from jobmajor.tables.jsonlines import JsonWriter
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobmajor.batch.added import Answers
    from jobmajor.batch.engine import Tally
    from jobmajor.batch.jobs import Job
    from jobmajor.model.deepest import AnyCoder
    from jobmajor.tables.block import Block, Column, Reader, Values, Writer
    from jobmajor.tables.packed import Packed

_PREFIX = "jobmajor_"


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
        source: A .csv, .tsv, .txt, .jsonl, .parquet or .xlsx file, the text ones also packed (.gz, .zst); a folder or
            a pattern of such; a pipe, or "-" for standard input.
        output: The file to write, in any of these formats, or the folder. An existing file is replaced at the end.
        options: The options; their defaults when None.
        model: A classifier, a model's folder or `model.tar.gz`; None takes the champion.
        home: The champion's workspace.

    Raises:
        InputError: An option, a file or its column can't be used; MissingExtra: a format's package is not installed.
        ArtifactError: The model is not as recorded. Busy: another run writes the same output.
    """
    began, wanted = time.monotonic(), FileOptions() if options is None else options
    arguments.instance("options", wanted, FileOptions)
    target = arguments.path("output", output)
    with jobs.on_disk(arguments.path("source", source)) as path:
        found = _coded(path, target, wanted, lambda: _model(model, home))
    return replace(found, seconds=time.monotonic() - began)


def _coded(source: Path, target: Path, wanted: FileOptions, load: Callable[[], tuple[Classifier, str]]) -> Summary:
    _ = wanted.level_names  # refused before anything is loaded
    planned, passed_over = jobs.jobs(source, target)
    classifier, digest = load()
    classifier = (classifier.adapted(wanted.prior) if wanted.prior else classifier).with_classes(wanted.classes)
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
                    run = _FileRun(job, folder, engine, reporter.of(number), context, notes, wanted.on_coded)
                    if run.write(reader, added, safe_cells=wanted.safe_cells):
                        bad.append(str(job.bad))
            tally = engine.tally
    prior, added_codes = (given.digest if given else "" for given in (wanted.prior, wanted.classes))
    found = _summary(planned, bad, tally, wanted.level_names)
    return replace(found, prior=prior, classes=added_codes, notes=notes.lines)


def _model(model: Classifier | str | Path | None, home: str | Path | None) -> tuple[Classifier, str]:
    """Return a classifier and its digest; one in memory is saved to a temporary folder for that."""
    if not isinstance(model, Classifier):
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
    asked += [wanted.prior.digest] if wanted.prior else []
    return json.dumps([*asked, {"classes": wanted.classes.digest}] if wanted.classes else asked)


@dataclass(frozen=True, slots=True)
class _FileRun:
    """Codes one file."""

    job: Job
    folder: Path
    engine: Engine
    told: Callable[[int, float], None]
    context: int | None
    notes: Notes
    on_coded: Callable[[Packed, Sequence[Column], Values], None] | None

    def write(self, reader: Reader, added: Added, *, safe_cells: bool) -> bool:
        """Write the output and publish it; return whether there are bad rows."""
        with publish.naming(self.job.target):
            return self._write(reader, added, safe_cells=safe_cells)

    def _write(self, reader: Reader, added: Added, *, safe_cells: bool) -> bool:
        made, side = self.folder / "output", self.folder / "bad"
        for left in (made, side):  # of a run that was killed
            left.unlink(missing_ok=True)
        writer = formats.writer(made, self.job.made, reader.head(), added.columns, safe_cells=safe_cells)
        with closing(writer):
            bad = self._fill(reader, writer, added, BadRows(side))
        if isinstance(writer, JsonWriter) and writer.lost:
            self.notes.add(
                self.job.source, [f"{writer.lost:,} numbers that are not finite became null, as JSON has none"]
            )
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
            values = added.values(answers)
            writer.write(block, values)
            if self.on_coded:
                self.on_coded(block.titles, added.columns, values)

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


def _summary(planned: Sequence[Job], bad: Sequence[str], tally: Tally, levels: Sequence[str]) -> Summary:
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
        0.0,
    )
