"""A certificate type is defined by a configuration of the same id: those that are there get theirs, for nobody."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def define(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    configurations = apps.get_model("configurations", "Configuration")
    for one in apps.get_model("certificates", "CertificateType").objects.order_by("label"):
        if configurations.objects.filter(id=one.id).exists():
            continue
        name, number = one.label, 1
        while configurations.objects.filter(name__iexact=name).exists():
            number += 1
            name = f"{one.label[:112]} ({number})"
        configurations.objects.create(
            id=one.id,
            kind="identity_certificate",
            name=name,
            assigned_to="nobody",
            values={
                "source": "user_provided",
                "purpose": one.purpose,
                "delete_key_after": one.delete_key_after,
                "macos_all_apps": one.macos_all_apps,
                "key_download": one.key_download,
            },
        )


class Migration(migrations.Migration):
    dependencies = [
        ("configurations", "0002_identities"),
        ("certificates", "0002_certificates_of_people"),
    ]

    operations = [migrations.RunPython(define, migrations.RunPython.noop)]
