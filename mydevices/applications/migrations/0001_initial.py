import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('devices', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Listing',
            fields=[
                ('device', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='applications', serialize=False, to='devices.device')),
                ('scope', models.CharField(choices=[('managed', 'Those that the organisation installed'), ('all', 'All of them')], max_length=8)),
                ('asked_at', models.DateTimeField()),
                ('read_at', models.DateTimeField(null=True)),
                ('number', models.PositiveIntegerField(default=0)),
                ('is_cut', models.BooleanField(default=False)),
                ('content', models.BinaryField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['asked_at'], name='applications_by_asking')],
            },
        ),
    ]
