from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def mark_those_without_one(apps: Apps, _schema: BaseDatabaseSchemaEditor) -> None:
    """Who is here already is told by the worker, and has a week from then."""
    person, factor = apps.get_model("accounts", "Person"), apps.get_model("mfa", "Authenticator")
    own = factor.objects.filter(user=models.OuterRef("pk"), type__in=["webauthn", "totp"])
    here = models.Q(provider="") | ~models.Q(password__startswith="!")
    found = person.objects.filter(~models.Exists(own), here).exclude(role="person")
    found.update(factor_due_by_notice=True)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0014_provider_links"),
        ("mfa", "0003_authenticator_type_uniq"),
    ]

    operations = [
        migrations.AddField(
            model_name="person",
            name="factor_due_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="person",
            name="factor_due_by_notice",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="signinrules",
            name="console_factor",
            field=models.BooleanField(default=True, verbose_name="A second factor for every role in the console"),
        ),
        migrations.RunPython(mark_those_without_one, migrations.RunPython.noop),
    ]
