"""The picture of a pipeline says what waits for what, and no two things stand in one place."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from jobmajor.pipeline import definition as ours
from jobmajor.settings import Settings
from sagelocal import cli
from sagelocal.definition import parse as definitions
from sagelocal.show import diagram, drawing
from sagelocal.show.diagram import Arrow

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"
CONDITIONS = [{"Type": "Equals", "LeftValue": 1, "RightValue": 1}]


def step(name: str, kind: str = "Processing", *after: str, **arguments: Any) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "DependsOn": list(after), "Arguments": arguments}


def fail(name: str) -> dict[str, Any]:
    return step(name, "Fail", ErrorMessage="no")


def parse(*steps: dict[str, Any]) -> definitions.Definition:
    return definitions.parse(json.dumps({"Version": "2020-12-01", "Steps": list(steps)}).encode())


def large() -> definitions.Definition:
    """Two data sets, three models, a choice inside a choice, and an arrow over many layers."""
    inner = step("is-fair", "Condition", "score", Conditions=CONDITIONS)
    inner["Arguments"] |= {"IfSteps": [step("publish", "Processing", "audit")], "ElseSteps": [fail("unfair")]}
    outer = step("good-enough", "Condition", "compare", Conditions=CONDITIONS)
    outer["Arguments"] |= {"IfSteps": [step("score"), inner], "ElseSteps": [fail("too-bad")]}
    return parse(
        step("ingest"),
        step("text", "Processing", "ingest"),
        step("images", "Processing", "ingest"),
        step("audit", "Processing", "ingest"),
        step("one", "Processing", "text"),
        step("two", "Processing", "text", "images"),
        step("three", "Processing", "images"),
        step("compare", "Processing", "one", "two", "three", "ingest"),
        outer,
    )


def test_arrow_that_follows_from_others_is_left_out() -> None:
    found = diagram.arrows(parse(step("a"), step("b", "Processing", "a"), step("c", "Processing", "a", "b")))

    assert found == (Arrow("a", "b"), Arrow("b", "c"))


def test_choice_has_an_arrow_for_each_answer() -> None:
    found = diagram.arrows(definitions.parse(ours.to_bytes(Settings())))

    assert found == (
        Arrow("preprocess-data", "train"),
        Arrow("train", "evaluate-model"),
        Arrow("evaluate-model", "check-test-score"),
        Arrow("check-test-score", "refit", "true"),
        Arrow("refit", "check-refit"),
        Arrow("check-refit", "register", "true"),
        Arrow("check-refit", "fail-refit", "false"),
        Arrow("check-test-score", "fail", "false"),
    )


def test_mermaid_names_every_step_with_its_type_and_every_arrow() -> None:
    lines = diagram.mermaid(definitions.parse(ours.to_bytes(Settings()))).splitlines()

    assert lines[0] == "flowchart TD"
    assert lines[1] == '  s0["preprocess-data<br/><i>Processing</i>"]'
    assert lines[4] == '  s3{{"check-test-score<br/><i>Condition</i>"}}'
    assert lines[-3:] == ["  s5 -- true --> s6", "  s5 -- false --> s7", "  s3 -- false --> s8"]
    assert len(lines) == 1 + 9 + 8


def boxes(picture: str) -> dict[str, tuple[float, float, float]]:
    """Left, right and top of each step."""
    root = ElementTree.fromstring(picture)
    shapes = [item for item in root if str(item.get("class")).startswith("box ")]
    names = [str(item.text) for item in root if item.get("class") == "name"]
    found = {}
    for name, shape in zip(names, shapes, strict=True):
        if shape.tag == f"{SVG}rect":
            left, top = float(shape.attrib["x"]), float(shape.attrib["y"])
            found[name] = (left, left + float(shape.attrib["width"]), top)
        else:
            points = [tuple(map(float, pair.split(","))) for pair in shape.attrib["points"].split()]
            found[name] = (min(x for x, _ in points), max(x for x, _ in points), min(y for _, y in points))
    return found


def test_no_two_boxes_overlap_and_each_is_below_those_it_waits_for() -> None:
    definition = large()
    found = boxes(drawing.svg(definition, "large"))

    for one, other in itertools.combinations(found.values(), 2):
        assert one[2] != other[2] or one[1] < other[0] or other[1] < one[0]
    assert all(found[arrow.source][2] < found[arrow.target][2] for arrow in diagram.arrows(definition))


def test_everything_is_inside_the_picture() -> None:
    picture = drawing.svg(large(), "large")
    left, top, width, height = map(float, ElementTree.fromstring(picture).attrib["viewBox"].split())

    for box_left, box_right, box_top in boxes(picture).values():
        assert left < box_left < box_right < left + width
        assert top < box_top < box_top + 48 < top + height


def test_labels_stand_at_the_arrows_of_choices() -> None:
    root = ElementTree.fromstring(drawing.svg(large(), "large"))

    labels = [item.text for item in root if item.get("class") == "label"]
    assert sorted(map(str, labels)) == ["false", "false", "true", "true"]
    assert len([item for item in root if item.get("class") == "arrow"]) == len(diagram.arrows(large()))


def contrast(one: str, other: str) -> float:
    """Source: WCAG 2.2, "contrast ratio" and "relative luminance"."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_told_from_their_ground_in_light_and_in_dark() -> None:
    light, dark = drawing.svg(large(), "large").split("prefers-color-scheme: dark")

    for text in (light, dark):
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", text))
        for name in ("text", "quiet"):
            assert contrast(colours[name], colours["box"]) >= 4.5, name
            assert contrast(colours[name], colours["ground"]) >= 4.5, name
        for name in ("line", "work", "learn", "choose", "keep", "fail", "other"):
            assert contrast(colours[name], colours["ground"]) >= 3, name


def test_same_definition_gives_the_same_picture_and_its_title_is_escaped() -> None:
    assert drawing.svg(large(), "a & <b>") == drawing.svg(large(), "a & <b>")
    assert "<title>a &amp; &lt;b&gt;</title>" in drawing.svg(large(), "a & <b>")


@pytest.mark.parametrize(("words", "begins"), [([], "flowchart TD\n"), (["--svg"], "<svg ")])
def test_command_prints_the_one_or_the_other(
    tmp_path: Path, words: list[str], begins: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.json"
    path.write_bytes(large().data)

    status = cli.main(["diagram", str(path), *words])

    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    assert out.startswith(begins)
    assert out.endswith("\n")
    assert "too-bad" in out


@pytest.mark.parametrize("command", ["watch", "diagram"])
def test_new_commands_have_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    assert f"Example: sagelocal {command}" in capsys.readouterr().out
