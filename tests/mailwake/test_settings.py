import subprocess
import sys
from pathlib import Path

import pytest

from mailwake.settings import Settings, SettingsError, load_settings
from mailwake.unknown_variables import unknown_variables


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_defaults_are_embedded():
    settings = load_settings()
    assert settings.log_path == Path("mailwake.db") and settings.warehouse_path == Path("warehouse")


def test_four_slashes_are_absolute(monkeypatch):
    monkeypatch.setenv("MAILWAKE_LOG", "sqlite:////var/lib/mailwake.db")
    assert load_settings().log_path == Path("/var/lib/mailwake.db")


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    (tmp_path / "mailwake.toml").write_text('tenant = "file"\nhttp_port = 1234\nwatch = ["in", "out"]\n')
    monkeypatch.setenv("MAILWAKE_TENANT", "environment")
    settings = load_settings()
    assert (settings.tenant, settings.http_port, settings.watch) == (
        "environment",
        1234,
        (Path("in"), Path("out")),
    )


def test_watched_folders_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("MAILWAKE_WATCH", "in, other/in")
    assert load_settings().watch == (Path("in"), Path("other/in"))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("LOG", "redis://broker", "sqlite:///"),
        ("LOG", "kafka://broker?x=1", "kafka://HOST:PORT"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS", "SASL_SSL"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI", "SCRAM-SHA-512"),
        ("WAREHOUSE", "chdb://", "chdb:///"),
        ("HTTP_PORT", "high", "integer"),
        ("STEP_RECORDS", "0", "greater than"),
        ("TENANT", "a/b", "a tenant's name, without a slash"),
        ("FROM_DOMAIN", "a b", "a domain alone, as in example.com"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_wants(monkeypatch, name, value, says):
    monkeypatch.setenv(f"MAILWAKE_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert (
        f"MAILWAKE_{name}" in str(caught.value) and says in str(caught.value) and value in str(caught.value)
    )


def test_the_default_from_domain_has_one_form(monkeypatch):
    monkeypatch.setenv("MAILWAKE_FROM_DOMAIN", "Example.com.")
    assert load_settings().from_domain == "example.com"


def test_variables_that_set_nothing_are_named():
    environment = {
        "MAILWAKE_LGO": "x",
        "MAILWAKE_SOMETHING_OF_SOMEBODY_ELSE": "x",
        "MAILWAKE_LOG": "x",
        "MAILWAKE_CONFIG": "x",
        "MAILWAKE_INTAKE_SERVICE_HOST": "10.0.0.1",
        "MAILWAKE_MAIN_PORT": "tcp://10.0.0.1:8025",
        "MAILWAKE_INTAKE_PORT_8025_TCP_ADDR": "10.0.0.1",
        "PATH": "x",
    }
    assert unknown_variables(environment, Settings.model_fields) == (
        "MAILWAKE_LGO (did you mean MAILWAKE_LOG?)",
        "MAILWAKE_SOMETHING_OF_SOMEBODY_ELSE",
    )


def test_a_command_says_once_what_variable_sets_nothing(tmp_path):
    code = "from mailwake.settings import load_settings; load_settings(); load_settings()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"MAILWAKE_LGO": "x"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "no such setting, passed over: MAILWAKE_LGO (did you mean MAILWAKE_LOG?)\n"


def test_an_unknown_name_in_the_file_is_refused(tmp_path):
    (tmp_path / "mailwake.toml").write_text("tennant = 'x'\n")
    with pytest.raises(SettingsError, match=r"tennant.*no such setting.*tenant"):
        load_settings()


def test_a_named_file_must_exist(monkeypatch):
    monkeypatch.setenv("MAILWAKE_CONFIG", "nowhere.toml")
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        load_settings()


def test_every_setting_is_documented():
    text = (Path(__file__).parents[2] / "docs/cli.md").read_text()
    missing = [
        name
        for name in Settings.model_fields
        if f"_{name.rpartition('_')[2].upper()}`" not in text and f"MAILWAKE_{name.upper()}" not in text
    ]
    assert not missing


def test_help_loads_nothing_heavy():
    heavy = "fastapi, uvicorn, cryptography, orjson, hvac, re2, polars, chdb, clickhouse_connect, aiohttp, sqlglot, pydantic, fastavro, sqlite3"
    program = f"""
import sys
from mailwake.cli.app import app
try:
    app(["--help"])
except SystemExit:
    pass
loaded = [name for name in "{heavy}".split(", ") if name in sys.modules]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("environment", "file"),
    [
        ({"LOG": "kafka://me:hunter2@broker:9092"}, ""),
        ({}, "kafka_sasl_password = ['hunter2']"),
        ({}, "kafka_sasl_pasword = 'hunter2'"),
        ({}, "password = 'hunter2'"),
    ],
)
def test_no_message_shows_a_password(tmp_path, monkeypatch, environment, file):
    for name, value in environment.items():
        monkeypatch.setenv(f"MAILWAKE_{name}", value)
    (tmp_path / "mailwake.toml").write_text(file)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_a_password_is_not_shown_with_the_settings(monkeypatch):
    monkeypatch.setenv("MAILWAKE_KAFKA_SASL_PASSWORD", "hunter2")
    settings = load_settings()
    assert "hunter2" not in f"{settings!r} {settings} {settings.kafka_security!r}"
    assert settings.kafka_security.password == "hunter2"


def test_what_needs_a_file_says_so_where_the_log_is_in_kafka(monkeypatch):
    monkeypatch.setenv("MAILWAKE_LOG", "kafka://broker:9092")
    with pytest.raises(SettingsError, match=r"SQLite.*kafka://broker:9092"):
        _ = load_settings().log_path
