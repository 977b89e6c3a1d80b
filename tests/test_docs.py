"""The documentation says what is there: its commands parse, its links lead somewhere, its tables are the code's."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import tomllib
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

import jobmajor
from jobmajor import settings
from jobmajor.cli import main
from jobmajor.pipeline import definition as pipeline
from sagelocal import cli as sagelocal_cli
from sagelocal.definition import parse as definition
from sagelocal.run import executor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.md")])
APPS = {"jobmajor": main.app, "sagelocal": sagelocal_cli.app}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# The container's folder and the service's nested routes are no paths of a machine.
PATH = re.compile(r"(?<![\w/:.<*~)\]}-])/(?!opt/ml|queue/(?:take|decide|skip|undo)\b)[a-z]\w*/[\w.-]+")
ONET_CODE = re.compile(r"\b\d{2}-\d{4}\.\d{2}\b")


def short(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)[:60]


def fences(language: str) -> list[str]:
    return [body for page in PAGES for name, body in FENCE.findall(page.read_text("utf-8")) if name == language]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def typed() -> Iterator[str]:
    """Every line that a reader is told to type."""
    yield from (line for block in fences("bash") for line in block.splitlines())
    yield from (line[2:] for block in fences("console") for line in block.splitlines() if line.startswith("$ "))


def mentioned() -> Iterator[str]:
    """Every command line inside a sentence; one with an ellipsis is none."""
    for page in PAGES:
        spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page)))
        yield from (span for span in spans if span.partition(" ")[0] in APPS and "…" not in span)


def calls(line: str) -> Iterator[list[str]]:
    """The commands of a shell line as words: parted at pipes, without variables before and files behind."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    for is_sign, words in groupby(lexer, lambda word: set(word) <= set("|<>;&")):
        bare = [word for word in words if is_sign or not re.fullmatch(r"[A-Z_]+=.*", word)]
        if not is_sign and Path(bare[0]).name in {*APPS, "make"}:
            yield [Path(bare[0]).name, *bare[1:]]


def lines(found: Iterator[str]) -> list[str]:
    return sorted({shlex.join(call) for line in found for call in calls(line)})


def parse(line: str, *, resilient: bool) -> None:
    """Parse as the program itself would, and run nothing."""
    name, *words = shlex.split(line)
    command: Any = typer.main.get_command(APPS[name])
    while words and words[0] in getattr(command, "commands", ()):
        command = command.commands[words.pop(0)]
    if not hasattr(command, "commands"):
        command.make_context(name, words, resilient_parsing=resilient)
    elif words not in ([], ["--help"], ["--version"]):
        raise LookupError(f"No such command: {line}")


TYPED = [line for line in lines(typed()) if not line.startswith("make")]
MENTIONED = [line for line in lines(mentioned()) if not line.startswith("make")]
COUNT = ROOT / "docs" / "examples" / "count.json"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    return script("reference")


@pytest.mark.slow
def test_reference_is_what_its_script_writes(reference: ModuleType) -> None:
    assert (ROOT / "docs" / "reference.md").read_text("utf-8") == reference.render()


def test_page_of_the_python_names_is_what_its_script_writes() -> None:
    assert (ROOT / "docs" / "python.md").read_text("utf-8") == script("api").text()


def test_every_command_has_an_example_that_calls_it_and_stands_in_the_reference(reference: ModuleType) -> None:
    page = (ROOT / "docs" / "reference.md").read_text("utf-8")

    for name, command in reference.commands():
        example = command.help.partition("Example: ")[2]
        assert example.startswith(name)
        assert f"### {name}\n" in page
        assert f"```bash\n{example}\n```" in page


def test_a_setting_without_a_known_reason_gets_none(reference: ModuleType) -> None:
    told = reference.told_of(settings.Linear)

    assert told["penalty"] == "C of LinearSVC; a larger one gives single titles more influence."
    assert reference.told_of(settings.Split) == {"seed": "the tutorial's"}


@pytest.mark.parametrize("line", TYPED)
def test_command_line_to_type_parses(line: str) -> None:
    parse(line, resilient=False)


@pytest.mark.parametrize("line", MENTIONED)
def test_command_named_in_a_sentence_exists_with_its_options(line: str) -> None:
    parse(line, resilient=True)


def test_documented_commands_were_found() -> None:
    assert len(TYPED) > 30
    assert "jobmajor classify --json" in TYPED
    assert "jobmajor run" in MENTIONED


@pytest.mark.parametrize("line", ["jobmajor run --realease 28.1", "jobmajor model list", "sagelocal run"])
def test_wrong_command_line_does_not_parse(line: str) -> None:
    with pytest.raises(Exception, match=r"No such|Missing"):
        parse(line, resilient=False)


def test_make_targets_of_the_documentation_exist() -> None:
    known = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = {line.split()[1] for line in lines(typed()) if line.startswith("make")}

    assert {"run", "test", "check"} <= asked <= known


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        place = (page.parent / name).resolve() if name else page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), target


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_page_names_no_path_of_a_machine(page: Path) -> None:
    assert PATH.findall(page.read_text("utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_page_holds_no_row_of_onet(page: Path) -> None:
    assert ONET_CODE.findall(page.read_text("utf-8")) == []


def test_no_page_repeats_a_description_of_onet() -> None:
    table = ROOT.parent / "shared" / "data" / "onet" / "27.0" / "Occupation Data.txt"
    if not table.is_file():
        pytest.skip("needs ../shared/data: O*NET's descriptions")
    descriptions = [line.split("\t")[2].strip() for line in table.read_text("utf-8").splitlines()[1:]]

    text = " ".join(" ".join(page.read_text("utf-8").split()) for page in PAGES)

    assert len(descriptions) > 1000
    assert [description for description in descriptions if description in text] == []


def test_readme_begins_with_what_it_is_and_the_two_commands() -> None:
    first_screen = (ROOT / "README.md").read_text("utf-8").splitlines()[:14]

    assert first_screen[0] == "# jobmajor"
    assert any(line.startswith("make run") for line in first_screen)
    assert any(line.startswith("make test") for line in first_screen)


def test_readmes_pasted_run_has_the_steps_of_the_definition() -> None:
    parsed = definition.parse(pipeline.to_bytes(settings.Settings()))
    run = next(block for block in fences("console") if block.startswith("$ jobmajor run"))

    steps = re.findall(r"^(\S+) +\w+ +(?:Succeeded|Skipped)", run, re.MULTILINE)

    assert sorted(steps) == sorted(definition.order(parsed))


def plain(printed: str) -> list[str]:
    """Lines that a program printed, without what differs from run to run: times, rates, ids, digests, "(cached)".

    The last digits of a score depend on the processor, so scores keep three.
    """
    text = re.sub(r"\b[0-9a-f]{64}\b", "DIGEST", printed)
    text = re.sub(r"(runs?[ /])[a-z0-9]{12}\b", r"\1ID", text)
    text = re.sub(r"\b\d+\.\d s\b", "TIME", text).replace(" (cached)", "")
    text = re.sub(r"\([\d,]+ a second\)", "(RATE a second)", text)
    text = re.sub(r"\b[01]\.\d{5,}\b", lambda score: f"{float(score[0]):.3f}", text)
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def test_what_differs_from_run_to_run_is_all_that_is_left_out() -> None:
    first = "train  Succeeded (cached)  0.1 s\nrun 1b3uq60womac: in 2.8 s (runs/1b3uq60womac)\n0.995268,0.8985\n"
    second = "train  Succeeded           14.2 s\nrun wlowwnlhs47b: in 23.1 s (runs/wlowwnlhs47b)\n0.995269,0.8985\n"

    assert plain(first) == plain(second) == ["train Succeeded TIME", "run ID: in TIME (runs/ID)", "0.995,0.8985"]
    assert plain(second.replace("0.8985", "0.8986")) != plain(second)
    assert plain(second.replace("Succeeded", "Failed")) != plain(second)


def pasted(page: Path) -> Iterator[tuple[str, str]]:
    """Each command that a page shows with its output, which is empty where it prints nothing to standard output."""
    for name, block in FENCE.findall(page.read_text("utf-8")):
        if name == "console":
            for part in block.removeprefix("$ ").split("\n$ "):
                command, _, output = part.partition("\n")
                yield command, output


@pytest.mark.slow
def test_readmes_output_is_what_its_commands_print(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    workspace.rename(tmp_path / settings.HOME)
    monkeypatch.chdir(tmp_path)
    shown = list(pasted(ROOT / "README.md"))
    files = {command.removeprefix("cat "): output for command, output in shown if command.startswith("cat ")}
    Path("titles.csv").write_text(files["titles.csv"], "utf-8")

    printed = []
    for command, _ in shown:
        program, *words = shlex.split(command)
        if program == "jobmajor":
            assert main.main(words) == 0
        text = Path(words[0]).read_text("utf-8") if program == "cat" else capfd.readouterr().out
        printed.append((command, plain(text)))

    assert printed == [(command, plain(output)) for command, output in shown]
    assert len(printed) == 5


@pytest.mark.slow
def test_readmes_python_prints_what_stands_behind_it(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = [body for name, body in FENCE.findall((ROOT / "README.md").read_text("utf-8")) if name == "python"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBMAJOR_HOME", str(finished))

    exec(compile(block, "example", "exec"), {})  # noqa: S102 - our own page

    assert capsys.readouterr().out.splitlines() == re.findall(r"  # (.*)", block)


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 130


def test_readmes_map_has_every_package() -> None:
    tree = next(block for block in fences("text") if block.startswith("src/jobmajor/"))
    first, _, second = tree.partition("src/sagelocal/")

    for name, part in (("jobmajor", first.removeprefix("src/jobmajor/")), ("sagelocal", second)):
        packages = {path.parent.name for path in (ROOT / "src" / name).glob("*/__init__.py")}
        assert set(re.findall(r"^ +(\w+)", part, re.MULTILINE)) == packages


def test_python_examples_compile_and_use_public_names() -> None:
    blocks = fences("python")

    for block in blocks:
        compile(block, "example", "exec")
        assert set(re.findall(r"jobmajor\.(\w+)\(", block)) <= set(jobmajor.__all__)
    assert any("jobmajor.load()" in block for block in blocks)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["answer_frame", "TitleClassifier"])
def test_example_in_code_runs(
    what: str,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (ROOT / "docs" / "how-to" / "titles" / "use-it-in-python.md").read_text("utf-8")
    (block,) = [body for name, body in FENCE.findall(page) if name == "python" and what in body]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBMAJOR_HOME", str(finished))

    exec(compile(block, "example", "exec"), {})  # noqa: S102 - our own page

    assert "29-1141" in capsys.readouterr().out


def test_settings_in_the_documentation_can_be_used() -> None:
    for block in fences("toml"):
        settings.build(settings.Settings, tomllib.loads(block))


def test_example_definition_can_run() -> None:
    parsed = definition.parse(COUNT.read_bytes())

    assert executor.validate(parsed, {}) == {"InputUrl": "s3://demo/input"}
    assert json.loads(COUNT.read_bytes())["Version"] == "2020-12-01"
