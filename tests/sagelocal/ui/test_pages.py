"""What a person reads on each page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sagelocal.run import holding, records
from sagelocal.run.records import Execution, StepRecord
from sagelocal.storage import lock
from sagelocal.ui import logs

from .conftest import Site, ended, logged, png, published

if TYPE_CHECKING:
    from pathlib import Path


def words(page: str) -> str:
    """The text of a page, without its tags and with runs of white space as one space."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_runs_are_listed_newest_first_with_the_reason_of_a_failure(site: Site, home: Path) -> None:
    assert "There are no runs in this workspace yet" in site.get("/")
    ended(home, "old")
    ended(home, "new", started="2026-11-30T13:00:00+00:00", status="Failed", failure="step 'train' failed: no room")

    page = site.get("/")

    assert re.findall(r'<a href="/runs/(\w+)"', page) == ["new", "old"]
    assert "step &#39;train&#39; failed: no room" in page
    assert "2026-11-30 13:00:00 UTC" in page
    assert "2 (1 cached)" in words(page)


def test_long_lists_have_pages(site: Site, home: Path) -> None:
    for number in range(103):
        ended(home, f"run{number:03d}", started=f"2026-11-30T12:{number // 60:02d}:{number % 60:02d}+00:00", steps=())

    first, second = site.get("/"), site.get("/?page=2")

    assert re.findall(r'<a href="/runs/(\w+)"', first + second) == [f"run{number:03d}" for number in range(102, -1, -1)]
    assert 'href="/?page=2" rel="next"' in first
    assert 'rel="next"' not in second


def test_run_has_its_graph_steps_parameters_and_other_runs(site: Site, home: Path) -> None:
    ended(home, "one", selected=["prepare", "train"])
    ended(home, "two")

    page = site.get("/runs/one")

    assert '<a href="/runs/one/step?name=train"><rect class="box is-good"' in page
    assert "Processing · Succeeded (cached)" not in page  # the definition's types are drawn
    assert "Fail · not selected" in page
    assert "Rate 0.5 Epochs 5" in words(page)
    assert "f1 0.75" in words(page)
    assert '<option value="two">' in page
    assert "<style" not in page


def test_step_has_its_reason_metrics_log_and_attempts(site: Site, home: Path) -> None:
    failed = StepRecord("train", "Training", "Failed", reason="exit code 3", metrics={"f1": 0.5}, attempts=2)
    run = ended(home, "one", status="Failed", steps=(failed,))
    logged(run, "train", "\x1b[31mepoch 1\x1b[0m\nloss 9\rloss 1\n")
    logged(run, "train", "other host\n", "log-algo-2.txt")
    logged(run, "train.attempt-1", "killed\n")

    page = site.get("/runs/one/step?name=train")

    assert "Reason of the failure exit code 3" in words(page)
    assert "f1 0.5" in words(page)
    assert "epoch 1\nloss 1\n" in page
    names = re.findall(r"file=([\w.%-]+)", page)
    assert names == ["train%2Flog.txt", "train%2Flog-algo-2.txt", "train.attempt-1%2Flog.txt"]
    assert "killed" in site.get(f"/runs/one/log?step=train&file={names[2]}")


def test_outputs_have_sizes_and_small_ones_are_shown(site: Site, home: Path) -> None:
    run = ended(home, "one")
    files = {"a.csv": b"id\n1\n", "m.json": b'{"f1":0.75}', "p.png": png(), "w.bin": b"\0\1" * 999}
    published(home, run, "train", {**files, "big.txt": b"x" * 10**6})

    page = site.get("/runs/one/step?name=train")

    assert words(page).count(" there") == 5
    assert "m.json</bdi></a>" in page
    assert "{\n &#34;f1&#34;: 0.75\n}" in page
    assert "1.0 MB" in page
    (picture,) = re.findall(r'src="(/runs/[^"]+)"', page)
    answer = site.ask("GET", picture.replace("&amp;", "&"))
    assert (answer.headers["content-type"], answer.content) == ("image/png", png())
    at = "/runs/one/file?step=train&uri=s3%3A%2F%2Fbkt%2Fone%2Fout&name="
    assert "no text and no PNG" in site.get(f"{at}w.bin")
    assert "Text of more than 262,144 bytes is not shown" in site.get(f"{at}big.txt")
    assert site.ask("GET", picture.replace("&amp;", "&").replace("p.png", "m.json")).status_code == 404


def test_output_that_a_later_run_replaced_is_not_shown_as_this_run_s(site: Site, home: Path) -> None:
    run = ended(home, "one")
    published(home, run, "train", {"same.txt": b"one", "size.txt": b"one", "gone.txt": b"one"})
    folder = home / "s3" / "bkt" / "one" / "out"
    (folder / "same.txt").write_bytes(b"two")
    (folder / "size.txt").write_bytes(b"three")
    (folder / "gone.txt").unlink()

    page = words(site.get("/runs/one/step?name=train"))
    shown = site.get("/runs/one/file?step=train&uri=s3%3A%2F%2Fbkt%2Fone%2Fout&name=same.txt")

    assert "no longer there" in page
    assert "changed since" in page
    assert "two" not in page
    assert "no longer what this run wrote" in shown
    assert "two" not in words(shown).replace("Two runs", "")


def test_cached_step_leads_to_the_run_that_made_it(site: Site, home: Path) -> None:
    made = {"ProcessingJobName": "job"}
    ended(home, "first", steps=(StepRecord("train", "Training", "Succeeded", properties=made),))
    cached = StepRecord("train", "Training", "Succeeded", cached=True, properties=made)
    ended(home, "later", started="2026-11-30T13:00:00+00:00", steps=(cached,))

    page = site.get("/runs/later/step?name=train")

    assert 'made by run <a href="/runs/first/step?name=train">' in page


def test_step_that_was_not_selected_has_the_outputs_of_its_source(site: Site, home: Path) -> None:
    published(home, ended(home, "first"), "train", {"a.txt": b"text of the first"})
    taken = StepRecord("train", "Training", "Succeeded", taken_from="first")
    ended(home, "later", steps=(taken,))

    assert "text of the first" in site.get("/runs/later/step?name=train")


def test_every_part_of_a_huge_log_can_be_reached(site: Site, home: Path) -> None:
    text = "".join(f"line {number} Ä\n" for number in range(30_000))
    logged(ended(home, "one"), "train", text)

    found, path = "", "/runs/one/log?step=train&file=train%2Flog.txt&after=0"
    while path:
        page = site.get(path)
        assert len(page) < 2 * logs.PART_BYTES
        found += page.partition('aria-label="Log">')[2].partition("</pre>")[0]
        later = re.search(r'href="([^"]+)" rel="next"', page)
        path = later[1].replace("&amp;", "&") if later else ""

    assert found == text
    end = site.get("/runs/one/log?step=train&file=train%2Flog.txt")
    assert "line 29999 Ä\n</pre>" in end
    before = re.search(r'href="([^"]+)" rel="prev"', end)
    assert before
    earlier = site.get(before[1].replace("&amp;", "&"))
    first_of_end = end.partition('aria-label="Log">')[2].split("\n")[0]
    number = int(first_of_end.split()[1])
    assert f"line {number - 1} Ä\n</pre>" in earlier


def test_two_runs_show_what_differs(site: Site, home: Path) -> None:
    one = ended(home, "one")
    steps = (StepRecord("train", "Training", "Failed", reason="no", metrics={"f1": 0.5}),)
    two = ended(home, "two", parameters={"Rate": "0.9", "Epochs": 5}, steps=steps, definition_digest="e" * 64)
    published(home, one, "train", {"same.txt": b"same", "other.txt": b"1", "only.txt": b""})
    published(home, two, "train", {"same.txt": b"same", "other.txt": b"2"})

    page = site.get("/compare?run=one&run=two")

    told = words(page)
    assert "Rate 0.5 0.9 differs" in told
    assert "Epochs 5 5 differs" not in told
    assert re.search(r"f1 of train 0\.75 0\.5 -0\.25", told)
    assert "prepare ✓ Succeeded (cached) 0.0 s not reached differs" in told
    assert re.findall(r"s3://bkt/\{run\}/out/([\w.]+)", page) == ["only.txt", "other.txt"]
    assert "1 file is equal" in told
    assert "found 1 runs to compare, expected two" in site.get("/compare?run=one", 404)


def test_changed_steps_of_the_definition_are_named(site: Site, home: Path) -> None:
    ended(home, "one")
    two = ended(home, "two", definition_digest="e" * 64)
    path = two.folder / records.DEFINITION
    path.write_text(path.read_text().replace('"Name": "train"', '"Name": "fit"', 1))

    assert "different: train, fit " in words(site.get("/compare?run=one&run=two"))


def test_run_on_its_way_is_renewed_and_one_of_a_dead_process_is_interrupted(site: Site, home: Path) -> None:
    steps = (StepRecord("prepare", "Fail", "Executing", started="2026-11-30T12:00:00+00:00"),)
    run = ended(home, "one", status="Executing", steps=steps)

    with lock.wait_for(run.folder):
        page = site.get("/runs/one")
    over = site.get("/runs/one")

    assert 'data-every="1000"' in page
    assert "Fail · Executing" in page
    assert "Fail · waits" in page
    assert 'data-every="0"' in over
    assert "Fail · Interrupted" in over


def test_workspace_that_another_program_holds_can_be_read(site: Site, home: Path) -> None:
    ended(home, "one")

    folder = home / "s3"
    with holding.hold(home), lock.wait_for(folder / ".access.lock"), lock.wait_for(folder / ".publishing.lock"):
        assert "titles" in site.get("/")
        assert "Graph" in site.get("/runs/one")


def test_run_of_before_outputs_were_recorded_says_so(site: Site, home: Path) -> None:
    found: Execution = ended(home, "one")

    assert records.outputs(found.folder, "train") == {}
    assert "No outputs are recorded" in site.get("/runs/one/step?name=train")
