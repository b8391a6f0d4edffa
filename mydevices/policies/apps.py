from django.apps import AppConfig


class Config(AppConfig):
    name = "mydevices.policies"
    label = "policies"

    def ready(self) -> None:
        from mydevices.accounts import groups, memberships  # noqa: PLC0415  models must be loaded first
        from mydevices.devices import selectors as devices  # noqa: PLC0415  the same
        from mydevices.devices import services as device_services  # noqa: PLC0415  the same
        from mydevices.policies import loosening, selectors, services  # noqa: PLC0415  the same

        devices.loading(selectors.with_rules)
        services.register()
        groups.ask_before_a_group_ends(lambda group: bool(loosening.without_group(group)))
        memberships.ask_what_comes_with_groups(loosening.brought_by)
        device_services.ask_what_comes_with_ownership(loosening.is_brought_by_ownership)
