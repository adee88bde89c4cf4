"""Makes the views and their comments, when they are not those that this version of mailwake defines."""

import hashlib
from collections.abc import Sequence

from sinks.warehouse import comments
from sinks.warehouse.client import Client
from sinks.warehouse.migrations import Migration
from sinks.warehouse.views import CURRENT_GENERATION, all_views

MADE = """
CREATE TABLE IF NOT EXISTS views_made (definition String, made_at DateTime64(3, 'UTC'))
ENGINE = MergeTree ORDER BY made_at SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
"""
_LAST_MADE = "SELECT definition FROM views_made ORDER BY made_at DESC LIMIT 1"

_LEFT_OVER = """
SELECT name FROM system.tables
WHERE database = currentDatabase() AND engine = 'View' AND startsWith(name, '_tmp_replace_') ORDER BY name
"""
"""CREATE OR REPLACE makes a view of such a name and exchanges it for the old one, which it then drops: whatever dies
in between (the embedded engine's process, a server) leaves it."""


def make_views(client: Client, applied: Sequence[Migration]) -> bool:
    """Make the views over the tables that these migrations made; returns whether there was anything to do.

    Each view is replaced in one step: whoever reads meanwhile sees the old one or the new one. What a replacement that
    was cut short has left is removed.
    """
    client.define(MADE)
    definition = _definition(applied)
    if [definition] in [list(row) for row in client.rows(_LAST_MADE)]:
        return False
    for (left_over,) in client.rows(_LEFT_OVER):
        client.define(f"DROP VIEW IF EXISTS {left_over}")
    for statement in statements():
        client.define(statement)
    comments.apply(client)
    client.command(
        "INSERT INTO views_made SELECT {definition:String}, now64(3, 'UTC')", {"definition": definition}
    )
    return True


def pending(client: Client, applied: Sequence[Migration]) -> bool:
    """Whether `make_views` would make anything. Changes nothing."""
    ((there,),) = client.rows("EXISTS TABLE views_made")
    if not there:
        return True
    return [_definition(applied)] not in [list(row) for row in client.rows(_LAST_MADE)]


def statements() -> Sequence[str]:
    """What makes every view, in order."""
    made = [f"CREATE OR REPLACE VIEW current_generation AS {CURRENT_GENERATION}"]
    for view in all_views():
        made += [
            f"CREATE OR REPLACE VIEW {view.by_generation} AS {view.select}",
            f"CREATE OR REPLACE VIEW {view.name} AS SELECT * EXCEPT (generation) FROM {view.by_generation} "
            "WHERE generation = (SELECT generation FROM current_generation)",
        ]
    return made


def _definition(applied: Sequence[Migration]) -> str:
    """Changes with the views, with what their comments say, and with the tables under them."""
    said = [f"{name} {sorted(docs.items())}" for name, docs in comments.wanted()]
    tables = [migration.checksum for migration in applied]
    return hashlib.sha256("\n".join([*statements(), *said, *tables]).encode()).hexdigest()
