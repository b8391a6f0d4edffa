from django.apps import AppConfig

from mydevices.vault import registry


class Config(AppConfig):
    name = "mydevices.accounts"
    label = "accounts"

    def ready(self) -> None:
        from mydevices.accounts import (  # noqa: PLC0415  models must be loaded first
            approval_rules,
            arrivals,
            email_change,
            factor_removal,
            factors,
            groups,
            mail_server,
            memberships,
            models,
            people,
            post,
            providers,
            role_factors,
            sessions,
            set_aside,
            sign_in_rules,
            tasks,
        )

        tasks.register()
        sign_in_rules.register()
        approval_rules.register()
        people.register()
        memberships.register()
        groups.register()
        providers.register()
        mail_server.register()
        factors.register()
        factors.connect()
        role_factors.connect()
        factor_removal.connect()
        sessions.connect()
        sessions.also(email_change.drop_since)
        post.connect()
        set_aside.also(arrivals.end_links_since)
        registry.column(models.Provider, "client_secret")
        registry.column(models.Approval, "enclosure")
