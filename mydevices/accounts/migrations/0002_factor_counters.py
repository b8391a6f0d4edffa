"""A file of its own, because the tables of factors refer to people."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('mfa', '0003_authenticator_type_uniq'),
    ]

    operations = [
        migrations.CreateModel(
            name='FactorCounter',
            fields=[
                ('factor', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='counter', serialize=False, to='mfa.authenticator')),
                ('number', models.BigIntegerField()),
            ],
        ),
    ]
