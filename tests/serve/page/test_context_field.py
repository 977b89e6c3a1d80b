"""The field for a second text on the page: there where the model can use one, and then it changes the codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import Page, expect

from jobmajor.serve.service.champion import Champion, ModelSource

from ..conftest import running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobmajor.model.classifier import Classifier

TITLE, CONTEXT = "manager of nothing", "fly aircraft with crew"


def test_context_changes_the_codes_and_the_reasons_say_that_they_are_the_title_s(
    visit: Callable[..., Page], with_context: Classifier, tmp_path: Path
) -> None:
    with_context.save(tmp_path, code_version="test", source={"release": "starter"})
    (plain,), (pooled,) = (with_context.answer([TITLE], "detailed", context=[context]) for context in ("", CONTEXT))
    assert plain.answers[0].label != pooled.answers[0].label

    with running(Champion(ModelSource(tmp_path, tmp_path))) as found:
        page = visit(found.url)
        best = page.locator("[data-level=detailed] .codes li").first.locator(".code")
        page.get_by_label("Job title").fill(TITLE)
        expect(best).to_have_text(plain.answers[0].label)
        expect(page.get_by_text("those of the title alone")).to_be_hidden()

        page.get_by_label("Duties").fill(CONTEXT)

        expect(best).to_have_text(pooled.answers[0].label)
        expect(page.get_by_text("those of the title alone")).to_be_visible()


def test_model_without_context_has_no_field(page: Page) -> None:
    expect(page.locator("#about")).to_contain_text("Model")

    expect(page.get_by_label("Duties")).to_be_hidden()
