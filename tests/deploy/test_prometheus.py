"""The scrape configuration and the alerts: Prometheus takes them, and each alert fires when it should."""

import re
from pathlib import Path

import pytest
from expressions import complaints  # type: ignore[import-not-found]
from promtool import DEPLOY, promtool  # type: ignore[import-not-found]

from mailwake.settings import Settings

ALERTS = (DEPLOY / "prometheus" / "alerts.yml").read_text()
NAMES = re.findall(r"- alert: (\w+)", ALERTS)
EXPRESSIONS = re.findall(r"expr: (?:\|\n((?: {10}.*\n)+)|(.*))", ALERTS)


def test_prometheus_takes_the_configuration() -> None:
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "--lint=all", "--lint-fatal", "alerts.yml")


def test_alerts_fire_when_they_should_and_only_then() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")


def test_an_alert_that_is_wrong_is_seen(tmp_path: Path) -> None:
    """The tests of the alerts can fail: here one alert never fires."""
    spoiled = ALERTS.replace("mailwake_stage_stalled == 1", "mailwake_stage_stalled == 2")
    assert spoiled != ALERTS
    (tmp_path / "alerts.yml").write_text(spoiled)
    (tmp_path / "alerts_test.yml").write_text((DEPLOY / "prometheus" / "alerts_test.yml").read_text())
    with pytest.raises(AssertionError, match="MailwakeStalled"):
        promtool("test", "rules", "alerts_test.yml", folder=tmp_path)


def test_every_alert_has_a_test_an_action_and_a_place_in_the_docs() -> None:
    tests = (DEPLOY / "prometheus" / "alerts_test.yml").read_text()
    docs = (DEPLOY.parent / "docs" / "reliability.md").read_text()
    assert len(NAMES) == len(EXPRESSIONS) >= 10
    assert [name for name in NAMES if f"alertname: {name}\n" not in tests] == []
    assert [name for name in NAMES if f"`{name}`" not in docs] == []
    assert ALERTS.count("action: ") == ALERTS.count("summary: ") == len(NAMES)


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=NAMES)
def test_alerts_ask_for_metrics_that_exist(expression: tuple[str, str]) -> None:
    assert list(complaints("".join(expression))) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "mailwake_no_such_total",
        'mailwake_ready{stage="x"}',
        "sum by (topic) (mailwake_ready)",
        "mailwake_batch_records",
        "mailwake_waits_total_sum",
    ],
)
def test_what_does_not_exist_is_seen(wrong: str) -> None:
    assert list(complaints(wrong))


def test_it_scrapes_where_mailwake_serves_by_default() -> None:
    settings = Settings()
    target = f"{settings.metrics_host}:{settings.metrics_port}"
    assert f'targets: ["{target}"]' in (DEPLOY / "prometheus" / "prometheus.yml").read_text()
