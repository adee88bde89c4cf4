"""Makes the views, when their definition or the tables under them are not those they were made from."""

import hashlib

from sinks.warehouse.client import Client
from sinks.warehouse.views import CURRENT_GENERATION, View, all_views

_NOTE = "definition "


def make_views(client: Client) -> None:
    """Make every view that is missing or was made otherwise; each is replaced in one step, readers never miss it."""
    client.command(f"CREATE OR REPLACE VIEW current_generation AS {CURRENT_GENERATION}")
    for view in all_views():
        client.command(f"CREATE OR REPLACE VIEW {view.by_generation} AS {view.select}")
        client.command(
            f"CREATE OR REPLACE VIEW {view.name} AS SELECT * EXCEPT (generation) FROM {view.by_generation} "
            "WHERE generation = (SELECT generation FROM current_generation)"
        )
