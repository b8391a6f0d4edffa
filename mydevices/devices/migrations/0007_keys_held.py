from django.db import migrations, models


class Migration(migrations.Migration):
    """Devices that are registered already count as confirmed."""

    dependencies = [
        ("devices", "0006_words_of_systems"),
    ]

    operations = [
        migrations.AddField(
            model_name="registration",
            name="confirmed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="registration",
            name="keys_held",
            field=models.BooleanField(default=False),
            preserve_default=False,
        ),
    ]
