from django.apps import AppConfig

from mydevices.vault import registry


class Config(AppConfig):
    name = "mydevices.organisation"
    label = "organisation"

    def ready(self) -> None:
        from mydevices.organisation.models import Organisation  # noqa: PLC0415  models must be loaded first

        registry.column(Organisation, "mail_password")
