"""The requests that aiokafka does not speak, or not in the version that is needed.

InitProducerId from version 3 on: a producer that names the id and epoch it has gets the next epoch only while
nobody has taken its transactional id over (KIP-360); without that, a runtime that was overtaken would fence the
one that overtook it.

IncrementalAlterConfigs (KIP-339): it changes the settings that it names. AlterConfigs, which aiokafka has, puts all
others back to their defaults, an operator's own too.
"""

from collections.abc import Mapping
from typing import Any

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Array,
    Boolean,
    CompactString,
    Int8,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
)


class InitProducerIdResponse(Response):  # type: ignore[misc]
    """Version 3: the id and epoch to go on with."""

    API_KEY = 22
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("tags", TaggedFields),
    )


class InitProducerIdStruct(RequestStruct):  # type: ignore[misc]
    """Version 3, as it goes over the wire."""

    FLEXIBLE_VERSION = True
    API_KEY = 22
    API_VERSION = 3
    RESPONSE_TYPE = InitProducerIdResponse
    SCHEMA = Schema(
        ("transactional_id", CompactString("utf-8")),
        ("transaction_timeout_ms", Int32),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("tags", TaggedFields),
    )


class InitProducerId(Request[InitProducerIdStruct]):  # type: ignore[misc]
    """Ask for a producer's identity: a new one (-1, -1), or the next epoch of the one that it has."""

    API_KEY = 22

    def __init__(self, transactional_id: str | None, timeout_ms: int, producer_id: int, epoch: int) -> None:
        self._fields: tuple[Any, ...] = (transactional_id, timeout_ms, producer_id, epoch, {})

    def build(self, request_struct_class: type[InitProducerIdStruct]) -> InitProducerIdStruct:
        """The request in the version agreed on."""
        return request_struct_class(*self._fields)


TOPIC = 2
"""The kind of resource whose settings are asked for and altered."""

_SET = 0


class IncrementalAlterConfigsResponse(Response):  # type: ignore[misc]
    """Version 0: for each resource whether it was done."""

    API_KEY = 44
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "resources",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class IncrementalAlterConfigsStruct(RequestStruct):  # type: ignore[misc]
    """Version 0, as it goes over the wire."""

    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = IncrementalAlterConfigsResponse
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                (
                    "configs",
                    Array(("name", String("utf-8")), ("operation", Int8), ("value", String("utf-8"))),
                ),
            ),
        ),
        ("validate_only", Boolean),
    )


class IncrementalAlterConfigs(Request[IncrementalAlterConfigsStruct]):  # type: ignore[misc]
    """Set some of a topic's settings, leaving all others as they are."""

    API_KEY = 44

    def __init__(self, topic: str, settings: Mapping[str, str]) -> None:
        self._resources = [(TOPIC, topic, [(name, _SET, value) for name, value in settings.items()])]

    def build(
        self, request_struct_class: type[IncrementalAlterConfigsStruct]
    ) -> IncrementalAlterConfigsStruct:
        """The request in the version agreed on."""
        return request_struct_class(self._resources, False)
