"""Links to accounts at providers get a table of ours, with the issuer in their key. Those in place are kept.

A link of a provider that is no longer there signs nobody in, and is not taken along: a provider of the same name that
somebody makes later would have opened these people's accounts."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def move(apps: Any, _editor: Any) -> None:
    issuers = dict(apps.get_model("accounts", "Provider").objects.values_list("id", "issuer"))
    if settings.ENVIRONMENT.oidc_issuer:
        issuers["organisation"] = settings.ENVIRONMENT.oidc_issuer
    Link = apps.get_model("accounts", "ProviderLink")
    for account in apps.get_model("socialaccount", "SocialAccount").objects.select_related("user").order_by("pk"):
        issuer = issuers.get(account.provider, "")
        if not issuer or not account.uid:
            continue
        # Of two that are one account at one issuer, the older stays.
        link, is_new = Link.objects.get_or_create(
            issuer=issuer,
            subject=account.uid,
            defaults={
                "person": account.user,
                "provider": account.provider,
                "manages": account.user.provider == account.provider,
                "used_at": account.last_login,
            },
        )
        if is_new:
            Link.objects.filter(pk=link.pk).update(linked_at=account.date_joined)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0013_groups_open_to_the_helpdesk"),
        ("socialaccount", "0006_alter_socialaccount_extra_data"),
    ]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="domains",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.CreateModel(
            name="ProviderLink",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=64)),
                ("issuer", models.CharField(max_length=300)),
                ("subject", models.CharField(max_length=255)),
                ("manages", models.BooleanField(default=True)),
                ("linked_at", models.DateTimeField(auto_now_add=True)),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="provider_links",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["provider", "issuer"], name="links_of_a_provider")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("issuer", "subject"), name="one_person_per_account_of_an_issuer"
                    )
                ],
            },
        ),
        migrations.RunPython(move, migrations.RunPython.noop, elidable=False),
    ]
