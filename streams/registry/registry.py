"""A schema registry, as Confluent's API has it: Confluent's own, Karapace, Apicurio, Redpanda's.

Source: the API reference of Confluent's Schema Registry. Its answers differ between makers where the reference leaves
room; what is relied on here is what they have in common.
"""

import json
import os
import re
import ssl
import time
from typing import Any
from urllib.parse import quote

import urllib3

from streams.log import LogError, LogUnavailable
from streams.registry.address import RegistryAddress

FULL_TRANSITIVE = "FULL_TRANSITIVE"

_TYPE = "application/vnd.schemaregistry.v1+json"
_PAUSES_S = (0.1, 0.3, 1.0)
"""Between attempts while the registry does not answer."""

_NO_SUCH = 404
_NO_SUCH_KIND = 40400
"""From here on error codes say what there is none of; below, that there is no such place at all."""

_CONFLICT = 409
_INVALID = 422
_NOT_ALLOWED = (401, 403)
_PASSING = (429, 500, 502, 503, 504)


class RegistryError(LogError):
    """The schema registry refuses, or is none; the message says what to do."""


class RegistryUnavailable(RegistryError, LogUnavailable):
    """The schema registry does not answer now. It passes: wait, and do the same again."""


class SchemaRefused(RegistryError):
    """The registry takes a schema for incompatible or invalid; nothing was registered."""


class Registry:
    """Requests to a registry; safe to use from threads. All raise RegistryError, RegistryUnavailable."""

    def __init__(self, address: RegistryAddress, timeout_s: float = 5.0) -> None:
        self.address, self._timeout_s = address, timeout_s
        self._pools: dict[int, urllib3.PoolManager] = {}

    def schema_id(self, subject: str, schema: Any) -> int | None:
        """The id under which a subject has this schema; None if it has none such."""
        found = self._ask("POST", f"/subjects/{quote(subject, safe='')}", {"schema": _text(schema)})
        return None if found is None else int(found["id"])

    def register(self, subject: str, schema: Any) -> int:
        """Register a schema under a subject, which gives its id, new or as it was. Raises SchemaRefused."""
        path = f"/subjects/{quote(subject, safe='')}/versions"
        found = self._ask("POST", path, {"schema": _text(schema)})
        if found is None:
            raise RegistryError(
                f"{self.address} has no way to register {subject}: is it the address of its API?"
            )
        return int(found["id"])

    def schema(self, schema_id: int) -> Any:
        """The schema with this id, parsed; None if the registry has given it to none."""
        found = self._ask("GET", f"/schemas/ids/{schema_id}")
        if found is None:
            return None
        if found.get("schemaType", "AVRO") != "AVRO":
            return {"type": found["schemaType"]}
        try:
            return json.loads(found["schema"])
        except ValueError:
            return {"type": "unknown"}

    def incompatibilities(self, subject: str, schema: Any) -> list[str]:
        """Why a schema doesn't go with those of a subject; empty when it does, or when there are none."""
        path = f"/compatibility/subjects/{quote(subject, safe='')}/versions?verbose=true"
        found = self._ask("POST", path, {"schema": _text(schema)})
        if found is None or found["is_compatible"]:
            return []
        said = found.get("messages") or [found.get("reason") or "the registry does not say why"]
        return [str(one) for one in said]

    def level(self, subject: str) -> str | None:
        """The compatibility that a subject demands of its own; None where it has none of its own."""
        found = self._ask("GET", f"/config/{quote(subject, safe='')}")
        return None if found is None else found.get("compatibilityLevel")

    def demand(self, subject: str, level: str) -> None:
        """Have a subject demand this compatibility."""
        self._ask("PUT", f"/config/{quote(subject, safe='')}", {"compatibility": level})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer, parsed; None where there is no such thing."""
        reason = "no answer"
        for pause in (*_PAUSES_S, None):
            try:
                answer = self._pool().request(
                    method,
                    self.address.url + path,
                    body=None if body is None else json.dumps(body).encode(),
                )
            except urllib3.exceptions.HTTPError as error:
                reason = self._failed(error)
            else:
                if answer.status not in _PASSING:
                    return self._answered(answer.status, answer.data, path)
                reason = f"{answer.status} {_said(answer.data)}"
            if pause is not None:
                time.sleep(pause)
        raise RegistryUnavailable(
            f"the schema registry {self.address} does not answer: {reason}. Is it up, and MAILWAKE_SCHEMA_REGISTRY its "
            "address? Nothing is lost; do it again when it answers"
        )

    def _answered(self, status: int, data: bytes, path: str) -> Any:
        if status in _NOT_ALLOWED:
            raise RegistryError(
                f"the schema registry {self.address} does not allow {path} ({status} {_said(data)}): see "
                "MAILWAKE_SCHEMA_REGISTRY (USER@) and MAILWAKE_SCHEMA_REGISTRY_PASSWORD"
            )
        if status in (_CONFLICT, _INVALID):
            raise SchemaRefused(f"the schema registry {self.address} refuses {path}: {_said(data)}")
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        if not isinstance(found, dict) or (status == _NO_SUCH and found.get("error_code", 0) < _NO_SUCH_KIND):
            raise RegistryError(
                f"{self.address}{path} answers {status} {data[:80]!r}, which no schema registry does: is "
                "MAILWAKE_SCHEMA_REGISTRY its address, its path too (Apicurio: /apis/ccompat/v7)?"
            )
        if status == _NO_SUCH:
            return None
        if status >= 300:
            raise RegistryError(f"the schema registry {self.address} refuses {path}: {status} {_said(data)}")
        return found

    def _failed(self, error: urllib3.exceptions.HTTPError) -> str:
        """What an attempt failed with. Raises RegistryError for what will not pass."""
        cause = getattr(error, "reason", None) or error
        if isinstance(cause, urllib3.exceptions.SSLError):
            raise RegistryError(
                f"the schema registry {self.address}: TLS failed ({cause}): does it speak TLS there, and does "
                "MAILWAKE_SCHEMA_REGISTRY_CA_FILE name whom to trust?"
            ) from error
        return re.sub(r"^<.*?>: |^HTTPConnection.*?: ", "", str(cause))

    def _pool(self) -> urllib3.PoolManager:
        """Connections of this process: one that was forked makes its own."""
        process = os.getpid()
        if process not in self._pools:
            self._pools[process] = self._new_pool()
        return self._pools[process]

    def _new_pool(self) -> urllib3.PoolManager:
        address = self.address
        headers = {"Content-Type": _TYPE, "Accept": f"{_TYPE}, application/json"}
        if address.username is not None:
            words = f"{address.username}:{address.password or ''}"
            headers |= urllib3.make_headers(basic_auth=words)
        context = None
        if address.url.startswith("https:"):
            try:
                context = ssl.create_default_context(cafile=str(address.ca_file) if address.ca_file else None)
            except (OSError, ssl.SSLError) as error:
                raise RegistryError(
                    f"MAILWAKE_SCHEMA_REGISTRY_CA_FILE {address.ca_file} can't be read as certificates (PEM): {error}"
                ) from None
        return urllib3.PoolManager(
            maxsize=8, headers=headers, timeout=self._timeout_s, retries=False, ssl_context=context
        )


def _text(schema: Any) -> str:
    """A schema as it is registered: always the same text, since some registries compare texts."""
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def _said(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data[:200].decode(errors="replace")
