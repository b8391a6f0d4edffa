from django.apps import AppConfig

from mydevices.vault import registry


class Config(AppConfig):
    name = "mydevices.certificates"
    label = "certificates"

    def ready(self) -> None:
        from mydevices.certificates.models import Authority, PushCertificate  # noqa: PLC0415  models must be loaded first

        registry.column(Authority, "key")
        registry.column(PushCertificate, "key")
