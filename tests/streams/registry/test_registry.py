"""The schema registry's client and our schemas in it, on a real registry."""

import copy
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from deploy.kafka.secured import Secured
from deploy.registry.server import RegistryServer
from schemas.catalog import FIRST_ID, RECORDS, UnknownSchema, latest, versions
from schemas.mail import MessageDelivered, MessageSent
from streams.log import LogUnavailable
from streams.registry.address import RegistryAddress
from streams.registry.ids import (
    MetIds,
    SchemasNotRegistered,
    map_id,
    register_all,
    require_registered,
    subject_of,
)
from streams.registry.registry import (
    FULL_TRANSITIVE,
    Registry,
    RegistryError,
    RegistryUnavailable,
    SchemaRefused,
)

SENT = "mailwake.MessageSent"
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def client(registry: RegistryServer) -> Registry:
    return at(registry.url)


def at(url: str, **options: Any) -> Registry:
    return Registry(RegistryAddress.of(url, **options), timeout_s=5)


def with_field(kind: Any, default: Any = None) -> dict[str, Any]:
    found = copy.deepcopy(latest(MessageSent).schema)
    found["fields"].append({"name": "colour", "type": kind, "default": default})
    return found


def without(name: str) -> dict[str, Any]:
    found = copy.deepcopy(latest(MessageSent).schema)
    found["fields"] = [field for field in found["fields"] if field["name"] != name]
    return found


def test_every_version_is_registered_once_and_its_subject_demands_compatibility(client: Registry) -> None:
    planned = list(register_all(client, dry_run=True))
    assert {one.outcome for one in planned} == {"new"} and {one.id for one in planned} == {None}
    assert client.schema_id(SENT, latest(MessageSent).schema) is None
    done = list(register_all(client))
    assert [(one.subject, one.version) for one in done] == [
        (subject_of(v.record), v.number)
        for v in sorted(versions().values(), key=lambda v: list(RECORDS.values()).index(v.record))
    ]
    assert {one.outcome for one in done} == {"new"}
    assert {client.level(subject_of(record)) for record in RECORDS.values()} == {FULL_TRANSITIVE}
    again = list(register_all(client))
    assert [(one.id, one.outcome) for one in again] == [(one.id, "there") for one in done]


def test_a_schema_that_does_not_go_with_what_is_there_is_refused(client: Registry) -> None:
    client.demand(SENT, FULL_TRANSITIVE)
    client.register(SENT, with_field("string", "none"))
    client.demand(SENT, FULL_TRANSITIVE)
    with pytest.raises(SchemaRefused, match=r"mailwake.MessageSent"):
        client.register(SENT, without("event_id"))
    assert client.incompatibilities(SENT, without("event_id"))
    client.register("mailwake.MessageDelivered", {**without("event_id"), "name": "MessageDelivered"})
    outcomes = {one.subject: one for one in register_all(client)}
    refused = outcomes["mailwake.MessageDelivered"]
    assert refused.outcome == "refused" and refused.why and refused.id is None
    assert outcomes[SENT].outcome == "new"


def test_a_start_without_our_schemas_is_refused_by_name(client: Registry) -> None:
    client.register(SENT, latest(MessageSent).schema)
    with pytest.raises(SchemasNotRegistered, match=r"of MessageDelivered that .*mailwake schemas register"):
        require_registered(client, [MessageSent, MessageDelivered])
    assert require_registered(client, [MessageSent]).written == {
        "MessageSent": client.schema_id(SENT, latest(MessageSent).schema)
    }


def test_a_start_beside_schemas_that_do_not_go_with_ours_is_refused(client: Registry) -> None:
    client.register(SENT, latest(MessageSent).schema)
    client.demand(SENT, "NONE")
    client.register(SENT, without("event_id"))
    client.demand(SENT, FULL_TRANSITIVE)
    with pytest.raises(SchemasNotRegistered, match=r"do not go with.*mailwake.MessageSent"):
        require_registered(client, [MessageSent])


def test_ids_of_ours_and_of_others_are_known(client: Registry) -> None:
    list(register_all(client))
    ids = require_registered(client)
    for name, given in ids.written.items():
        assert ids.read(given) is latest(RECORDS[name])
    theirs = client.register(SENT, with_field(["null", "string"]))
    assert ids.read(theirs).record is MessageSent and ids.read(theirs).id == theirs
    same = client.register(
        SENT, {key: value for key, value in latest(MessageSent).schema.items() if key != "doc"}
    )
    assert same != ids.written["MessageSent"] and ids.read(same) is latest(MessageSent)
    other = client.register(
        "acme.Order", {"type": "record", "name": "Order", "namespace": "acme", "fields": []}
    )
    with pytest.raises(UnknownSchema, match=r"acme.Order, and no record of mailwake's"):
        ids.read(other)
    for nobody_s in (999_999, FIRST_ID + 999, 2**32 - 1):
        with pytest.raises(UnknownSchema, match="none of the registry"):
            ids.read(nobody_s)


class Counting(Registry):
    """Tells how often a schema was asked for; `gone` when it doesn't answer any more."""

    asked = 0
    gone = False

    def schema(self, schema_id: int) -> Any:
        self.asked += 1
        if self.gone:
            raise RegistryUnavailable("it does not answer")
        return super().schema(schema_id)


def test_what_was_met_is_known_while_the_registry_is_away(registry: RegistryServer) -> None:
    client = Counting(RegistryAddress.of(registry.url))
    list(register_all(client))
    ids = require_registered(client)
    first = client.register(SENT, with_field(["null", "string"]))
    second = client.register(SENT, with_field(["null", "string"]) | {"doc": "Later."})
    assert ids.read(first) is ids.read(first) and client.asked == 1
    client.gone = True
    assert ids.read(first).record is MessageSent
    assert ids.read(ids.written["MessageSent"]) is latest(MessageSent)
    with pytest.raises(RegistryUnavailable):
        ids.read(second)
    client.gone = False
    assert ids.read(second).record is MessageSent


def test_so_many_ids_are_kept_and_ours_always(registry: RegistryServer) -> None:
    client = Counting(RegistryAddress.of(registry.url))
    ours = client.register(SENT, latest(MessageSent).schema)
    met = MetIds(client, {ours: latest(MessageSent)}, most=2)
    given = [client.register(SENT, with_field(["null", "string"]) | {"doc": str(n)}) for n in range(3)]
    for one in (*given, given[2], given[1], given[0], ours):
        assert met.version(one).record is MessageSent
    assert client.asked == 4
    for _ in range(3):
        with pytest.raises(UnknownSchema):
            met.version(999_999)
    assert client.asked == 5


def test_ids_are_mapped_between_logs(client: Registry) -> None:
    committed = latest(MessageSent).id
    with pytest.raises(SchemasNotRegistered, match="mailwake schemas register"):
        map_id(None, client)(committed)
    list(register_all(client))
    given = client.schema_id(SENT, latest(MessageSent).schema)
    theirs = client.register(SENT, with_field(["null", "string"]))
    assert map_id(None, client)(committed) == given
    assert map_id(client, None)(given) == map_id(client, None)(committed) == committed
    assert map_id(client, at(str(client.address)))(theirs) == theirs
    with pytest.raises(UnknownSchema, match="needs a registry too"):
        map_id(client, None)(theirs)
    with pytest.raises(UnknownSchema):
        map_id(None, client)(7)
    with pytest.raises(UnknownSchema):
        map_id(client, None)(999_999)


def test_another_s_schema_is_taken_along_to_the_other_registry(client: Registry, tmp_path) -> None:
    with RegistryServer(0, tmp_path) as other:
        other.run()
        target = at(other.url)
        target.register("acme.Order", {"type": "record", "name": "Order", "namespace": "acme", "fields": []})
        list(register_all(target))
        theirs = client.register(SENT, with_field(["null", "string"]))
        there = map_id(client, target)(theirs)
        assert there != theirs and target.schema(there) == client.schema(theirs)


def test_a_registry_that_is_away_is_waited_for_a_little_and_then_told() -> None:
    with pytest.raises(RegistryUnavailable, match=r"127.0.0.1:1 does not answer.*refused") as away:
        require_registered(at(NOWHERE))
    assert isinstance(away.value, LogUnavailable)


@pytest.mark.parametrize("path", ["", "/", "/nowhere"])
def test_an_address_without_the_api_s_path_is_told(registry: RegistryServer, path: str) -> None:
    with pytest.raises(RegistryError, match=r"is MAILWAKE_SCHEMA_REGISTRY its address, its path too"):
        require_registered(at(f"http://127.0.0.1:{registry.port}{path}"))


@pytest.mark.parametrize(
    "url", ["registry:8081", "ftp://h", "http://", "http://u:p@h:1", "http://h/?a", "http://h/#a"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"USER@.*HOST:PORT"):
        RegistryAddress.of(url)


@pytest.fixture
def guarded() -> Iterator[tuple[str, list[str | None], list[int]]]:
    """A server that lets one user in; what it was told, and the statuses it gives next."""
    told: list[str | None] = []
    statuses: list[int] = []

    class Guard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append(self.headers["Authorization"])
            known = self.headers["Authorization"] == "Basic YWxpY2U6czNjcmV0"
            status = statuses.pop(0) if statuses else 200 if known else 401
            body = (
                b'{"compatibilityLevel": "FULL"}' if status == 200 else b'{"error_code": 1, "message": "no"}'
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Guard)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://alice@127.0.0.1:{server.server_port}", told, statuses
    server.shutdown()
    server.server_close()


def test_a_user_is_let_in_with_the_password(guarded) -> None:
    url, told, _ = guarded
    assert at(url, password="s3cret").level(SENT) == "FULL"
    with pytest.raises(RegistryError, match="MAILWAKE_SCHEMA_REGISTRY_PASSWORD") as refused:
        at(url, password="wrong").level(SENT)
    assert not isinstance(refused.value, RegistryUnavailable) and len(told) == 2
    for hidden in ("s3cret", "wrong"):
        assert hidden not in repr(RegistryAddress.of(url, hidden)) + str(refused.value)


def test_what_passes_is_asked_again(guarded) -> None:
    url, told, statuses = guarded
    statuses += [503, 500, 429]
    assert at(url, password="s3cret").level(SENT) == "FULL" and len(told) == 4
    statuses += [503] * 9
    with pytest.raises(RegistryUnavailable, match="503 no"):
        at(url, password="s3cret").level(SENT)


def test_over_tls_the_certificate_is_checked(registry: RegistryServer) -> None:
    trusted = Secured.certificate(registry.data)
    assert at(registry.tls_url, ca_file=trusted).schema_id(SENT, latest(MessageSent).schema) is None
    with pytest.raises(RegistryError, match=r"TLS failed.*MAILWAKE_SCHEMA_REGISTRY_CA_FILE") as refused:
        at(registry.tls_url).level(SENT)
    assert not isinstance(refused.value, RegistryUnavailable)


def test_plain_words_to_no_tls(registry: RegistryServer) -> None:
    with pytest.raises(RegistryError, match="TLS failed"):
        at(f"https://127.0.0.1:{registry.port}/").level(SENT)


def test_certificates_that_can_t_be_read_are_told(tmp_path) -> None:
    with pytest.raises(RegistryError, match=r"MAILWAKE_SCHEMA_REGISTRY_CA_FILE .*none.pem"):
        at("https://127.0.0.1:1", ca_file=tmp_path / "none.pem").level(SENT)
