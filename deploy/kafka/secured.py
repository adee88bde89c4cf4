"""A broker that lets only known users in, over TLS or not: what tests of those settings connect to."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deploy.kafka.jars import BrokerError

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

_STORE_PASSWORD = "for-tests"
"""Of a key that is made for one run and lies beside it."""

_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}


@dataclass(frozen=True, slots=True)
class Secured:
    """What the broker asks of clients: TLS, and one of the users by one of the mechanisms (none: TLS alone)."""

    tls: bool = True
    mechanisms: tuple[Mechanism, ...] = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    users: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def protocol(self) -> str:
        """Kafka's name for it."""
        if self.mechanisms:
            return "SASL_SSL" if self.tls else "SASL_PLAINTEXT"
        return "SSL" if self.tls else "PLAINTEXT"

    @staticmethod
    def certificate(data: Path) -> Path:
        """The certificate that clients need to trust, in a broker's data folder."""
        return data / "certificate.pem"

    def properties(self, data: Path) -> dict[str, str]:
        """The broker's settings; makes its key and certificate first. Raises BrokerError."""
        found: dict[str, str] = {}
        if self.tls:
            found |= {
                "ssl.keystore.location": str(self._key(data).resolve()),
                "ssl.keystore.password": _STORE_PASSWORD,
                "ssl.keystore.type": "PKCS12",
            }
        if self.mechanisms:
            found["sasl.enabled.mechanisms"] = ",".join(self.mechanisms)
        for mechanism in self.mechanisms:
            users = "".join(f' user_{name}="{word}"' for name, word in self.users.items())
            login = f"{_MODULES[mechanism]} required{users if mechanism == 'PLAIN' else ''};"
            found[f"listener.name.client.{mechanism.lower()}.sasl.jaas.config"] = login
        return found

    def format_arguments(self) -> list[str]:
        """The users as StorageTool takes them."""
        return [
            part
            for mechanism in self.mechanisms
            if mechanism != "PLAIN"
            for name, word in self.users.items()
            for part in ("--add-scram", f"{mechanism}=[name={name},password={word}]")
        ]

    def _key(self, data: Path) -> Path:
        store = data / "key.p12"
        if not store.exists():
            of_store = [
                "-keystore",
                str(store),
                "-storepass",
                _STORE_PASSWORD,
                "-storetype",
                "PKCS12",
                "-alias",
                "broker",
            ]
            what = ["-keyalg", "EC", "-dname", "CN=localhost", "-validity", "3650"]
            extensions = ["-ext", "bc:c", "-ext", "san=ip:127.0.0.1,dns:localhost"]
            _keytool(["-genkeypair", *of_store, *what, *extensions])
            _keytool(["-exportcert", "-rfc", *of_store, "-file", str(self.certificate(data))])
        return store


def _keytool(arguments: list[str]) -> None:
    done = subprocess.run(["keytool", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokerError(
            f"Java's keytool could not make a certificate: {(done.stdout + done.stderr).strip()}"
        )
