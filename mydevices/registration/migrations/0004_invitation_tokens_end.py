from django.db import migrations, models


def forget(apps, schema_editor):
    """An empty value is none that the vault has sealed, and a rotation of the master key would wait for it."""
    apps.get_model("registration", "Invitation").objects.filter(token=b"").update(token=None)


class Migration(migrations.Migration):

    dependencies = [
        ('registration', '0003_pins_and_terms'),
    ]

    operations = [
        migrations.AlterField(
            model_name='invitation',
            name='token',
            field=models.BinaryField(null=True),
        ),
        migrations.RunPython(forget, migrations.RunPython.noop, elidable=True),
    ]
