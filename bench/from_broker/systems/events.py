"""What every other system does with an event: decodes all of it with fastavro, and names its five identities.

Made of nothing of mailwake's but the committed schemas, which the bench hands over as a file.
"""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro

Decode = Callable[[bytes], dict[str, Any]]


def decoder(schemas: Path) -> Decode:
    """Decodes a record in Confluent's framing; `schemas` holds a JSON object, schema by id."""
    parsed = {
        int(key): fastavro.parse_schema(value) for key, value in json.loads(schemas.read_text()).items()
    }

    def decode(framed: bytes) -> dict[str, Any]:
        schema = parsed[int.from_bytes(framed[1:5], "big")]
        event: Any = fastavro.schemaless_reader(io.BytesIO(framed[5:]), schema, None)
        return event  # type: ignore[no-any-return]

    return decode


def identities(event: dict[str, Any]) -> list[str]:
    """The five that reputation is counted of, at this provider, as keys."""
    domain, provider = event["from_domain"], event["provider"]
    named = {
        "domain": domain,
        "dkim_domain": event["dkim_domain"],
        "ip": event["ip"],
        "stream": f"{domain}/{event['stream']}",
        "campaign": f"{domain}/{event['campaign']}",
    }
    return [f"{kind}|{name}|{provider}" for kind, name in named.items() if name is not None]
