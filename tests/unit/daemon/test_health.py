"""What monitors see."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from policies.daemon.health import STUCK_AFTER, Health
from policies.daemon.metrics import DaemonMetrics, text
from policies.monitoring.alerts import Alert, DrillState, ProjectState, SourceState
from tests.support.stage import StageClock
from vault.errors import Busy, SettingsError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ALARM = Alert("sdek", "rpo", "reports", "late", "look")


def ask(health: Health, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{health.port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_health_is_200_while_the_daemon_beats_and_promises_are_kept() -> None:
    clock = StageClock()
    health = _served(clock)
    try:
        health.show("x 1\n", [])
        assert ask(health, "/health")[0] == 200 and ask(health, "/metrics") == (200, "x 1\n")
        assert ask(health, "/other")[0] == 404
        health.show("", [], reached=False)
        code, body = ask(health, "/health")
        assert code == 503 and json.loads(body)["store_reached"] is False, "nobody knows yet whether promises are kept"
        health.show("x 1\n", [])
        clock.sleep(STUCK_AFTER + 1)
        assert ask(health, "/health")[0] == 503
        health.show("", [ALARM.as_json()])
        code, body = ask(health, "/health")
        assert code == 503 and json.loads(body)["alerts"] == json.loads(body)["broken"] == [ALARM.as_json()]
    finally:
        health.close()


def test_a_monitor_may_ask_for_the_head_alone() -> None:
    health = _served(StageClock())
    try:
        health.show("x 1\n", [])
        question = urllib.request.Request(f"http://127.0.0.1:{health.port}/health", method="HEAD")
        with urllib.request.urlopen(question, timeout=10) as answer:
            assert (answer.status, answer.read()) == (200, b"")
            assert int(answer.headers["Content-Length"]) > 0
    finally:
        health.close()


def _served(clock: StageClock) -> Health:
    return Health("127.0.0.1:0", clock)


@pytest.mark.parametrize(
    "address", ["0.0.0.0:9898", "192.0.2.1:9898", "[::]:9898", "example.org:1", "127.0.0.1", "127.0.0.1:x"]
)
def test_an_address_that_others_can_reach_is_refused(address: str) -> None:
    with pytest.raises(SettingsError):
        Health(address, StageClock())


def test_an_address_that_is_taken_is_busy() -> None:
    health = _served(StageClock())
    try:
        with pytest.raises(Busy):
            Health(f"127.0.0.1:{health.port}", StageClock())
    finally:
        health.close()


def test_metrics_are_prometheus_text_with_names_escaped() -> None:
    source = SourceState('odd "name"\\', timedelta(hours=2), NOW, NOW)
    state = ProjectState("sdek", (source,), drills=DrillState(NOW, NOW), frozen=("x",))
    lines = text(DaemonMetrics(NOW, 2, {("sdek", "check", "done"): 3}, {("sdek", "check"): NOW}, [state], [ALARM])).splitlines()
    stamp = f"{NOW.timestamp():.3f}"
    assert "strongroom_running 2.000" in lines
    assert 'strongroom_runs_total{project="sdek",job="check",ending="done"} 3.000' in lines
    assert f'strongroom_last_success_timestamp_seconds{{project="sdek",source="odd \\"name\\"\\\\"}} {stamp}' in lines
    assert 'strongroom_retention_frozen{project="sdek"} 1.000' in lines
    assert 'strongroom_alert_firing{project="sdek",promise="rpo",subject="reports",severity="warning"} 1.000' in lines
    assert 'strongroom_promise_broken{project="sdek",promise="rpo",subject="reports",severity="warning"} 1.000' in lines
    assert f'strongroom_last_drill_timestamp_seconds{{project="sdek"}} {stamp}' in lines
    assert all(line.startswith(("# HELP strongroom_", "# TYPE strongroom_", "strongroom_")) for line in lines)
