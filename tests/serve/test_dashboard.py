"""What `deploy/` holds: the dashboard asks for what is there, by a real Prometheus, and the containers are confined."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from tests.test_docs import parse

from jobmajor import __version__
from jobmajor.cli.main import main
from jobmajor.serve.service import metrics

from .conftest import LIMIT_S, Running, until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "jobmajor.json").read_text("utf-8"))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text("utf-8"))["groups"][0]["rules"]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ASKED = {target["expr"]: panel["title"] for panel in PANELS for target in panel["targets"]}
NEVER = re.compile("_dropped_total|_shadowed_total")  # nothing is dropped here, and there is no shadow


@pytest.fixture(scope="module")
def checked(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a check."""
    folder = tmp_path_factory.mktemp("checked")
    (folder / "rows.csv").write_text("title,n\nregistered nurse,200\nline cook,200\n", "utf-8")
    rows, reference = str(folder / "rows.csv"), str(folder / "reference.json")
    model = ["--weight", "n", "--model", str(model_folder)]
    assert main(["monitor", "baseline", rows, "--output", reference, *model]) == 0
    assert main(["monitor", "check", rows, "--against", reference, "--output", str(folder), *model]) == 0
    return folder


@pytest.fixture(scope="module")
def rendered(service: Running, checked: Path) -> str:
    """Return what the service and a check say, once titles were answered."""
    for title in ("registered nurse", "zorp blib"):
        assert service.post(json={"instances": [title]}).status_code == 200
    return service.get("/metrics").text + (checked / "metrics.prom").read_text("utf-8")


def test_every_metric_of_a_panel_or_rule_is_rendered_and_every_rendered_one_is_on_a_panel(rendered: str) -> None:
    there = set(re.findall(r"^# TYPE (\w+) ", rendered, re.MULTILINE))
    panels = {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"jobmajor_\w+", " ".join(ASKED))}
    rules = {re.sub("_bucket$", "", name) for rule in RULES for name in re.findall(r"jobmajor_\w+", str(rule["expr"]))}

    assert panels == there
    assert rules <= there


def test_every_label_of_a_panel_is_one_of_its_metrics(rendered: str) -> None:
    names = "\n".join([rendered, *metrics.UNCAPTURED.values(), *metrics.UNSHADOWED.values()])
    labels = {
        found: set(re.findall(r"(\w+)=", "".join(re.findall(rf"^{found}\{{(.*?)\}}", names, re.MULTILINE))))
        for found in re.findall(r"jobmajor_\w+", " ".join(ASKED))
    }
    grouped = re.compile(r"by \(([\w, ]+)\) \((?:rate\()?(jobmajor_\w+)")

    wrong = [
        (name, label)
        for expression in ASKED
        for group, name in grouped.findall(expression)
        for label in group.split(", ")
        if label not in labels[name]
    ]

    assert wrong == []
    assert sum(len(grouped.findall(expression)) for expression in ASKED) > 8


def test_every_panel_has_its_own_place_and_says_what_it_shows() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)


def test_rules_are_those_of_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text("utf-8")

    assert [rule["expr"] for rule in RULES if f"`{rule['expr']}`" not in runbook] == []


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_container_is_confined_and_pinned(name: str) -> None:
    service = COMPOSE["services"][name]

    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"])
    assert service["healthcheck"]
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service.get("ports", ()))
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    mounts = [each.rpartition(":/") for each in service["volumes"]]
    assert [where for source, _, where in mounts if source.startswith((".", "$")) and not where.endswith(":ro")] == []
    folders = [source for source, _, _ in mounts if source.startswith("./")]
    assert [folder for folder in folders if not (DEPLOY / folder).is_dir()] == []


@pytest.mark.parametrize("name", ["service", "baseline", "check"])
def test_container_of_ours_has_this_version_and_a_command_that_exists(name: str) -> None:
    service = COMPOSE["services"][name]

    assert service["image"] == f"jobmajor:{__version__}"
    parse(shlex.join(service["command"]), resilient=True)


def test_address_of_a_target_is_that_of_a_container() -> None:
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8")
    sources = (DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text("utf-8")
    found = re.findall(r'"(?:http://)?([a-z]+):\d+"', text + sources)

    assert sorted(found) == ["checks", "prometheus", "service"]
    assert set(found) <= set(COMPOSE["services"])


def test_configuration_of_prometheus_is_valid() -> None:
    program = shutil.which("promtool")
    if not program:
        pytest.skip("no promtool is installed: Debian's package prometheus has it")

    done = subprocess.run(
        [program, "check", "config", str(DEPLOY / "prometheus" / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rules found" in done.stdout + done.stderr


class _Text(SimpleHTTPRequestHandler):
    """Serves a folder, as node_exporter serves its text files."""

    def guess_type(self, path: Any) -> str:
        return metrics.CONTENT_TYPE

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        pass


@pytest.fixture
def prometheus(service: Running, checked: Path, tmp_path: Path) -> Iterator[str]:
    """Return the address of a real Prometheus that reads the service and a check, by the configuration of `deploy`."""
    program = shutil.which("prometheus")
    if not program:
        pytest.skip("no Prometheus is installed: Debian's package prometheus has it")
    shutil.copytree(DEPLOY / "prometheus", tmp_path / "etc")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Text, directory=str(checked))) as files:
        threading.Thread(target=files.serve_forever, daemon=True).start()
        config = tmp_path / "etc" / "prometheus.yml"
        text = config.read_text("utf-8").replace("15s", "1s").replace("service:8080", f"127.0.0.1:{service.port}")
        text = text.replace('["checks:9100"]', f'["127.0.0.1:{files.server_port}"]\n    metrics_path: /metrics.prom')
        config.write_text(text, "utf-8")
        log = tmp_path / "log"
        words = [
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            "--web.listen-address=127.0.0.1:0",
        ]
        with log.open("w") as out, subprocess.Popen([program, *words], stdout=out, stderr=out) as process:
            try:
                until(lambda: "Server is ready" in log.read_text(), "Prometheus")
                port = re.findall(r"address=127\.0\.0\.1:([1-9]\d+)", log.read_text())[0]
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()
                files.shutdown()


@pytest.mark.slow
def test_real_prometheus_answers_every_panel(prometheus: str, service: Running) -> None:
    def ask(expression: str) -> Any:
        words = expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
        found = httpx.get(f"{prometheus}/api/v1/query", params={"query": words}, timeout=LIMIT_S).json()
        assert found["status"] == "success", found
        return found["data"]["result"]

    def is_read() -> bool:
        service.post(json={"instances": ["registered nurse", "zorp blib"]})
        rates = ask("rate(jobmajor_abstained_total[1m]) > 0"), ask("increase(jobmajor_model_swaps_total[1h])")
        return all(rates) and len(ask("up == 1")) == 2

    until(is_read, "two readings of the service and the check")

    empty = {title for expression, title in ASKED.items() if not ask(expression) and not NEVER.search(expression)}
    assert empty == set()
    told = httpx.get(f"{prometheus}/api/v1/rules", timeout=LIMIT_S).json()["data"]["groups"][0]["rules"]
    assert [rule["name"] for rule in told if rule.get("lastError")] == []
    assert len(told) == len(RULES)
