from collections.abc import Sequence

from mydevices.devices.models import Device
from mydevices.registration import tickets
from mydevices.registration.models import Ticket
from tests.platforms.driver import Driver, Obeys
from tests.platforms.toys.asked.driver import new_key, post
from tests.platforms.toys.told.platform import Pigeons


class PigeonDriver(Driver):
    @property
    def service(self) -> Pigeons:
        assert isinstance(self.platform, Pigeons)
        return self.platform

    def register(self, ticket: Ticket, *, honestly: bool = True) -> None:
        password = tickets.link_for(ticket=ticket).rpartition("=")[2]
        said = {"password": password, "serial": "P1", "key": new_key(), "postcode": "1234" if honestly else "9999"}
        post("/pigeons/arrived", said)

    def is_of(self, device: Device) -> bool:
        return device.hardware_id == "P1"

    def obey(self, obeys: Obeys = lambda _request: True) -> Sequence[str]:
        letters, self.service.loft = self.service.loft, []
        for letter in letters:
            is_done = obeys(letter.request_type)
            post("/pigeons/back", {"letter": letter.id, "done": is_done, "why": "" if is_done else "A hawk came."})
        return [letter.request_type for letter in letters]

    def cut_off(self) -> None:
        self.service.is_away = True

    def was_reached(self) -> bool:
        return bool(self.service.loft)


DRIVER = PigeonDriver
