"""The dashboards: Grafana's shape, metrics that exist, and queries that the warehouse answers."""

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import warehouse_samples as samples  # type: ignore[import-not-found]
from expressions import complaints  # type: ignore[import-not-found]
from promtool import DEPLOY, promtool  # type: ignore[import-not-found]

from sinks.clickhouse_http.server import HttpServer, HttpSettings
from sinks.engine import Engine
from sinks.warehouse.warehouse import Warehouse

GRAFANA = DEPLOY / "grafana"
BOARDS: dict[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text()) for file in sorted((GRAFANA / "dashboards").glob("*.json"))
}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]


def targets(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, board in BOARDS.items():
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                if target["datasource"]["type"] == kind:
                    yield f"{name}: {panel['title']} {panel['id']}{target['refId']}", target


PROMQL = dict(targets("prometheus"))
SQL = dict(targets("grafana-clickhouse-datasource"))
VARIABLES = {f"{name}: {v['name']}": v for name, board in BOARDS.items() for v in board["templating"]["list"]}
SQL_VARIABLES = {name: v["query"] for name, v in VARIABLES.items() if v["datasource"]["type"] != "prometheus"}


def test_there_is_one_for_each_audience() -> None:
    assert set(BOARDS) == {"operator", "analyst"}
    assert len(PROMQL) >= 20 and len(SQL) >= 15
    assert len({board["uid"] for board in BOARDS.values()}) == 2


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_panels_have_ids_of_their_own_and_do_not_overlap(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] >= 0 and at["x"] + at["w"] <= 24
        taken = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, panel["title"]
        cells |= taken


@pytest.mark.parametrize("panel", PANELS)
def test_panels_ask_the_provisioned_sources(panel: dict[str, Any]) -> None:
    provisioned = (GRAFANA / "provisioning" / "datasources" / "mailwake.yaml").read_text()
    known = dict(re.findall(r"uid: (\S+)\n\s+type: (\S+)", provisioned))
    assert panel["targets"]
    for source in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
        assert known.get(source["uid"]) == source["type"]


@pytest.mark.parametrize("target", PROMQL.values(), ids=PROMQL)
def test_metrics_exist(target: dict[str, Any]) -> None:
    assert list(complaints(target["expr"])) == []
    for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
        assert label in target["expr"] or label == "instance"


def test_prometheus_takes_every_expression(tmp_path: Path) -> None:
    rules = [
        {"record": f"dashboard:panel:{number}", "expr": expanded_promql(target["expr"])}
        for number, target in enumerate(PROMQL.values())
    ]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", "rules.yml", folder=tmp_path)


def expanded_promql(expression: str) -> str:
    return expression.replace("$__rate_interval", "5m").replace("$instance", ".*")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """ClickHouse's interface as Grafana finds it, over a warehouse with something in it."""
    folder = tmp_path_factory.mktemp("engine") / "warehouse"
    with Warehouse.open(f"chdb://{folder}") as warehouse:
        warehouse.migrate()
        sink = warehouse.sink(1)
        samples.load_all(sink, samples.world(240))
        sink.close()
        with Engine(folder) as engine, HttpServer(engine, HttpSettings(port=0)) as server:
            yield server.url


def expanded(sql: str, chosen: dict[str, list[str]]) -> str:
    """What the plugin makes of a query, for a span that holds every sample; nothing chosen is All."""

    def conditional(found: re.Match[str]) -> str:
        return found[1] if found[2] in chosen else "1=1"

    sql = re.sub(r"\$__conditionalAll\((.*?\)), \$(\w+)\)", conditional, sql)
    sql = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 >= toDateTime(0) AND \1 <= toDateTime(4000000000)", sql)
    sql = re.sub(
        r"\$__timeInterval\((\w+)\)", r"toStartOfInterval(toDateTime(\1), INTERVAL 3600 second)", sql
    )
    for name, values in chosen.items():
        sql = sql.replace(f"${{{name}:singlequote}}", ",".join(f"'{value}'" for value in values))
    assert "$" not in sql, f"not expanded: {sql}"
    return sql


def rows(url: str, sql: str) -> list[dict[str, Any]]:
    query = urllib.parse.urlencode({"database": "mailwake", "default_format": "JSONEachRow"})
    with urllib.request.urlopen(f"{url}/?{query}", data=sql.encode(), timeout=60) as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


@pytest.fixture(scope="module")
def chosen(url: str) -> dict[str, list[str]]:
    """The first value of each variable, and one with a name that nobody has."""
    found = {}
    for name, sql in SQL_VARIABLES.items():
        values = [next(iter(row.values())) for row in rows(url, expanded(sql, {}))]
        assert values
        found[name.partition(": ")[2]] = [*values[:2], "nobody.example"]
    return found


@pytest.mark.parametrize("target", SQL.values(), ids=SQL)
def test_the_warehouse_answers(target: dict[str, Any], url: str, chosen: dict[str, list[str]]) -> None:
    for choice in ({}, chosen):
        answer = rows(url, expanded(target["rawSql"], choice))
        assert answer or choice
        if target["queryType"] == "timeseries" and answer:
            assert "time" in answer[0] and "value" in answer[0]


def test_choosing_changes_the_answer(url: str) -> None:
    sent = next(target["rawSql"] for name, target in SQL.items() if name.startswith("analyst: Sent "))
    everything, nothing = (
        rows(url, expanded(sent, choice)) for choice in ({}, {"domain": ["nobody.example"]})
    )
    assert everything != nothing
