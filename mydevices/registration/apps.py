from django.apps import AppConfig

from mydevices.vault import registry


class Config(AppConfig):
    name = "mydevices.registration"
    label = "registration"

    def ready(self) -> None:
        from mydevices.registration import tasks  # noqa: PLC0415  models must be loaded first
        from mydevices.registration.models import Invitation, RegistrationPin, Ticket  # noqa: PLC0415  the same

        tasks.register()
        registry.column(Ticket, "code")
        registry.column(Invitation, "token")
        registry.column(RegistrationPin, "digest")
