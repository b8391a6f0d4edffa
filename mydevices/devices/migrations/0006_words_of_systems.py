from django.db import migrations

from mydevices import search


def find_words(apps, _schema_editor):
    """The words of the systems of what is here already, a few thousand rows at a time."""
    rows, words = apps.get_model("devices", "Device").objects, apps.get_model("devices", "DeviceWord").objects
    new = []
    for row in rows.values_list("id", "os_name", "os_version").iterator(chunk_size=2000):
        new += [words.model(of_id=row[0], word=word) for word in search.words(*row[1:])]
        if len(new) > 10_000:
            words.bulk_create(new, batch_size=2000, ignore_conflicts=True)
            new = []
    words.bulk_create(new, batch_size=2000, ignore_conflicts=True)


class Migration(migrations.Migration):

    dependencies = [
        ('devices', '0005_devices_by_system'),
    ]

    operations = [
        migrations.RunPython(find_words, migrations.RunPython.noop),
    ]
