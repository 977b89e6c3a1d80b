"""`notebooks/Start Here.ipynb` has three parts that stand alone, and runs with no account and no network.

The third part is the path of the tutorial of 2024, section by section; its two sections on the data are in the first.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor import tutorial

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[1]
PATH = ROOT / "notebooks" / "Start Here.ipynb"
SCRIPT = ROOT / "tools" / "notebook.py"
PARTS = ("Part 1: a model", "Part 2: a pipeline", "Part 3: SageMaker")
SECTIONS = {
    1: ("The data", "The taxonomy, digit by digit", "Split without leaks", "Train", "Evaluate", "Look at mistakes"),
    2: ("The definition is data", "Run it", "Change a number, and see what is cached", "A gate that says no"),
    3: (
        "1. Prerequisites: account and costs first",
        "2. Open Studio, and this notebook",
        "3. Set-up and constants",
        "4. Upload to S3, unless it is there",
        "5. Create the MLOps project",
        "6. Clone the project's code",
        "7. Replace `abalone` by ours",
        "8. Commit and push: `run-pipeline`",
        "9. Watch the pipeline",
        "10. The model in the registry, and its approval",
        "11. Deploy to an endpoint",
        "12. Invoke it",
        "13. Monitor it",
        "14. Back to no bill",
    ),
}
SECTIONS[1] += ("Code titles of your own",)
SECTIONS[2] += ("Registry, promotion and rollback", "Serve", "Watch", "Retrain")
SECRET = re.compile(r"AKIA[0-9A-Z]{16}|aws_secret|BEGIN [A-Z ]*PRIVATE KEY")
ABSOLUTE = re.compile(r"(?<![\w/:.<*~)\]\"-])/(?!opt/ml)[a-z]\w*/[\w.-]+|[A-Z]:\\\\|/(?:home|Users|root|tmp)\b")
LIMIT_S = 1800  # for a notebook that hangs; on two idle cores it takes some two minutes


@pytest.fixture(scope="module")
def cells() -> list[dict[str, Any]]:
    """The notebook's cells as they stand in the repository, each with its text as one `source`."""
    found = json.loads(PATH.read_text("utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in found]


def part(cells: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """The cells of a part; part 0 is what stands before the first one."""
    starts = [at for at, cell in enumerate(cells) if cell["source"].startswith("# Part ")]
    return cells[[0, *starts][number] : [*starts, len(cells)][number]]


def headings(cells: list[dict[str, Any]], sign: str) -> list[str]:
    texts = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "markdown")
    return re.findall(rf"^{sign} (.+)$", texts, re.MULTILINE)


@pytest.fixture(scope="module")
def written() -> Mapping[Path, str]:
    """What the generator writes, by path."""
    spec = importlib.util.spec_from_file_location("notebook", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["notebook"] = module  # where its dataclass looks itself up
    spec.loader.exec_module(module)
    found: Mapping[Path, str] = module.written()
    return found


def test_notebook_and_pages_are_what_the_script_says(written: Mapping[Path, str]) -> None:
    assert len(written) == 4
    assert [path.name for path, text in written.items() if path.read_text("utf-8") != text] == []


def test_three_parts_have_their_sections_in_order(cells: list[dict[str, Any]]) -> None:
    assert headings(cells, "#") == ["Start Here", *PARTS]
    for number, sections in SECTIONS.items():
        assert tuple(headings(part(cells, number), "##")) == sections


def test_each_part_imports_what_it_uses(cells: list[dict[str, Any]]) -> None:
    """A name of another part would be missing when a part is run alone."""
    for number in SECTIONS:
        code = "\n".join(
            cell["source"] for cell in part(cells, number) if cell["cell_type"] == "code" and "%%" not in cell["source"]
        )
        tree = ast.walk(ast.parse(code))
        names = [node for node in tree if isinstance(node, ast.Name)]
        bound = {node.id for node in names if isinstance(node.ctx, ast.Store)} | set(dir(builtins))
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.FunctionDef):
                bound |= {node.name, *(argument.arg for argument in node.args.args)}
        assert {node.id for node in names} <= bound, number


def test_each_exercise_is_followed_by_its_solution(cells: list[dict[str, Any]]) -> None:
    ids = [cell["id"] for cell in cells]
    exercises = [name for name in ids if name.startswith("exercise-")]

    assert len(exercises) == 4
    assert [ids[ids.index(name) + 1] for name in exercises] == [f"solution-{name[9:]}" for name in exercises]


def test_no_cell_of_code_is_long(cells: list[dict[str, Any]]) -> None:
    lengths = {cell["id"]: len(cell["source"].splitlines()) for cell in cells if cell["cell_type"] == "code"}

    assert [name for name, length in lengths.items() if length > 20] == []


def test_cells_on_sagemaker_say_first_what_is_real_and_what_is_simulated(cells: list[dict[str, Any]]) -> None:
    codes = [cell["source"].splitlines() for cell in part(cells, 3) if cell["cell_type"] == "code"]

    firsts = [lines[1] if lines[0].startswith("%%") else lines[0] for lines in codes]

    assert [line for line in firsts if not re.fullmatch(r"# Real here: .+[.;] Simulated: .+\.", line)] == []


def test_only_one_word_decides_where_it_runs_and_it_is_here(cells: list[dict[str, Any]]) -> None:
    sources = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "code")

    assert re.findall(r'^WHERE = "(\w+)"', sources, re.MULTILINE) == ["here"]


def test_it_holds_no_outputs_and_no_traces_of_a_run(cells: list[dict[str, Any]]) -> None:
    codes = [cell for cell in cells if cell["cell_type"] == "code"]

    assert [cell["id"] for cell in codes if cell["outputs"] or cell["execution_count"] is not None] == []
    assert [cell["id"] for cell in cells if cell["metadata"]] == []


def test_it_names_no_path_of_a_machine_and_no_secret(cells: list[dict[str, Any]]) -> None:
    text = "\n".join(cell["source"] for cell in cells)

    assert ABSOLUTE.findall(text) == []
    assert SECRET.findall(text) == []


def test_nothing_that_moto_pretends_is_asked_of_the_stand_in(cells: list[dict[str, Any]]) -> None:
    """It says Succeeded of every execution and InService of every endpoint, whatever they are."""
    here = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "code")
    here += Path(tutorial.__file__).read_text("utf-8")

    pretended = r"StartPipelineExecution|CreateTrainingJob|CreateProcessingJob|CreateEndpoint\b|InvokeEndpoint"
    assert re.findall(rf"{pretended}|pipeline start(?! --dry-run)|python -m pipelines\S* run\b", here) == []


def test_no_cell_takes_the_next_item_of_what_may_be_empty(cells: list[dict[str, Any]]) -> None:
    codes = "\n".join(
        cell["source"] for cell in cells if cell["cell_type"] == "code" and "%%" not in cell["source"][:2]
    )

    taken = [
        node for node in ast.walk(ast.parse(codes)) if isinstance(node, ast.Call) and ast.unparse(node.func) == "next"
    ]

    assert [ast.unparse(node) for node in taken if len(node.args) < 2] == []


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What each cell printed or returned, by its id, after all of them ran in an empty folder.

    The environment names a profile and an address that lead nowhere: a notebook that let them through would fail.
    """
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    for name in ("ipykernel", "matplotlib", "moto.server", "boto3", "starlette", "uvicorn"):
        pytest.importorskip(name, reason=f"the notebook needs {name}")
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(folder / "jupyter"))
        patch.setenv("AWS_PROFILE", "somebody-elses")
        patch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
        book = nbformat.read(PATH, as_version=4)
        work = folder / "work"
        work.mkdir()
        client = nbclient.NotebookClient(
            book, timeout=LIMIT_S, kernel_name="python3", resources={"metadata": {"path": str(work)}}
        )
        asyncio.run(asyncio.wait_for(client.async_execute(), LIMIT_S))
    return {cell.id: shown(cell.outputs) for cell in book.cells if cell.cell_type == "code"}


def shown(outputs: list[Any]) -> str:
    """Text of a cell's outputs; a stream comes in pieces."""
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)


# `long`, as all below: the whole notebook is run, which takes some two minutes.
@pytest.mark.long
def test_first_part_shows_the_leak_and_a_better_model_than_the_baseline(printed: Mapping[str, str]) -> None:
    (honest, naive) = map(float, re.findall(r"0\.\d{3}", printed["families"]))
    (ours, baseline) = map(float, re.findall(r"0\.\d{3}", printed["evaluate"]))

    assert naive > honest + 0.03
    assert ours > baseline
    assert re.search(r"^licensed practical nurse +29-0000 ", printed["own"], re.MULTILINE)
    assert re.search(r"^asdfgh .* not a title$", printed["own"], re.MULTILINE)
    assert "007,ICU nurse,29-0000," in printed["file"]


@pytest.mark.long
def test_second_candidate_takes_the_data_from_the_cache_and_is_compared(printed: Mapping[str, str]) -> None:
    assert re.search(r"^preprocess-data +Processing +Succeeded \(cached\)", printed["second"], re.MULTILINE)
    assert re.search(r"^train +Training +Succeeded +[\d.]+ s$", printed["second"], re.MULTILINE)
    assert re.search(r"^passed  F1 drop against the champion: .* on the same rows", printed["compare"], re.MULTILINE)
    assert "failed" not in printed["compare"]


@pytest.mark.long
def test_gate_says_no_and_trains_nothing(printed: Mapping[str, str]) -> None:
    assert re.search(r"^train +Training +Succeeded \(cached\)", printed["gate"], re.MULTILINE)
    assert "status 1: the answer is no" in printed["gate"]


@pytest.mark.long
def test_registry_goes_forward_and_back(printed: Mapping[str, str]) -> None:
    before, after = printed["registry"].split("version ")[1], printed["registry"].split("version ")[-1]

    for listed in (before, after):
        assert re.search(r"^1 .*champion", listed, re.MULTILINE)


@pytest.mark.long
def test_a_month_of_other_titles_is_noticed(printed: Mapping[str, str]) -> None:
    assert "35-0000" in printed["watch"]
    assert "status 1: something changed" in printed["watch"]


@pytest.mark.long
def test_reviewed_title_is_learned(printed: Mapping[str, str]) -> None:
    assert re.search(r"^version 3: Approved, champion", printed["retrain"], re.MULTILINE)
    assert re.search(r"^1 .*champion", printed["solution-3"], re.MULTILINE)


@pytest.mark.long
def test_pipeline_runs_on_the_simulated_account_to_an_approved_version(printed: Mapping[str, str]) -> None:
    assert re.search(r"^1 +PendingManualApproval +passed +0\.[89]\d+ ", printed["registry-code"], re.MULTILINE)
    assert printed["run"].endswith("'Succeeded'")
    assert printed["approve"] == "'Approved'"


@pytest.mark.long
def test_upload_sends_nothing_the_second_time(printed: Mapping[str, str]) -> None:
    assert "(3 sent, 0 skipped" in printed["upload-code"]
    assert "0 sent, 3 were there: s3://" in printed["upload-again"]


@pytest.mark.long
@pytest.mark.parametrize("cell", ["serve", "ask"])
def test_served_model_answers_as_a_sound_one(cell: str, printed: Mapping[str, str]) -> None:
    assert re.search(r"^licensed practical nurse +29-0000 ", printed[cell], re.MULTILINE)
    assert re.search(r"^Sr\. Welder +51-0000 ", printed[cell], re.MULTILINE)


@pytest.mark.long
def test_what_needs_an_account_is_only_printed(printed: Mapping[str, str]) -> None:
    for cell in ("project-create", "deploy-run"):
        assert re.search(r"^requests that would be sent: \d+; none was sent\.$", printed[cell], re.MULTILINE)
    assert "USD per hour" in printed["costs"]


@pytest.mark.long
def test_stand_in_of_aws_ends_with_the_notebook(printed: Mapping[str, str]) -> None:
    assert printed["stand-in"].startswith("AWS is simulated at http://127.0.0.1:")
    assert printed["end-code"] == "the stand-in ended with status 0\n"
