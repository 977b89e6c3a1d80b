"""`jobmajor serve`: parse the options and start the service."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from jobmajor.cli.options import ClassesFile, use_codes
from jobmajor.cli.options import queue as opened

if TYPE_CHECKING:
    from jobmajor.serve.service.capturing import CapturePlan
    from jobmajor.serve.service.champion import ModelSource
    from jobmajor.serve.service.service import ServiceOptions
    from jobmajor.serve.service.shadow import ShadowPlan


def add(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(cls=_Serve)(serve)


class _Serve(TyperCommand):
    """The command, whose `--queue` may go without an address: typer has no options like that."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a bare `--queue` an empty address."""
        following = [*args[1:], "-"]
        return super().parse_args(
            ctx,
            [
                "--queue=" if each == "--queue" and after.startswith("-") else each
                for each, after in zip(args, following, strict=False)  # one longer if there is none
            ],
        )


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 is all of them.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8080,
    model: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Serve this model instead of the champion: its folder or model.tar.gz."),
    ] = None,
    level: Annotated[str, typer.Option(help="Default level: major, minor, broad, detailed or all.")] = "major",
    top: Annotated[int, typer.Option(min=1, max=100, help="Default number of codes for each title.")] = 5,
    overrides: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your titles with their codes, as CSV: title,code.")
    ] = None,
    reviews: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep the choices that reviewers make on the page in this file."),
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]",
            help="Let reviewers work on a queue on the page: postgresql://HOST/DATABASE, or a file; without an address "
            "that of JOBMAJOR_QUEUE, else the workspace's.",
        ),
    ] = None,
    prior: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Move answers toward a mix of occupations, from jobmajor adapt."),
    ] = None,
    classes: ClassesFile = None,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Require an API key whose hash is in this file.")
    ] = None,
    new_key: Annotated[
        str | None, typer.Option(metavar="NAME", help="Add a key to --keys, print it, and exit.")
    ] = None,
    may_review: Annotated[
        bool, typer.Option("--may-review", help="Let the new key keep choices in --reviews, and work on --queue.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="On loopback, answer to this name in Host, too; * is any. May be repeated."),
    ] = None,
    drain: Annotated[
        float, typer.Option(min=0, max=300, help="Seconds after SIGTERM in which new requests are still answered.")
    ] = 1.0,
    poll: Annotated[
        float, typer.Option(min=0.01, max=3600, help="Seconds between two checks for a new champion.")
    ] = 2.0,
    workers: Annotated[
        str, typer.Option(metavar="N", help="How many processes answer; auto is one for each processor.")
    ] = "1",
    capture: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Record a sample of requests and answers here, for jobmajor monitor."),
    ] = None,
    capture_share: Annotated[
        float, typer.Option("--capture-share", help="The share of requests that is recorded, up to 1.")
    ] = 0.1,
    capture_mb: Annotated[
        int, typer.Option("--capture-mb", help="The size of the folder in MB; beyond, the oldest files are removed.")
    ] = 1000,
    capture_days: Annotated[int, typer.Option("--capture-days", help="Days for which a file is kept.")] = 30,
    capture_hashed: Annotated[
        bool,
        typer.Option("--capture-hashed", help="Record hashes, not titles: no drift of texts is seen, no review."),
    ] = False,
    shadow: Annotated[
        int | None,
        typer.Option(metavar="VERSION", help="Let this version answer as well, unseen, and record both answers."),
    ] = None,
    shadow_share: Annotated[
        float, typer.Option("--shadow-share", help="The share of requests that it answers, up to 1.")
    ] = 1.0,
    home: Annotated[
        Path | None, typer.Option(help="The workspace.", envvar="JOBMAJOR_HOME", show_default=".jobmajor")
    ] = None,
) -> None:
    """Answer titles over HTTP with the champion. A new champion replaces it without a restart.

    Example: jobmajor serve --port 8080
    """
    from jobmajor import serve as package
    from jobmajor import settings
    from jobmajor.model.rules import classes as classes_file
    from jobmajor.model.rules import overrides as overrides_file
    from jobmajor.model.rules import prior as prior_file
    from jobmajor.serve.http import hosts
    from jobmajor.serve.service import champion, logs
    from jobmajor.serve.service import keys as key_file
    from sagelocal.show import patience

    if new_key is not None:
        typer.echo(key_file.add(_named(keys), new_key, may_review=may_review))
        return
    package.require()
    names = hosts.allowed(host, allow_host or ())
    from jobmajor.serve import launch

    use_codes(model, home)
    options = replace(_options(level, top, keys), poll_s=poll, hosts=names, workers=launch.workers(workers))
    limits = {"share": capture_share, "total_mb": capture_mb, "days": capture_days, "is_hashed": capture_hashed}
    options = replace(options, capture=_plan(capture, limits))
    mix = prior_file.read(prior) if prior else None
    mine = overrides_file.read(overrides) if overrides else None
    added = classes_file.read(classes) if classes else None
    source = champion.ModelSource(settings.home(home), model, mix, mine, added)
    from jobmajor.serve import server
    from jobmajor.serve.service import reviews as kept
    from jobmajor.serve.service import service

    logs.configure()
    patience.doing("loading the model")
    if shadow is not None:
        options = replace(options, shadow=_shadow(shadow, shadow_share, source, options.workers))
    if queue is not None:
        options = replace(options, queue=opened(queue, source.home))
    choices = kept.Reviews(reviews) if reviews else None
    started = service.Service(champion.Champion(source, choices), options)
    patience.end()
    launch.run(started, server.Address(host, port, drain))


def _plan(folder: Path | None, limits: dict[str, Any]) -> CapturePlan | None:
    from jobmajor.errors import InputError
    from jobmajor.monitor.traffic import recorder
    from jobmajor.serve.service import capturing

    if folder is None:
        if limits != {"share": 0.1, "total_mb": 1000, "days": 30, "is_hashed": False}:
            raise InputError("--capture-… says how requests are recorded: say where to by --capture DIR, too")
        return None
    plan = capturing.CapturePlan(folder, **limits, **capturing.key())
    return replace(plan, folder=recorder.prepare(folder, "--capture"))


def _shadow(number: int, share: float, source: ModelSource, workers: int) -> ShadowPlan:
    """Return the plan for a version in the shadow; it has the champion's own mix and codes."""
    from jobmajor.home import Workspace
    from jobmajor.monitor.traffic import recorder
    from jobmajor.registry.loading import open_registry
    from jobmajor.serve.service.shadow import ShadowPlan

    if not Workspace(source.home).database.is_file():
        from jobmajor.errors import NoChampion

        raise NoChampion(source.home)
    registry = open_registry(source.home)
    registry.verify(number)
    candidate = replace(source, model=registry.get(number).folder).load()
    folder = recorder.prepare(Workspace(source.home).shadows / str(number), "--shadow")
    return ShadowPlan(folder, number, candidate, share, recorder.Bounds(writers=workers))


def _named(keys: Path | None) -> Path:
    from jobmajor.errors import InputError

    if keys is None:
        raise InputError("--new-key needs --keys FILE: the new key's hash is added to that file")
    return keys


def _options(level: str, top: int, keys: Path | None) -> ServiceOptions:
    from jobmajor.errors import InputError
    from jobmajor.serve.messages.parameters import RequestParameters
    from jobmajor.serve.messages.refusal import Refusal
    from jobmajor.serve.service import keys as key_file
    from jobmajor.serve.service.service import ServiceOptions

    try:
        defaults = RequestParameters().updated({"level": level, "top_k": top}, "the command")
    except Refusal as refusal:
        raise InputError(refusal.sentence) from refusal
    return ServiceOptions(defaults=defaults, keys=key_file.read(keys)) if keys else ServiceOptions(defaults=defaults)
