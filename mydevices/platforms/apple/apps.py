from django.apps import AppConfig

from mydevices.vault import registry


class Config(AppConfig):
    name = "mydevices.platforms.apple"
    label = "apple"

    def ready(self) -> None:
        from mydevices.devices import services as devices  # noqa: PLC0415  the same
        from mydevices.platforms.apple import (  # noqa: PLC0415  models must be loaded first
            periodic,
            registrations,
        )
        from mydevices.platforms.apple.models import (  # noqa: PLC0415  the same
            AppleChannel,
            AppleRegistration,
            PushCertificate,
        )
        from mydevices.platforms.apple.platform import Apple  # noqa: PLC0415  the same
        from mydevices.port.platform import register  # noqa: PLC0415  the same

        registry.column(PushCertificate, "key")
        registry.column(AppleRegistration, "bootstrap_token")
        registry.column(AppleChannel, "unlock_token")
        devices.forget_at_end(registrations.forget_tokens)
        register(Apple())
        periodic.register()
