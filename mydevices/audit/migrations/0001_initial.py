from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='ChainKey',
            fields=[
                ('number', models.PositiveIntegerField(primary_key=True, serialize=False)),
                ('sealed', models.BinaryField()),
                ('made_at', models.DateTimeField()),
                ('after_seal', models.BigIntegerField()),
                ('entries', models.BigIntegerField()),
                ('digest', models.CharField(max_length=64)),
                ('lost', models.BooleanField(default=False)),
                ('hash', models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name='Seal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('entry_id', models.BigIntegerField(unique=True)),
                ('previous_hash', models.CharField(max_length=64, unique=True)),
                ('hash', models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name='Entry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('verb', models.CharField(max_length=48)),
                ('actor_kind', models.CharField(max_length=16)),
                ('actor_id', models.CharField(blank=True, max_length=64)),
                ('actor_name', models.CharField(blank=True, max_length=200)),
                ('actor_role', models.CharField(blank=True, max_length=32)),
                ('address', models.CharField(blank=True, max_length=64)),
                ('device_id', models.CharField(blank=True, max_length=36)),
                ('device_name', models.CharField(blank=True, max_length=200)),
                ('person_id', models.CharField(blank=True, max_length=36)),
                ('person_name', models.CharField(blank=True, max_length=200)),
                ('action_id', models.CharField(blank=True, max_length=36)),
                ('outcome', models.CharField(blank=True, max_length=32)),
                ('details', models.JSONField(default=dict)),
            ],
            options={
                'indexes': [models.Index(fields=['device_id', '-id'], name='entries_of_a_device'), models.Index(fields=['person_id', '-id'], name='entries_of_a_person'), models.Index(fields=['at'], name='entries_by_time'), models.Index(fields=['verb', '-id'], name='entries_of_a_verb')],
            },
        ),
    ]
