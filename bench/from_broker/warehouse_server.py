"""`python warehouse_server.py FOLDER`: the warehouse's HTTP interface until it is told to end; prints port and token."""

import json
import signal
import sys
import threading
from pathlib import Path

from mailwake.allocators import keep_little

keep_little()

from sinks.clickhouse_http.server import HttpServer, HttpSettings  # noqa: E402
from sinks.engine import Engine  # noqa: E402


def main() -> None:
    """Serve."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: ended.set())
    with Engine(Path(sys.argv[1])) as engine, HttpServer(engine, HttpSettings(port=0)) as server:
        print(json.dumps({"port": str(server.port), "token": server.token}), flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
