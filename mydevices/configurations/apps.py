from django.apps import AppConfig

from mydevices.vault import registry


class Config(AppConfig):
    name = "mydevices.configurations"
    label = "configurations"

    def ready(self) -> None:
        from mydevices.accounts import following, memberships  # noqa: PLC0415  models must be loaded first
        from mydevices.certificates import keeping  # noqa: PLC0415  the same
        from mydevices.configurations import comparison, selectors, services, tasks, wanted  # noqa: PLC0415  models must be loaded first
        from mydevices.configurations.models import SharedIdentity  # noqa: PLC0415  the same
        from mydevices.devices import services as devices  # noqa: PLC0415  the same

        tasks.register()
        services.register()
        following.follow(comparison.of_people)
        memberships.ask_what_comes_with_groups(selectors.brought_by)
        devices.ask_what_comes_with_ownership(selectors.is_brought_by_ownership)
        keeping.wait_for(wanted.waits_for_key)
        registry.column(SharedIdentity, "key")
