"""The schema registry that the settings name, put to use."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from mailwake.settings import Settings, SettingsError
from schemas.catalog import RECORDS, install, installed
from schemas.record import Event

if TYPE_CHECKING:
    from streams.registry.registry import Registry


def registry_of(settings: Settings) -> "Registry | None":
    """The registry that the settings name; None if they name none."""
    if settings.schema_registry is None:
        return None
    from streams.registry.address import RegistryAddress
    from streams.registry.registry import Registry

    password = settings.schema_registry_password
    address = RegistryAddress.of(
        settings.schema_registry,
        password.get_secret_value() if password else None,
        settings.schema_registry_ca_file,
    )
    return Registry(address)


def use_registry(settings: Settings, records: Collection[type[Event]] = tuple(RECORDS.values())) -> None:
    """Write and read with the ids of the registry that the settings name, if they name one; once in a process.

    `records` are those that the program writes. Raises SchemasNotRegistered, RegistryUnavailable, RegistryError;
    SettingsError where this process uses another registry already.
    """
    registry = registry_of(settings)
    if registry is None:
        return
    if (known := installed()) is not None:
        if known.registry != str(registry.address):
            raise SettingsError(
                f"this process uses the schema registry {known.registry} already, and MAILWAKE_SCHEMA_REGISTRY is "
                f"{registry.address}: ids are those of one registry in one process"
            )
        return
    from streams.registry.ids import require_registered

    install(require_registered(registry, records))
