"""Make examples of O*NET's rows: every form in which a row writes its title, with all codes of that title.

An occupation's title gets the code in its row, never a code from another table. The tutorial joins two tables by row
number, which gives 525 of 526 occupation titles a wrong code.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from jobmajor import soc
from jobmajor.errors import DataError
from jobmajor.soc import chosen
from jobmajor.titles import is_plain, normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jobmajor.data.onet import Tables

COUNTED = "alternate"  # the source whose rows the headline metrics count; all others are derived or added
CURRENT = "current"  # the source of `direct_match.current`
DESCRIPTION = "description"  # the source of phrases: training texts that are no titles
DIRECT_MATCH = "direct match"  # the source of titles that belong to one code by the word of the SOC
REVIEWED = "reviewed"  # the source of `data.reviewed`
TASK = "task"  # the source of O*NET's task statements, among `duties`
DUTY_COLUMNS = ("code", "text", "source")
OCCUPATION = "occupation"  # the source of the forms of official titles; those in the singular end in "_singular"
_PARENTHESISED = re.compile(r"^(?P<outer>.*?\S)\s*\((?P<inner>.+)\)\s*$")
_EXCEPT = re.compile(r",? except\b.*$", re.IGNORECASE)
_LIST = re.compile(r",\s*(?:and|or)\s+|,\s*|\s+(?:and|or)\s+|/")
_BETWEEN_PHRASES = re.compile(
    r"[.,;:]\s*|\b(?:a|an|and|are|as|by|for|from|in|is|may|of|on|or|such|that|the|to|using|with)\b", re.IGNORECASE
)
_SHORTEST_PHRASE = 4  # letters
_AFTER_HEAD = re.compile(r"(?: of |, ).*$")
_SINGULARS = (
    (re.compile(r"(?<=[a-z])men$"), "man"),
    (re.compile(r"ies$"), "y"),
    (re.compile(r"(?<=ss|sh|ch)es$|(?<=x)es$"), ""),
    (re.compile(r"(?<=[^s])s$"), ""),
)


def spelled_forms(title: str) -> tuple[str, ...]:
    """Return the two titles that a parenthesis joins, without the joint one; empty when there is no such pair.

    >>> spelled_forms("CEO (Chief Executive Officer)")
    ('CEO', 'Chief Executive Officer')
    """
    found = _PARENTHESISED.match(title)
    return (found["outer"], found["inner"]) if found else ()


def singular(title: str) -> str:
    """Return an occupation's title for one person: its head noun, before any comma or "of", in the singular.

    >>> singular("First-Line Supervisors of Retail Sales Workers")
    'First-Line Supervisor of Retail Sales Workers'
    """
    head, rest = _split_head(title)
    for ending, replacement in _SINGULARS:
        changed, count = ending.subn(replacement, head)
        if count:
            return changed + rest
    return title


def _split_head(title: str) -> tuple[str, str]:
    found = _AFTER_HEAD.search(title)
    return (title[: found.start()], found.group()) if found else (title, "")


def _is_plural(noun: str) -> bool:
    return singular(noun) != noun


def occupation_forms(title: str) -> tuple[tuple[str, str], ...]:
    """Return the forms of an official title that people could type, each with its source.

    A title with "…, All Other" has none: nobody calls themselves so, and the rest of it names other occupations.
    Exceptions are cut off. A list is split only if each member is a plural noun: "Coaches and Scouts" gives a coach and
    a scout; "Landscaping and Groundskeeping Workers" stays whole. A member of one word gets the modifiers of the first
    member.

    >>> [form for form, _ in occupation_forms("Loan Interviewers and Clerks, Except Mortgage")]
    ['Loan Interviewers and Clerks', 'Loan Interviewers', 'Loan Clerks', 'Loan Interviewer', 'Loan Clerk']
    """
    if is_plain():
        return ((title, OCCUPATION),)
    if "all other" in title.lower():
        return ()
    whole = _EXCEPT.sub("", title)
    members = _members(whole)
    plurals = [member for member in members if _is_plural(member)]
    if len(plurals) == 1:
        return (whole, OCCUPATION), (singular(whole), f"{OCCUPATION}_singular")
    if len(plurals) < len(members) or " of " in whole:
        return ((whole, OCCUPATION),)
    singulars = [(singular(member), f"{OCCUPATION}_singular") for member in members]
    return (whole, OCCUPATION), *((member, OCCUPATION) for member in members), *singulars


def _members(title: str) -> list[str]:
    """Return the members of the list in a title's head; the head alone if it is no list."""
    first, *rest = _LIST.split(title.partition(" of ")[0])
    modifiers = first.split()[:-1]
    return [first, *(" ".join([*modifiers, member]) if " " not in member else member for member in rest)]


def _alternate_forms(title: str, short: str | None) -> Iterator[tuple[str, str]]:
    yield title, COUNTED
    if is_plain():
        return
    if short:
        yield short, "short"
    for form in spelled_forms(title):
        yield form, "parenthesised"


def _reported_forms(title: str) -> Iterator[tuple[str, str]]:
    yield title, "reported"
    for form in spelled_forms(title):
        yield form, "parenthesised"


def _origins(tables: Tables) -> Iterator[tuple[str, str, Iterable[tuple[str, str]]]]:
    """Yield for every row of every table its O*NET code, O*NET's numbers of its sources, and its forms.

    Each form has its source. The numbers are of the row as it is written; its other forms have none.
    """
    columns = ("onet_code", "title", "short_title", "sources")
    for onet_code, title, short, numbers in tables.titles.select(columns).iter_rows():
        yield onet_code, numbers or "", _alternate_forms(title, short)
    for onet_code, title in tables.occupations.select("onet_code", "title").iter_rows():
        yield onet_code, "", occupation_forms(title)
    for onet_code, title in tables.reported.select("onet_code", "title").iter_rows():
        yield onet_code, "", _reported_forms(title)


def build(tables: Tables) -> pl.DataFrame:
    """Return every form, with a word in it, of every row of a release, in the order of the files.

    Returns:
        Columns `title` (as written), `text` (normalised, never empty), `code` (detailed SOC code of its row),
        `onet_code`, `source`, `read_in` (O*NET's numbers of the sources where it read an alternate title, such as
        "02,04"; else empty) and `row` (shared by the forms of one O*NET row). Two rows may give equal examples.

    Raises:
        DataError: No row has a title.
    """
    records = [
        (title, normalise(title), detailed(onet_code), onet_code, source, numbers if source == COUNTED else "", row)
        for row, (onet_code, numbers, forms) in enumerate(_origins(tables))
        for title, source in forms
    ]
    columns = ["title", "text", "code", "onet_code", "source", "read_in", "row"]
    frame = pl.DataFrame(records, schema=columns, orient="row").filter(pl.col("text") != "")
    if frame.is_empty():
        raise DataError("the release", "no row with a title", "titles with codes", "check --data")
    return frame


def phrases(tables: Tables) -> pl.DataFrame:
    """Return the phrases of the occupations' descriptions: the words between commas, "and", "of" and the like.

    They name what people in an occupation work with; titles may not.

    Returns:
        Columns as `build` has them, without `row`; each phrase of a row once.
    """
    rows = tables.occupations.select("onet_code", "description").drop_nulls()
    records = dict.fromkeys(
        (phrase, normalise(phrase), detailed(onet_code), onet_code, DESCRIPTION)
        for onet_code, text in rows.iter_rows()
        for phrase in split_phrases(text)
    )
    columns = ["title", "text", "code", "onet_code", "source"]
    found = pl.DataFrame(list(records), schema=dict.fromkeys(columns, pl.String), orient="row")
    return found.filter(pl.col("text") != "")


def split_phrases(text: str) -> list[str]:
    """Return the words of a text between commas, "and", "of" and the like.

    >>> split_phrases("Plan, direct, or coordinate activities of nurses.")
    ['Plan', 'direct', 'coordinate activities', 'nurses']
    """
    return [phrase for phrase in map(str.strip, _BETWEEN_PHRASES.split(text)) if len(phrase) >= _SHORTEST_PHRASE]


def detailed(onet_code: str) -> str:
    """Return the detailed code of a code of O*NET; a code of another classification is one itself.

    >>> detailed("29-1141.01")
    '29-1141'
    """
    return onet_code[:7] if chosen.now().is_soc else onet_code


def major_group(code: pl.Expr) -> pl.Expr:
    """Return the major group of each code of a column."""
    if chosen.now().is_soc:
        return code.str.head(2) + "-0000"
    places = {each: soc.ancestor(each, "major") for each in soc.table()}
    return code.replace_strict(list(places), list(places.values()), return_dtype=pl.String)


def with_codes(examples: pl.DataFrame) -> pl.DataFrame:
    """Return the examples with every code that the release lists for their text.

    Returns:
        Two more columns: `codes`, all detailed codes of the same `text`, sorted, and `listed_by`, for each of them the
        sources that list it, joined by "+".
    """
    by_code = examples.group_by("text", "code").agg(pl.col("source").unique().sort().str.join("+"))
    by_text = (
        by_code.sort("text", "code")
        .group_by("text", maintain_order=True)
        .agg(pl.col("code").alias("codes"), pl.col("source").alias("listed_by"))
    )
    return examples.join(by_text, on="text", how="left", maintain_order="left")


def duties(tables: Tables) -> pl.DataFrame | None:
    """Return the distinct texts that say what people in each detailed code do: tasks and descriptions, sorted.

    Returns:
        Columns `DUTY_COLUMNS`. None if the release has no task statements: descriptions alone are one text for each
        code, so no weight could be fitted on a text that the code's other texts don't contain.
    """
    if tables.tasks.is_empty():
        return None
    parts = (tables.tasks, TASK), (tables.occupations.rename({"description": "text"}), DESCRIPTION)
    found = [
        table.select(pl.col("onet_code").str.head(7).alias("code"), "text", pl.lit(source).alias("source"))
        for table, source in parts
    ]
    return pl.concat(found).unique().sort(DUTY_COLUMNS)
