from django.apps import AppConfig
from django.core import checks


class Config(AppConfig):
    name = "mydevices.vault"
    label = "vault"

    def ready(self) -> None:
        from mydevices.vault.checks import check_keys, check_stored  # noqa: PLC0415  models must be loaded first

        checks.register(check_keys, checks.Tags.security)
        checks.register(check_stored, checks.Tags.database)
