from collections import defaultdict

from django.core.management.base import CommandError
from django.db import migrations, models

from mydevices.accounts import addresses


def check(apps, _schema_editor):
    """Stop, before anything is changed, for addresses that would be two people's or nobody's."""
    people = defaultdict(list)
    for email in apps.get_model("accounts", "Person").objects.order_by("email").values_list("email", flat=True):
        people[addresses.key_of(email)].append(email)
    unusable = people.pop("", [])
    shared = [found for found in people.values() if len(found) > 1]
    if not unusable and not shared:
        return
    lines = ["Some e-mail addresses have to be changed before this version can start. Nothing has been changed yet."]
    if unusable:
        lines += ["", "These can't be used any more, because they contain characters that could stand for others:"]
        lines += [f"  {ascii(email)[1:-1]}  ({email})" for email in unusable]
    if shared:
        lines += ["", "These are one and the same address, but belong to different people:"]
        lines += [f"  {'  '.join(found)}" for found in shared]
    lines += ["", "Change them with the version that you ran before, and start this one again."]
    raise CommandError("\n".join(lines))


def fill(apps, _schema_editor):
    person = apps.get_model("accounts", "Person")
    rows = []
    for row in person.objects.only("id", "email").iterator(chunk_size=1000):
        row.email_key = addresses.key_of(row.email)
        rows.append(row)
        if len(rows) == 1000:
            person.objects.bulk_update(rows, ["email_key"])
            rows = []
    person.objects.bulk_update(rows, ["email_key"])
    change = apps.get_model("accounts", "EmailChange")
    for row in change.objects.only("id", "old_email").iterator(chunk_size=1000):
        # An address of long ago may have no key: nobody can ask for it any more, so it is found by nobody.
        change.objects.filter(id=row.id).update(old_key=addresses.key_of(row.old_email))


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0009_undone_changes'),
    ]

    operations = [
        migrations.RunPython(check, migrations.RunPython.noop),
        migrations.AddField(
            model_name='person',
            name='email_key',
            field=models.CharField(editable=False, max_length=254, null=True),
        ),
        migrations.AddField(
            model_name='emailchange',
            name='old_key',
            field=models.CharField(editable=False, max_length=254, null=True),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='person',
            name='email_key',
            field=models.CharField(editable=False, max_length=254),
        ),
        migrations.AlterField(
            model_name='emailchange',
            name='old_key',
            field=models.CharField(editable=False, max_length=254),
        ),
        migrations.RemoveConstraint(
            model_name='person',
            name='one_person_per_address',
        ),
        migrations.AddConstraint(
            model_name='person',
            constraint=models.UniqueConstraint(fields=('email_key',), name='one_person_per_address', violation_error_message='This address is taken.'),
        ),
    ]
