from django.apps import AppConfig

from mydevices.vault import registry


class Config(AppConfig):
    name = "mydevices.registration"
    label = "registration"

    def ready(self) -> None:
        from mydevices.accounts import sessions, set_aside  # noqa: PLC0415  the same
        from mydevices.registration import confirmations, invitation_rules, pins, tasks, tickets  # noqa: PLC0415  models must be loaded first
        from mydevices.registration.models import Invitation, RegistrationPin, Ticket  # noqa: PLC0415  the same

        tasks.register()
        invitation_rules.register()
        set_aside.also(tickets.revoke_since)
        set_aside.also(pins.revoke_since)
        set_aside.also(confirmations.ask_anew)
        sessions.also(tickets.revoke_since)
        registry.column(Ticket, "code")
        registry.column(Invitation, "token")
        registry.column(RegistrationPin, "digest")
