from django.apps import AppConfig

from mydevices.vault import registry


class Config(AppConfig):
    name = "mydevices.certificates"
    label = "certificates"

    def ready(self) -> None:
        from mydevices.certificates import tasks  # noqa: PLC0415  models must be loaded first
        from mydevices.certificates.models import Authority, Certificate  # noqa: PLC0415  the same

        tasks.register()
        registry.column(Authority, "key")
        registry.column(Certificate, "key")
