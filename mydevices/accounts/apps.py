from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.accounts"
    label = "accounts"

    def ready(self) -> None:
        from mydevices.accounts import factors, tasks  # noqa: PLC0415  models must be loaded first

        tasks.register()
        factors.connect()
