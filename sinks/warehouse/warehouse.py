"""The warehouse opened: tables and views up to date, generations, and sinks that load into it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from sinks.engine import EngineLimits
from sinks.sink import SinkError
from sinks.warehouse import generations, migrations, view_maker
from sinks.warehouse.client import Client, connected, created, embedded, has_database, over_http
from sinks.warehouse.cluster import Cluster
from sinks.warehouse.generations import Generation
from sinks.warehouse.loader import WarehouseSink
from sinks.warehouse.migrations import Migration
from sinks.warehouse.server import DATABASE, Server, without_credentials
from sinks.warehouse.views import View, all_views


class UnknownView(SinkError):
    """There is no view of that name."""


class Warehouse:
    """ClickHouse with mailwake's tables in it. Used by one thread at a time; open it again for another."""

    def __init__(self, client: Client, database: str = DATABASE) -> None:
        """Use an open connection; `open` is the usual way here."""
        self._client, self.database = client, database

    @classmethod
    def open(cls, url: str, database: str | None = None, limits: EngineLimits | None = None) -> Self:
        """Open `chdb:///folder` (embedded, made if need be) or `clickhouse://user:password@host:8123/database`.

        `limits` are the embedded engine's. The HTTP interface that a running mailwake serves over its engine is such
        a server as well: its token is the password.
        Raises WarehouseInUse, WarehouseUnavailable, SinkBusy, ServerRefuses, and SinkError for a URL of another kind.
        """
        parts = urlsplit(url)
        if parts.scheme == "chdb" and not parts.netloc and parts.path not in ("", "/"):
            database = database or DATABASE
            return cls(embedded(Path(unquote(parts.path)), database, limits), database)
        try:
            server = Server.at(url, database=database)
        except ValueError as error:
            raise SinkError(
                f"{without_credentials(url)!r} names no warehouse: chdb:///FOLDER or {error} does"
            ) from None
        return cls.on(server)

    @classmethod
    def on(cls, server: Server) -> Self:
        """Open the warehouse on a server, its database made if need be. Raises SinkBusy, ServerRefuses."""
        return cls(over_http(server), server.database)

    def migrate(self, known: Sequence[Migration] | None = None) -> Sequence[str]:
        """Bring tables, views and comments up to date; returns the migrations applied now. Raises MigrationRefused."""
        known = migrations.known() if known is None else known
        applied = migrations.apply(self._client, known)
        view_maker.make_views(self._client, known)
        return applied

    def pending(self) -> Sequence[str]:
        """The statements that `migrate` would run, comments left out. Changes nothing. Raises MigrationRefused."""
        known = migrations.known()
        missing = migrations.pending(self._client, known)
        tables = [statement for migration in missing for statement in migration.statements()]
        views = [*view_maker.statements()] if view_maker.pending(self._client, known) else []
        return [self._client.rendered(statement) for statement in (*tables, *views)]

    def sink(self, generation: int | None = None) -> WarehouseSink:
        """A sink that loads into a generation; the current one unless named."""
        return WarehouseSink(self._client, self.current_generation() if generation is None else generation)

    def current_generation(self) -> int:
        """The generation that the views show."""
        return generations.current(self._client)

    def set_current_generation(self, number: int) -> None:
        """Let the views show another generation, from one query to the next. Raises UnknownGeneration."""
        generations.make_current(self._client, number)

    def generations(self) -> Sequence[Generation]:
        """The generations there are, with what is stored of each."""
        return generations.every(self._client)

    def drop_generation(self, number: int) -> None:
        """Remove a generation and its positions. Raises CurrentGeneration."""
        generations.drop(self._client, number)

    def views(self) -> Sequence[View]:
        """Every view; those that say `compared` tell whether two generations are equal."""
        return all_views()

    def view_sql(self, name: str, generation: int) -> str:
        """A query for the rows of a view in a generation, the columns as in the view. Raises UnknownView."""
        view = next((view for view in all_views() if view.name == name), None)
        if view is None:
            raise UnknownView(f"no view {name!r}; there are {', '.join(v.name for v in all_views())}")
        return (
            f"SELECT * EXCEPT (generation) FROM {self.database}.{view.by_generation} "
            f"WHERE generation = {int(generation)}"
        )

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """The result of a query, as Python values."""
        return self._client.rows(sql, parameters)

    def close(self) -> None:
        """Let go of the connection, and of the folder."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def everything(server: Server | None = None) -> Sequence[str]:
    """The statements that make a whole warehouse, on a cluster where a server names one; comments left out."""
    tables = [statement for migration in migrations.known() for statement in migration.statements()]
    all_of_them = [*tables, *view_maker.statements()]
    if server is None:
        return all_of_them
    all_of_them.insert(0, created(server.database))
    cluster = Cluster(server.cluster) if server.cluster else None
    return [cluster.rendered(statement) if cluster else statement for statement in all_of_them]


def pending_on(server: Server) -> Sequence[str]:
    """The statements that opening and migrating the warehouse on a server would run. Changes nothing.

    Raises SinkBusy, ServerRefuses, MigrationRefused.
    """
    client = connected(server)
    try:
        there = has_database(client, server.database)
    finally:
        client.close()
    if not there:
        return everything(server)
    with Warehouse.on(server) as warehouse:
        return warehouse.pending()
