from django.apps import AppConfig

from mydevices.vault import registry


class Config(AppConfig):
    name = "mydevices.accounts"
    label = "accounts"

    def ready(self) -> None:
        from mydevices.accounts import factor_removal, factors, models, post, sessions, tasks  # noqa: PLC0415  models must be loaded first

        tasks.register()
        factors.connect()
        factor_removal.connect()
        sessions.connect()
        post.connect()
        registry.column(models.Provider, "client_secret")
