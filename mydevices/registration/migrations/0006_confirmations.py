import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("devices", "0007_keys_held"),
        ("registration", "0005_invitation_rules"),
    ]

    operations = [
        migrations.AddField(
            model_name="ticket",
            name="has_factor",
            field=models.BooleanField(default=False),
        ),
        migrations.CreateModel(
            name="Confirmation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("token_hash", models.CharField(max_length=64, unique=True)),
                ("address", models.CharField(blank=True, max_length=64)),
                ("expires_at", models.DateTimeField()),
                ("answered_at", models.DateTimeField(null=True)),
                (
                    "registration",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="confirmation",
                        to="devices.registration",
                    ),
                ),
            ],
        ),
    ]
