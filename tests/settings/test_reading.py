from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor import settings
from jobmajor.errors import InputError, SettingError
from jobmajor.settings import Linear, Names, Settings, Split, Transformer


def toml(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(body: dict[str, Any]) -> SettingError:
    with pytest.raises(SettingError) as caught:
        settings.build(Settings, body)
    return caught.value


def test_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    path = toml(tmp_path, '[split]\ntest = 0.2\n[names]\nproject = "mine"\n[linear]\npenalty = 2\n')

    found = settings.read(path)

    assert found == Settings(names=Names(project="mine"), split=Split(test=0.2), linear=Linear(penalty=2.0))
    assert isinstance(found.linear.penalty, float)
    assert (found.names.pipeline, found.names.group) == ("mine-pipeline", "mine-model-group")


def test_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert settings.read(toml(tmp_path, "")) == Settings()


def test_file_of_the_working_folder_is_read_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = settings.read()
    Path("jobmajor.toml").write_text("[split]\nseed = 7\n")

    assert (before, settings.read()) == (Settings(), Settings(split=Split(seed=7)))


def test_named_file_that_is_not_there_is_refused_rather_than_the_defaults_taken(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.toml can't be read"):
        settings.read(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("content", [b"[split", b"seed", b"\xff\xfe", b"a = 1\na = 2", b"a = " + b"[" * 50_000])
def test_file_that_is_no_toml_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.toml").write_bytes(content)

    with pytest.raises(InputError, match="is no TOML") as caught:
        settings.read(tmp_path / "mine.toml")

    assert "\n" not in str(caught.value)


def test_unknown_keys_are_refused_by_name_with_those_that_there_are() -> None:
    section, key = refusal({"splits": {}}), refusal({"split": {"sed": 1}})

    assert (section.name, section.expected) == (
        "splits",
        "one of names, data, split, train, linear, transformer, thresholds, jobs, aws",
    )
    assert (key.name, key.expected) == ("split.sed", "one of seed, validation, test")


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("split", "seed", 1.5),
        ("split", "seed", "many"),
        ("split", "seed", True),
        ("split", "seed", float("inf")),
        ("split", "seed", float("nan")),
        ("split", "seed", 10**400),
        ("split", "seed", -1),
        ("split", "seed", 2**31),
        ("split", "test", 10**400),
        ("split", "test", float("nan")),
        ("split", "test", 0.0),
        ("split", "test", 0.41),
        ("split", "test", [0.1]),
        ("split", "test", False),
        ("split", "test", ""),
        ("linear", "penalty", 0),
        ("train", "recipe", "forest"),
        ("train", "recipe", ""),
        ("train", "recipe", 1),
        ("transformer", "epochs", 0),
        ("transformer", "checkpoint", ""),
        ("transformer", "max_length", 3),
        ("thresholds", "onet", 1.01),
        ("names", "bucket", ""),
        ("names", "bucket", 5),
        ("names", "bucket", ["a"]),
    ],
)
def test_wrong_type_and_value_out_of_range_are_refused_by_name(section: str, key: str, value: object) -> None:
    said = refusal({section: {key: value}})

    assert said.name == f"{section}.{key}"
    assert said.found is value
    assert "\n" not in str(said)


def test_range_is_said_as_a_person_would_write_it() -> None:
    assert refusal({"split": {"seed": -1}}).expected == "a whole number from 0 to 2,147,483,647"
    assert refusal({"split": {"test": 9}}).expected == "a number from 0.01 to 0.4"
    assert refusal({"split": 3}).expected == "a section [split]"


def test_recipe_is_one_of_those_that_there_are_and_has_the_settings_of_its_section() -> None:
    assert refusal({"train": {"recipe": "Linear"}}).expected == "one of linear, transformer"

    chosen = settings.build(Settings, {"train": {"recipe": "transformer"}, "transformer": {"epochs": 2}})

    assert (Settings().recipe, chosen.recipe) == (Linear(), Transformer(epochs=2))


def test_numbers_may_be_given_as_text_as_a_command_line_has_them() -> None:
    given_as_text = settings.build(Split, {"seed": "7", "test": "0.25"}, "split.")

    assert given_as_text == Split(seed=7, test=0.25)
    assert (type(given_as_text.seed), type(given_as_text.test)) == (int, float)


@given(st.floats() | st.integers() | st.text(max_size=5))
def test_any_value_is_taken_exactly_or_refused(value: float | str) -> None:
    try:
        found = settings.build(Split, {"seed": value})
    except SettingError:
        return

    assert 0 <= found.seed < 2**31
    assert found.seed == float(value)


def test_every_default_lies_within_its_own_bounds() -> None:
    whole = Settings()

    again = settings.build(Settings, asdict(whole))

    assert again == whole


def test_settings_can_not_be_changed_afterwards() -> None:
    with pytest.raises(AttributeError):
        Settings().split.seed = 1  # type: ignore[misc]  # what the types forbid is tried


def test_workspace_is_as_named_else_as_the_variable_says_else_in_the_working_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    default = settings.home()
    monkeypatch.setenv("JOBMAJOR_HOME", "/elsewhere")
    by_variable, by_name = settings.home(), settings.home(Path("here"))
    monkeypatch.setenv("JOBMAJOR_HOME", "")

    assert [default, by_variable, by_name, settings.home()] == [
        *(Path(".jobmajor"), Path("/elsewhere"), Path("here")),
        Path(".jobmajor"),
    ]
