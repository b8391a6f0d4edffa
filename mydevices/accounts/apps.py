from django.apps import AppConfig

from mydevices.vault import registry


class Config(AppConfig):
    name = "mydevices.accounts"
    label = "accounts"

    def ready(self) -> None:
        from mydevices.accounts import factors, models, post, tasks  # noqa: PLC0415  models must be loaded first

        tasks.register()
        factors.connect()
        post.connect()
        registry.column(models.Provider, "client_secret")
