from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from jobmajor.data import onet, releases, source
from jobmajor.data.source import FetchOptions, resolve
from jobmajor.data.transfer import TransferOptions
from jobmajor.errors import DataError, InputError
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OFFLINE = FetchOptions(environment={"JOBMAJOR_OFFLINE": "1"})


def data_folder(folder: Path, release: str | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "Alternate Titles.txt").write_text(
        "O*NET-SOC Code\tAlternate Title\tShort Title\tSource(s)\n29-1141.00\tNurse\tn/a\t01\n"
    )
    (folder / "Occupation Data.txt").write_text(
        "O*NET-SOC Code\tTitle\tDescription\n29-1141.00\tRegistered Nurses\tCare.\n"
    )
    if release:
        (folder / "Read Me.txt").write_text(f"O*NET {release} Database\n")
    return folder


def cached_folder(home: Path, release: str) -> Path:
    folder = data_folder(home / "data" / release)
    manifest.write(folder, source={"release": release})
    return folder


@pytest.fixture
def closed() -> Iterator[FetchOptions]:
    """A way that leads to a port of this machine where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        yield FetchOptions(environment={}, options=TransferOptions(base=address, tries=1))


def test_named_folder_comes_before_the_variable_and_the_workspace(tmp_path: Path) -> None:
    cached_folder(tmp_path, "28.1")
    mine = data_folder(tmp_path / "mine", "27.0")
    fetch = FetchOptions(environment={"JOBMAJOR_DATA": str(data_folder(tmp_path / "other", "26.0"))})

    found = resolve("auto", tmp_path, data=mine, fetch=fetch)

    assert (found.folder, found.release, found.notice, found.how) == (mine, "27.0", None, "folder")


def test_variable_names_a_folder_too(tmp_path: Path) -> None:
    mine = data_folder(tmp_path / "mine")

    found = resolve("auto", tmp_path, fetch=FetchOptions(environment={"JOBMAJOR_DATA": str(mine)}))

    assert (found.folder, found.release, found.how) == (mine, "unknown", "folder")


def test_named_folder_that_is_missing_is_refused_rather_than_replaced(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere is no folder"):
        resolve("auto", tmp_path, data=tmp_path / "nowhere", fetch=OFFLINE)


def test_named_folder_of_another_release_than_asked_for_is_refused(tmp_path: Path) -> None:
    mine = data_folder(tmp_path / "mine", "27.0")

    with pytest.raises(InputError, match=r"holds release 27\.0, but release 28\.1 was asked for"):
        resolve("28.1", tmp_path, data=mine, fetch=OFFLINE)


@pytest.mark.parametrize("request_", ["auto", "28.1"])
def test_verified_folder_of_the_workspace_is_used_without_a_connection(
    tmp_path: Path, request_: str, closed: FetchOptions
) -> None:
    folder = cached_folder(tmp_path, "28.1")

    found = resolve(request_, tmp_path, fetch=closed)

    assert (found.folder, found.release, found.how) == (folder, "28.1", "cache")


def test_changed_folder_of_the_workspace_is_not_used(tmp_path: Path) -> None:
    folder = cached_folder(tmp_path, "28.1")
    (folder / "Alternate Titles.txt").write_text("something else")

    assert resolve("auto", tmp_path, fetch=OFFLINE).how == "starter"


def test_auto_without_a_connection_takes_the_starter_titles_and_says_so(tmp_path: Path, closed: FetchOptions) -> None:
    found = resolve("auto", tmp_path, fetch=closed)

    assert (found.folder, found.release, found.how) == (source.STARTER_FOLDER, "starter", "starter")
    assert found.notice is not None
    assert "no connection" in found.notice
    assert "--data" in found.notice
    assert "\n" not in found.notice


def test_auto_offline_takes_the_starter_titles_without_a_try(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        base = f"http://127.0.0.1:{server.getsockname()[1]}"
        fetch = FetchOptions(environment={"JOBMAJOR_OFFLINE": "1"}, options=TransferOptions(base=base))

        found = resolve("auto", tmp_path, fetch=fetch)

        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()  # nobody called
    assert found.how == "starter"
    assert "JOBMAJOR_OFFLINE" in (found.notice or "")


def test_starter_titles_asked_for_come_without_a_notice(tmp_path: Path) -> None:
    found = resolve("starter", tmp_path, fetch=OFFLINE)

    assert (found.folder, found.notice, found.how) == (source.STARTER_FOLDER, None, "starter")


def test_release_that_is_not_at_hand_is_refused_offline(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"release 28\.1: found none in .* while JOBMAJOR_OFFLINE is set"):
        resolve("28.1", tmp_path, fetch=OFFLINE)


def test_release_that_can_not_be_fetched_is_refused_rather_than_replaced(tmp_path: Path, closed: FetchOptions) -> None:
    with pytest.raises(DataError, match="no whole file after 1 try"):
        resolve("28.1", tmp_path, fetch=closed)


@pytest.mark.parametrize(
    ("request_", "words"),
    [("25.0", "O\\*NET-SOC 2010 taxonomy"), ("99.9", "expected one of 25.1"), ("newest", "a number like")],
)
def test_release_that_is_not_in_the_table_is_refused(tmp_path: Path, request_: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        resolve(request_, tmp_path, fetch=OFFLINE)


def test_bundled_starter_titles_are_read_and_known_as_such() -> None:
    read = onet.read(source.STARTER_FOLDER)

    assert read.release == "starter"
    assert read.titles.height > 4_000  # about 200 for each of 23 major groups
    assert read.titles["onet_code"].str.head(2).n_unique() == 23


def test_table_of_releases_knows_every_layout() -> None:
    table = {release.version: release for release in releases.known()}

    assert len(table) == 24  # 25.1 to 25.3, four each of 26, 27, 28, 29 and 30, and 31.0
    assert table["30.2"].names("workbook") == ("Alternate Titles.xlsx", "Occupation Data.xlsx")
    assert table["30.3"].names("text") == ("Job Titles.txt", "Occupation Data.txt")
    assert table["31.0"].titles == "Job Titles"


def test_both_workbooks_of_28_1_are_pinned_and_spaces_in_addresses_encoded() -> None:
    titles, occupations = releases.find("28.1").remotes("workbook")

    assert titles.path == "db_28_1_excel/Alternate%20Titles.xlsx"
    assert (titles.sha256 or "").startswith("bc4e716f")
    assert (occupations.sha256 or "").startswith("c2692f33")
    assert releases.find("29.0").remotes("workbook")[0].sha256 is None
    assert releases.find("28.1").remotes("text")[0].path == "db_28_1_text.zip"


def direct_match_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "dmtf_2018.csv").write_text("soc_code,title\n29-1141,RN\n")
    return folder


def test_second_folder_may_hold_the_direct_match_titles(tmp_path: Path) -> None:
    mine, titles = data_folder(tmp_path / "mine", "27.0"), direct_match_folder(tmp_path / "titles")

    one = resolve("auto", tmp_path, data=[mine, titles], fetch=OFFLINE)
    other = resolve("auto", tmp_path, data=[titles, mine], fetch=OFFLINE)
    variable = FetchOptions(environment={"JOBMAJOR_DATA": f"{mine}{os.pathsep}{titles}"})

    assert one == other == resolve("auto", tmp_path, fetch=variable)
    assert (one.folder, one.direct_match) == (mine, titles / "dmtf_2018.csv")
    assert [path.name for path in one.files] == ["Alternate Titles.txt", "Occupation Data.txt", "dmtf_2018.csv"]


def test_direct_match_titles_beside_those_of_onet_are_found(tmp_path: Path) -> None:
    mine = data_folder(tmp_path / "mine")
    (mine / "dmtf_2018.csv").write_text("soc_code,title\n29-1141,RN\n")

    found = resolve("auto", tmp_path, data=mine)

    assert found.direct_match == mine / "dmtf_2018.csv"
    assert onet.read(mine).direct_match.rows() == [("29-1141", "RN")]


def test_direct_match_titles_alone_go_with_the_release_that_is_at_hand(tmp_path: Path) -> None:
    cached = cached_folder(tmp_path, "28.1")
    titles = direct_match_folder(tmp_path / "titles")

    found = resolve("28.1", tmp_path, data=titles, fetch=OFFLINE)

    assert (found.folder, found.direct_match) == (cached, titles / "dmtf_2018.csv")


def tasks_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "Task Statements.txt").write_text("O*NET-SOC Code\tTask ID\tTask\n29-1141.00\t1\tCare for patients.\n")
    return folder


def test_task_statements_may_be_in_a_folder_of_their_own(tmp_path: Path) -> None:
    mine, titles = data_folder(tmp_path / "mine"), direct_match_folder(tmp_path / "titles")
    tasks = tasks_folder(tmp_path / "tasks")

    found = resolve("auto", tmp_path, data=[tasks, mine, titles], fetch=OFFLINE)

    assert (found.folder, found.tasks) == (mine, tasks / "Task Statements.txt")
    assert [path.name for path in found.files][-2:] == ["dmtf_2018.csv", "Task Statements.txt"]
    read = onet.read_source(found)
    assert read.tasks.rows() == [("29-1141.00", "Care for patients.")]
    assert read.direct_match.rows() == [("29-1141", "RN")]


def test_task_statements_beside_the_titles_are_found_and_a_release_without_them_is_read(tmp_path: Path) -> None:
    mine = data_folder(tmp_path / "mine")
    without = onet.read(mine)
    (tasks_folder(tmp_path / "tasks") / "Task Statements.txt").rename(mine / "Task Statements.txt")

    found = resolve("auto", tmp_path, data=mine)

    assert found.tasks == mine / "Task Statements.txt"
    assert (len(onet.read(mine).tasks), len(without.tasks)) == (1, 0)


def test_task_of_a_code_outside_soc_2018_is_refused(tmp_path: Path) -> None:
    mine = data_folder(tmp_path / "mine")
    (mine / "Task Statements.txt").write_text("O*NET-SOC Code\tTask\n29-9999.00\tCare.\n")

    with pytest.raises(DataError, match=r"'29-9999.00' in row 2"):
        onet.read(mine)


def test_two_folders_of_one_kind_are_refused(tmp_path: Path) -> None:
    one, other = data_folder(tmp_path / "one"), data_folder(tmp_path / "other")

    with pytest.raises(InputError, match=r"expected one folder of O\*NET's files, and at most one more with dmtf_2018"):
        resolve("auto", tmp_path, data=[one, other])
