"""docker-compose.yml, as Docker Compose reads it: what it tells mailwake, what it opens to whom, and that it hangs together."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import chdb
import pytest
import yaml
from promtool import DEPLOY, REPOSITORY, promtool  # type: ignore[import-not-found]
from workload import SECRETS, parsed, settings  # type: ignore[import-not-found]

FILE = REPOSITORY / "docker-compose.yml"
VARIABLE = re.compile(r"\$\{(\w+)(:[?-][^}]*)?\}")


def composed(env: Path, file: Path = FILE) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("docker-compose")
    command = [
        program,
        "--file",
        file,
        "--project-directory",
        REPOSITORY,
        "--env-file",
        env,
        "config",
        "--format",
        "json",
    ]
    # The environment beats the file: none of ours is to be seen.
    clean = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=clean)


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What deploy/make-env makes."""
    path = tmp_path_factory.mktemp("env") / ".env"
    subprocess.run([DEPLOY / "make-env", path], check=True, timeout=60)
    return path


@pytest.fixture(scope="module")
def passwords(env: Path) -> dict[str, str]:
    pairs = [line.partition("=") for line in env.read_text().splitlines() if "=" in line and line[0] != "#"]
    return {name: value for name, _, value in pairs if name.endswith("PASSWORD")}


@pytest.fixture(scope="module")
def project(env: Path) -> dict[str, Any]:
    ran = composed(env)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return dict(json.loads(ran.stdout))


@pytest.fixture(scope="module")
def services(project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(project["services"])


@pytest.fixture(scope="module")
def ours(services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those that run mailwake."""
    found = {name: service for name, service in services.items() if service["image"].startswith("mailwake:")}
    assert set(found) == {"schemas", "topics", "migrate", "keyring", "intake", "worker-1", "worker-2"}
    return found


def jobs(services: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, service in services.items() if service["restart"].startswith("on-failure")}


def test_mailwake_takes_every_variable(ours: dict[str, Any], tmp_path: Path) -> None:
    for name, service in ours.items():
        made = settings(service["environment"], tmp_path)
        assert made.log == "kafka://kafka:9092", name
        assert made.warehouse_server is not None and made.warehouse_server.host == "clickhouse"


def test_mailwake_has_every_command(ours: dict[str, Any]) -> None:
    assert {" ".join(service["command"]) for service in ours.values()} == {
        "worker",
        "intake",
        "keyring init",
        "schemas register",
        "topics apply",
        "warehouse migrate",
    }
    for service in ours.values():
        parsed(service["command"])


def test_workers_have_names_of_their_own_and_share_the_rest(ours: dict[str, Any]) -> None:
    workers = {name: dict(s["environment"]) for name, s in ours.items() if s["command"] == ["worker"]}
    assert {name: variables.pop("MAILWAKE_WORKER_NAME") for name, variables in workers.items()} == {
        name: name for name in workers
    }
    first, *others = workers.values()
    assert others and all(other == first for other in others)
    assert all(ours[name]["volumes"] == ours["worker-1"]["volumes"] for name in workers)


def test_everything_is_published_on_loopback_only(services: dict[str, Any]) -> None:
    published = [(name, port) for name, service in services.items() for port in service.get("ports", ())]
    assert {name for name, _ in published} == {
        "kafka",
        "registry",
        "clickhouse",
        "prometheus",
        "grafana",
        "intake",
    }
    assert [name for name, port in published if port.get("host_ip") != "127.0.0.1"] == []
    assert all("network_mode" not in service for service in services.values())


def test_no_password_is_written_down(services: dict[str, Any], passwords: dict[str, str]) -> None:
    """Each comes from the environment, and there is none unless somebody chose it."""
    asked = dict(VARIABLE.findall(FILE.read_text()))
    assert {name for name, how in asked.items() if how.startswith(":?")} == set(passwords)
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if variable in SECRETS or re.search("PASS|SECRET|TOKEN", variable):
                assert value in passwords.values(), f"{name}: {variable}"
    for file in (DEPLOY / "compose").iterdir():
        for line in file.read_text().splitlines():
            if re.search(r"\bpassword", line, re.IGNORECASE) and not re.match(r"\s*(#|<!--)", line):
                assert "from_env=" in line or re.search(r"password: \$\w+$", line), f"{file}: {line}"


def test_clickhouse_gets_the_passwords_that_its_users_are_to_have(services: dict[str, Any]) -> None:
    users = (DEPLOY / "compose" / "users.xml").read_text()
    given = services["clickhouse"]["environment"]
    assert set(re.findall(r'from_env="(\w+)"', users)) == {name for name in given if "PASSWORD" in name}
    assert given["LOADER_PASSWORD"] == services["worker-1"]["environment"]["MAILWAKE_WAREHOUSE_PASSWORD"]
    assert not {"CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD"} & set(given)


def test_without_a_password_nothing_starts(env: Path, passwords: dict[str, str], tmp_path: Path) -> None:
    for name in passwords:
        (tmp_path / ".env").write_text(
            re.sub(rf"^{name}=.*$", f"{name}=", env.read_text(), flags=re.MULTILINE)
        )
        ran = composed(tmp_path / ".env")
        assert ran.returncode != 0
        assert f"required variable {name} is missing a value: run deploy/make-env" in ran.stderr


def test_passwords_are_random_and_only_for_who_made_them(
    env: Path, passwords: dict[str, str], tmp_path: Path
) -> None:
    assert all(re.fullmatch("[0-9a-f]{48}", password) for password in passwords.values())
    assert len(set(passwords.values())) == len(passwords) == 3
    assert env.stat().st_mode & 0o077 == 0
    again = subprocess.run([DEPLOY / "make-env", env], capture_output=True, text=True, timeout=60)
    assert again.returncode == 1 and "is there already" in again.stderr
    assert all(password in env.read_text() for password in passwords.values())


def test_every_image_is_pinned(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert re.search(r":v?\d+\.\d+\.\d+(\.\d+)?$", service["image"]), name


def test_kafka_and_clickhouse_are_those_that_the_tests_run_on(services: dict[str, Any]) -> None:
    pom = (DEPLOY / "kafka" / "pom.xml").read_text()
    assert f"<version>{services['kafka']['image'].partition(':')[2]}</version>" in pom
    engine = str(chdb.query("SELECT version()", "TabSeparated")).split(".")[:2]
    assert services["clickhouse"]["image"].partition(":")[2].split(".")[:2] == engine


def test_everything_that_stays_is_asked_how_it_is_and_jobs_end(services: dict[str, Any]) -> None:
    assert jobs(services) == {"schemas", "topics", "migrate", "keyring"}
    for name, service in services.items():
        check = service.get("healthcheck", {}).get("test")
        assert (check is None) == (name in jobs(services)), name
        assert check is None or check[0] == "CMD", f"{name}: a shell may not be there"
        for other, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in jobs(services) else "service_healthy"
            assert how["condition"] == expected, f"{name} on {other}"


def test_a_workers_health_check_asks_where_it_listens(ours: dict[str, Any], tmp_path: Path) -> None:
    worker = ours["worker-1"]
    made = settings(worker["environment"], tmp_path)
    (check,) = [part for part in worker["healthcheck"]["test"] if "urlopen" in part]
    assert f"http://127.0.0.1:{made.metrics_port}/healthz" in check
    compile(check, "healthcheck", "exec")
    assert made.metrics_host == "0.0.0.0"
    assert "ports" not in worker


def test_rights_memory_and_restarts_are_said_of_everything(
    services: dict[str, Any], ours: dict[str, Any]
) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service and int(service["mem_limit"]) > 0, name
        assert service["restart"] in ("unless-stopped", "on-failure:5"), name
        assert service.get("read_only") is True or name in ("kafka", "registry"), name
    for name, service in ours.items():
        assert service["user"] == "10001:10001" and service["read_only"], name
        assert "USER 10001:10001" in (DEPLOY / "Dockerfile").read_text()


def test_what_is_mounted_is_there_and_what_is_kept_has_a_volume(
    project: dict[str, Any], services: dict[str, Any]
) -> None:
    mounts = [(name, mount) for name, service in services.items() for mount in service.get("volumes", ())]
    for name, mount in mounts:
        if mount["type"] == "bind":
            assert Path(mount["source"]).exists() and mount["read_only"], f"{name}: {mount}"
        else:
            assert mount["type"] == "volume" and mount["source"] in project["volumes"], f"{name}: {mount}"
    assert {mount["source"] for _, mount in mounts if mount["type"] == "volume"} == set(project["volumes"])


def test_prometheus_asks_every_worker_and_the_intake(ours: dict[str, Any], services: dict[str, Any]) -> None:
    scraped = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())["scrape_configs"]
    workers = [name for name, service in ours.items() if service["command"] in (["worker"], ["intake"])]
    (job,) = scraped
    assert job["job_name"] == "mailwake", "the alerts go by this name"
    (targets,) = job["static_configs"]
    assert sorted(targets["targets"]) == sorted(f"{name}:9464" for name in workers)
    assert "--config.file=/etc/mailwake/compose/prometheus.yml" in services["prometheus"]["command"]
    promtool("check", "config", "prometheus.yml", folder=DEPLOY / "compose")


def test_prometheus_finds_the_alerts_where_they_are_mounted(services: dict[str, Any]) -> None:
    at = {
        Path(mount["source"]): Path(mount["target"])
        for mount in services["prometheus"]["volumes"]
        if mount["type"] == "bind"
    }
    rules = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())["rule_files"]
    inside = at[DEPLOY / "compose" / "prometheus.yml"].parent
    assert [os.path.normpath(inside / rule) for rule in rules] == [
        str(at[DEPLOY / "prometheus"] / "alerts.yml")
    ]


def test_grafana_has_the_sources_that_the_dashboards_ask(services: dict[str, Any]) -> None:
    composed_, provisioned = (
        {source["uid"]: source for source in yaml.safe_load(file.read_text())["datasources"]}
        for file in (
            DEPLOY / "compose" / "datasources.yaml",
            DEPLOY / "grafana/provisioning/datasources/mailwake.yaml",
        )
    )
    assert {uid: s["type"] for uid, s in composed_.items()} == {
        uid: s["type"] for uid, s in provisioned.items()
    }
    assert composed_["mailwake-prometheus"]["url"] == "http://prometheus:9090"
    warehouse = composed_["mailwake-warehouse"]["jsonData"]
    assert (warehouse["host"], warehouse["port"], warehouse["username"]) == ("clickhouse", 8123, "grafana")
    variables = services["grafana"]["environment"]
    mounted = {mount["target"] for mount in services["grafana"]["volumes"]}
    assert variables["MAILWAKE_DASHBOARDS"] in mounted
    assert (
        variables["GRAFANA_CLICKHOUSE_PASSWORD"] == services["clickhouse"]["environment"]["READER_PASSWORD"]
    )
    assert warehouse["defaultDatabase"] == "mailwake"
