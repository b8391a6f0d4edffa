"""The state directory: one file of memory, one key and one certificate for each device, and the dead push tokens."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from simulator.apple import write_private
from simulator.device import Device
from simulator.errors import SimulatorError
from simulator.identity import Identity, key_from_pem, key_to_pem
from simulator.state import Memory, from_json, to_json


class Store:
    """Files under a directory that only its owner can read."""

    def __init__(self, directory: Path) -> None:
        self._devices = directory / "devices"
        self._devices.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._tokens = directory / "dead-tokens.json"

    def load(self) -> Iterator[tuple[Memory, Identity | None]]:
        """What every device remembers, in the order of their names. Raises SimulatorError."""
        found = [from_json(file.read_text(encoding="utf-8")) for file in sorted(self._devices.glob("*.json"))]
        for memory in sorted(found, key=lambda memory: memory.name):
            yield memory, self._identity(memory.hardware.udid)

    def _identity(self, udid: str) -> Identity | None:
        key_file, certificate_file = self._devices / f"{udid}.key.pem", self._devices / f"{udid}.pem"
        if not key_file.exists() or not certificate_file.exists():
            return None
        try:
            certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
            return Identity(key_from_pem(key_file.read_bytes()), certificate)
        except ValueError as error:
            raise SimulatorError(f"The identity of {udid} cannot be read.") from error

    def save(self, device: Device) -> None:
        """Keep a device. A key that the device no longer has is removed."""
        udid = device.udid
        key_file, certificate_file = self._devices / f"{udid}.key.pem", self._devices / f"{udid}.pem"
        if device.identity is None:
            key_file.unlink(missing_ok=True)
            certificate_file.unlink(missing_ok=True)
        else:
            pem = device.identity.certificate.public_bytes(serialization.Encoding.PEM)
            if not certificate_file.exists() or certificate_file.read_bytes() != pem:
                write_private(key_file, key_to_pem(device.identity.key))
                write_private(certificate_file, pem)
        write_private(self._devices / f"{udid}.json", to_json(device.memory).encode())

    def forget(self, udid: str) -> None:
        for suffix in (".json", ".key.pem", ".pem"):
            (self._devices / f"{udid}{suffix}").unlink(missing_ok=True)

    def dead_tokens(self) -> dict[bytes, int]:
        """Tokens that once worked: when they died, in milliseconds since 1970."""
        if not self._tokens.exists():
            return {}
        try:
            return {bytes.fromhex(token): int(at) for token, at in json.loads(self._tokens.read_bytes()).items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise SimulatorError(f"{self._tokens} cannot be read.") from error

    def save_dead_tokens(self, tokens: Mapping[bytes, int]) -> None:
        text = json.dumps({token.hex(): at for token, at in tokens.items()})
        write_private(self._tokens, text.encode())
