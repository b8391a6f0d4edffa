from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.platforms.apple"
    label = "apple"

    def ready(self) -> None:
        from mydevices.platforms import port  # noqa: PLC0415  models must be loaded first
        from mydevices.platforms.apple import (  # noqa: PLC0415  the same
            applications,
            configurations,
            endpoints,
            outcomes,
            periodic,
        )
        from mydevices.platforms.apple.adapter import PLATFORM, Adapter  # noqa: PLC0415  the same

        port.register(PLATFORM, Adapter())
        applications.register()
        configurations.register()
        endpoints.register()
        outcomes.register()
        periodic.register()
