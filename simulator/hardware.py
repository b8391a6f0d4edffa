"""Hardware: what a device is before anyone owns it, and what survives being erased."""

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from simulator.errors import SimulatorError


class Kind(StrEnum):
    IPHONE = "iphone"
    IPAD = "ipad"
    MAC = "mac"


@dataclass(frozen=True)
class Model:
    """A model that can be simulated. Capacity in gigabytes (base 10)."""

    kind: Kind
    product: str
    marketing_name: str
    model_name: str
    number: str
    capacity: float


MODELS: Mapping[str, Model] = {
    model.product: model
    for model in (
        Model(Kind.IPHONE, "iPhone17,1", "iPhone 16 Pro", "iPhone", "MYNN3", 256.0),
        Model(Kind.IPHONE, "iPhone17,3", "iPhone 16", "iPhone", "MYEC3", 128.0),
        Model(Kind.IPHONE, "iPhone16,1", "iPhone 15 Pro", "iPhone", "MTUX3", 128.0),
        Model(Kind.IPHONE, "iPhone15,4", "iPhone 15", "iPhone", "MTP03", 128.0),
        Model(Kind.IPHONE, "iPhone14,4", "iPhone 13 mini", "iPhone", "MLK33", 128.0),
        Model(Kind.IPHONE, "iPhone14,6", "iPhone SE (3rd generation)", "iPhone", "MMXF3", 64.0),
        Model(Kind.IPAD, "iPad14,8", "iPad Air 11-inch (M2)", "iPad", "MUWC3", 128.0),
        Model(Kind.IPAD, "iPad16,3", "iPad Pro 11-inch (M4)", "iPad", "MVV83", 256.0),
        Model(Kind.MAC, "Mac15,12", "MacBook Air (13-inch, M3, 2024)", "MacBook Air", "MRXN3", 494.4),
        Model(Kind.MAC, "Mac16,1", "MacBook Pro (14-inch, M4, 2024)", "MacBook Pro", "MW2U3", 994.7),
        Model(Kind.MAC, "Mac14,3", "Mac mini (2023)", "Mac mini", "MMFJ3", 245.1),
    )
}
USUAL: Mapping[Kind, str] = {Kind.IPHONE: "iPhone17,1", Kind.IPAD: "iPad14,8", Kind.MAC: "Mac15,12"}
SYSTEMS: Mapping[Kind, tuple[str, str]] = {
    Kind.IPHONE: ("18.1", "22B83"),
    Kind.IPAD: ("18.1", "22B83"),
    Kind.MAC: ("15.1", "24B83"),
}


@dataclass(frozen=True)
class Hardware:
    """One device's hardware and system. Addresses are MAC addresses."""

    kind: Kind
    product: str
    udid: str
    provisioning_udid: str
    serial: str
    imei: str | None
    wifi_address: str
    bluetooth_address: str
    os_version: str
    build: str

    @property
    def model(self) -> Model:
        return MODELS[self.product]


def make(kind: Kind, *, product: str | None = None) -> Hardware:
    """Fresh hardware with random identifiers in the form current devices have. Raises SimulatorError."""
    product = product or USUAL[kind]
    model = MODELS.get(product)
    if model is None or model.kind is not kind:
        known = ", ".join(model.product for model in MODELS.values() if model.kind is kind)
        raise SimulatorError(f"There is no simulated {kind} {product}. Known: {known}.")
    chip = f"{secrets.choice(('00008130', '00008140', '00008150'))}-{secrets.token_hex(8).upper()}"
    version, build = SYSTEMS[kind]
    return Hardware(
        kind=kind,
        product=product,
        udid=str(uuid.uuid4()).upper() if kind is Kind.MAC else chip,
        provisioning_udid=chip,
        serial="".join(secrets.choice("CDFGHJKLMNPQRTVWXY0123456789") for _ in range(10)),
        imei=_imei() if kind is Kind.IPHONE else None,
        wifi_address=_address(),
        bluetooth_address=_address(),
        os_version=version,
        build=build,
    )


def _imei() -> str:
    """15 digits, the last a Luhn check digit; the type code 00 belongs to test equipment."""
    digits = [0, 0, *(secrets.randbelow(10) for _ in range(12))]
    doubled = (digit if place % 2 == 0 else sum(divmod(digit * 2, 10)) for place, digit in enumerate(digits))
    text = "".join(map(str, (*digits, -sum(doubled) % 10)))
    return f"{text[:2]} {text[2:8]} {text[8:14]} {text[14]}"


def _address() -> str:
    """A locally administered address, so that it is nobody's."""
    return ":".join(f"{byte:02x}" for byte in (0x02, *secrets.token_bytes(5)))
