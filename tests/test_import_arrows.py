"""A package imports only from those below it, no file from one that needs it, and what must be pure nothing impure."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

BELOW: dict[str, frozenset[str]] = {
    "schemas": frozenset(),
    "processors": frozenset({"schemas"}),
    "streams": frozenset({"processors", "schemas"}),
    "sources": frozenset({"streams", "processors", "schemas"}),
    "sinks": frozenset({"streams", "processors", "schemas"}),
    "replay": frozenset({"sinks", "sources", "streams", "processors", "schemas"}),
    "console": frozenset({"sinks", "sources", "streams", "processors", "schemas"}),
    "mailwake": frozenset({"console", "replay", "sinks", "sources", "streams", "processors", "schemas"}),
}
"""What each package may import from, itself apart."""

NOT_OURS_TO_IMPORT = frozenset({"tests", "bench", "deploy"})

IMPURE_MODULES = frozenset({
    "aiohttp", "asyncio", "chdb", "clickhouse_connect", "concurrent", "http", "multiprocessing", "random", "requests",
    "secrets", "select", "selectors", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time",
    "urllib.request",
})  # fmt: skip
"""Clocks, networks, randomness, other processes, threads."""

IMPURE_NAMES = frozenset({
    "datetime.now", "datetime.today", "datetime.utcnow", "date.today", "datetime.datetime.now", "datetime.date.today",
    "os.environ", "os.getenv", "os.urandom", "uuid.uuid1", "uuid.uuid4", "uuid1", "uuid4", "np.random", "numpy.random",
})  # fmt: skip

ALLOWED = {"schemas/record.py": frozenset({"time", "uuid4", "uuid.uuid4"})}
"""The defaults of an event that is made here and now: its time and its random id."""


LATE_IMPORTS = frozenset({"importlib.import_module", "import_module", "__import__"})


def package_files() -> list[Path]:
    return [path for package in BELOW for path in sorted((ROOT / package).rglob("*.py"))]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST, path: str) -> Iterator[str]:
    """Full names of what a file imports, wherever in it; names from a module as module.name."""
    folder = path.split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) - node.level + 1] if node.level else []
            for alias in node.names:
                yield ".".join(part for part in (*above, node.module, alias.name) if part)
        elif isinstance(node, ast.Call) and dotted(node.func) in LATE_IMPORTS:
            yield from (str(arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant))


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def wrong_arrows(source: str, path: str) -> list[str]:
    package = path.split("/")[0]
    allowed = BELOW[package] | {package}
    roots = {name.split(".")[0]: name for name in imported(ast.parse(source), path)}
    return [name for root, name in roots.items() if root in (BELOW.keys() | NOT_OURS_TO_IMPORT) - allowed]


def arrows(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Which modules each imports, wherever in it: late, and for its types only, as well. `sources` are by path."""
    names = {path: path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in sources}
    ours = set(names.values())
    return {
        names[path]: {
            whole if whole in ours else whole.rpartition(".")[0]
            for whole in imported(ast.parse(source), path)
        }
        & ours
        for path, source in sources.items()
    }


def between_folders(files: Mapping[str, set[str]], package: str) -> dict[str, set[str]]:
    """The same between the folders of a package; arrows within one, and to files beside them, left out."""
    found: dict[str, set[str]] = {}
    for name, wanted in files.items():
        folders = {".".join(one.split(".")[:2]) for one in wanted if one.count(".") > 1}
        if name.startswith(f"{package}.") and name.count(".") > 1:
            folder = ".".join(name.split(".")[:2])
            found[folder] = found.get(folder, set()) | (folders - {folder})
    return found


def circles(left: Mapping[str, set[str]]) -> list[str]:
    """What is left when those that import no other, and those that no other imports, are taken away again and again."""
    while True:
        wanted = {name for names in left.values() for name in names}
        ends = {name for name, names in left.items() if not names & left.keys() or name not in wanted}
        if not ends:
            return sorted(left)
        left = {name: names for name, names in left.items() if name not in ends}


def impurities(source: str, path: str) -> set[str]:
    tree = ast.parse(source)
    names = set(imported(tree, path))
    modules = {
        module
        for module in IMPURE_MODULES
        for name in names
        if name == module or name.startswith(module + ".")
    }
    used = {dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)} | names
    found = modules | used & (IMPURE_NAMES | {"open", "input", "print"})
    return found - ALLOWED.get(path, frozenset())


def test_there_is_something_to_look_at() -> None:
    assert {relative(path).split("/")[0] for path in package_files()} == set(BELOW)


@pytest.mark.parametrize("path", package_files(), ids=relative)
def test_imports_only_from_below(path: Path) -> None:
    assert wrong_arrows(path.read_text(), relative(path)) == []


def test_no_file_imports_one_that_needs_it() -> None:
    assert circles(arrows({relative(path): path.read_text() for path in package_files()})) == []


@pytest.mark.parametrize("package", ["processors", "streams"])
def test_no_folder_imports_one_that_needs_it(package: str) -> None:
    files = arrows({relative(path): path.read_text() for path in package_files()})
    folders = between_folders(files, package)
    assert len(folders) > 1 and any(folders.values())
    assert circles(folders) == []


PURE = [path for path in package_files() if relative(path).split("/")[0] in ("processors", "schemas")]


@pytest.mark.parametrize("path", PURE, ids=relative)
def test_what_is_pure_knows_no_clock_network_chance_or_environment(path: Path) -> None:
    assert impurities(path.read_text(), relative(path)) == set()


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("schemas/x.py", "from processors.stage import Stage"),
        ("processors/x.py", "import streams.log"),
        ("sinks/x.py", "def late():\n    from sources import files"),
        ("sources/x.py", "import sinks"),
        ("streams/x.py", "import importlib\nimportlib.import_module('sinks.warehouse')"),
        ("sinks/warehouse/x.py", "from ... import replay"),
        ("replay/x.py", "from mailwake import settings"),
        ("console/x.py", "from mailwake import settings"),
        ("replay/x.py", "import console"),
        ("mailwake/x.py", "import tests.streams"),
    ],
)
def test_a_wrong_arrow_is_seen(path: str, source: str) -> None:
    assert wrong_arrows(source, path) != []


@pytest.mark.parametrize(
    "closing",
    [
        "from streams.one import One",
        "from streams import one",
        "from . import one",
        "def late():\n    import streams.one",
        "if TYPE_CHECKING:\n    from streams.one import One",
    ],
)
def test_a_circle_is_seen(closing: str) -> None:
    sources = {
        "streams/one.py": "from streams.two import Two",
        "streams/two.py": "from streams import three",
        "streams/three.py": "import json",
        "streams/above.py": "from streams import one",
    }
    assert circles(arrows(sources)) == []
    sources["streams/three.py"] = closing
    assert circles(arrows(sources)) == ["streams.one", "streams.three", "streams.two"]


def test_a_circle_of_folders_is_seen() -> None:
    files = {
        "processors.a.one": {"processors.b.one", "processors.stage"},
        "processors.b.one": {"processors.b.two"},
        "processors.b.two": set(),
        "processors.a.two": set(),
        "processors.stage": set(),
    }
    assert circles(between_folders(files, "processors")) == []
    files["processors.b.two"] = {"processors.a.two"}
    assert circles(files) == []
    assert circles(between_folders(files, "processors")) == ["processors.a", "processors.b"]


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from time import monotonic",
        "def f():\n    import asyncio",
        "from datetime import datetime\nx = datetime.now()",
        "import datetime\nx = datetime.datetime.now()",
        "import os\nx = os.environ['A']",
        "import uuid\nx = uuid.uuid4()",
        "from uuid import uuid4",
        "import socket",
        "import http.client",
        "import random as r",
        "x = open('a')",
    ],
)
def test_an_impurity_is_seen(source: str) -> None:
    assert impurities(source, "processors/x.py") != set()
