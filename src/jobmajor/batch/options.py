"""The options for coding files, and the summary of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmajor import arguments, soc
from jobmajor.batch.engine import MEMO_BYTES
from jobmajor.soc import classifications
from jobmajor.tables.block import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobmajor.batch.progress import Progress
    from jobmajor.model.rules.classes import Classes
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.model.rules.prior import Prior
    from jobmajor.soc import Level
    from jobmajor.tables.block import Column, Values
    from jobmajor.tables.packed import Packed


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
        classes: Codes that training never saw, which are added to the model.
        prefix: Stands before the names of the added columns; None adds one only where a column of the input has a name
            of theirs.
        safe_cells: Whether cells of the input that a spreadsheet would run as a formula get an apostrophe.
        threads: How many threads score; one for each processor when None.
        memo_bytes: The size of the memo of answers.
        on_progress: Called with the progress, at most five times a second.
        on_note: Called with each line that a person should read before anything is written.
        on_coded: Called with the titles of each block of rows, the added columns, and their values.
    """

    column: str | int | None = None
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
    classes: Classes | None = None
    to: str = classifications.SOC_2018
    prefix: str | None = None
    safe_cells: bool = False
    threads: int | None = None
    memo_bytes: int = MEMO_BYTES
    on_progress: Callable[[Progress], None] | None = None
    on_note: Callable[[str], None] | None = None
    on_coded: Callable[[Packed, Sequence[Column], Values], None] | None = None

    def __post_init__(self) -> None:
        arguments.check(self)
        arguments.count("top", self.top)
        arguments.count("memo_bytes", self.memo_bytes, 0)
        if self.threads is not None:
            arguments.count("threads", self.threads)

    @property
    def reading(self) -> Reading:
        """How the files are to be read."""
        column = None if self.column is None else str(self.column)
        return Reading(column, self.encoding, self.has_header, self.has_quotes, self.sheet)

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
        classes: The digest of the codes that were added to the model; empty without any.
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
    classes: str = ""
    notes: tuple[str, ...] = ()
