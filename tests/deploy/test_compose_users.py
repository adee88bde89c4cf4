"""ClickHouse's users in docker-compose.yml: nobody comes in without a password, and who reads only reads."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import chdb
import pytest
from promtool import DEPLOY  # type: ignore[import-not-found]

from sinks.warehouse.server import Server

USERS = ElementTree.parse(DEPLOY / "compose" / "users.xml").getroot()


def user(name: str) -> ElementTree.Element:
    found = USERS.find(f"users/{name}")
    assert found is not None
    return found


def test_the_user_without_a_password_is_gone() -> None:
    assert user("default").get("remove") == "remove"


def test_everybody_has_a_password_of_their_own_from_the_environment() -> None:
    others = [one for one in USERS.findall("users/*") if one.tag != "default"]
    passwords = [one.find("password") for one in others]
    names = [password.get("from_env") for password in passwords if password is not None]
    assert len(set(names)) == len(others) == 2 and None not in names
    assert all(not (password is not None and password.text) for password in passwords)


def test_the_workers_user_is_the_one_in_their_settings() -> None:
    settings = (Path(DEPLOY.parent) / "docker-compose.yml").read_text()
    url = next(line.partition(": ")[2] for line in settings.splitlines() if "MAILWAKE_WAREHOUSE:" in line)
    server = Server.at(url, "")
    assert user(server.user).find("grants") is not None
    assert [one.text for one in user(server.user).findall("grants/query")] == [
        f"GRANT ALL ON {server.database}.*"
    ]


def test_grafanas_user_may_only_read() -> None:
    assert [one.text for one in user("grafana").findall("grants/query")] == ["GRANT SELECT ON mailwake.*"]
    profile = USERS.find(f"profiles/{user('grafana').findtext('profile')}")
    assert profile is not None and profile.findtext("readonly") == "2"
    limits = {one.tag: one.text for one in profile if one.tag not in ("readonly", "constraints")}
    assert limits and limits == {one.tag: one.findtext("max") for one in profile.findall("constraints/*")}


def test_clickhouse_knows_what_is_granted_and_limited() -> None:
    for grant in (one.text for one in USERS.iterfind(".//grants/query")):
        with pytest.raises(RuntimeError, match="UNKNOWN_ROLE"):  # Understood: only nobody is there to get it.
            chdb.query(f"{grant} TO nobody")
    known = str(chdb.query("SELECT name FROM system.settings", "TabSeparated")).split()
    assert {one.tag for one in USERS.findall("profiles/*/*") if one.tag != "constraints"} <= set(known)
