import django.db.models.functions.text
from django.db import migrations, models


def repeat_on_devices(apps, _schema_editor):
    """What the present life of each device says. Before the indexes: so many rows are written sooner without them."""
    life = apps.get_model("devices", "Registration").objects.filter(id=models.OuterRef("registration"))
    apps.get_model("devices", "Device").objects.filter(registration__isnull=False).update(
        state=models.Subquery(life.values("state")), seen_at=models.Subquery(life.values("last_seen_at"))
    )


class Migration(migrations.Migration):

    dependencies = [
        ('devices', '0003_words'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='device',
            name='devices_by_name',
        ),
        migrations.AddField(
            model_name='device',
            name='seen_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='device',
            name='state',
            field=models.CharField(blank=True, max_length=16),
        ),
        migrations.RunPython(repeat_on_devices, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name='device',
            index=models.Index(django.db.models.functions.text.Lower('name'), models.F('id'), models.F('os_name'), models.F('ownership'), models.F('name'), name='devices_by_name'),
        ),
        migrations.AddIndex(
            model_name='device',
            index=models.Index(fields=['seen_at', 'id', 'os_name', 'ownership'], name='devices_by_seen'),
        ),
        migrations.AddIndex(
            model_name='device',
            index=models.Index(models.F('state'), django.db.models.functions.text.Lower('name'), models.F('id'), models.F('os_name'), models.F('ownership'), models.F('seen_at'), models.F('name'), name='devices_by_state_and_name'),
        ),
        migrations.AddIndex(
            model_name='device',
            index=models.Index(fields=['state', 'seen_at', 'id', 'os_name', 'ownership'], name='devices_by_state_and_seen'),
        ),
        migrations.AddIndex(
            model_name='device',
            index=models.Index(django.db.models.functions.text.Lower('name'), models.F('id'), models.F('owner'), condition=models.Q(('lost_since__isnull', False)), name='lost_devices'),
        ),
        migrations.AddIndex(
            model_name='registration',
            index=models.Index(condition=models.Q(('unreachable_since__isnull', False)), fields=['device'], name='unreachable_registrations'),
        ),
    ]
