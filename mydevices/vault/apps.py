from django.apps import AppConfig
from django.core import checks

from mydevices.vault.checks import check_keys, check_stored


class Config(AppConfig):
    name = "mydevices.vault"
    label = "vault"

    def ready(self) -> None:
        checks.register(check_keys, checks.Tags.security)
        checks.register(check_stored, checks.Tags.database)
