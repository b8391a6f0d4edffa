import django.db.models.functions.text
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Policy',
            fields=[
                ('assigned_to', models.CharField(choices=[('everyone', 'Everyone'), ('groups', 'Chosen groups'), ('nobody', 'Nobody')], default='everyone', max_length=16)),
                ('platform_filter', models.CharField(blank=True, max_length=200)),
                ('ownership_filter', models.CharField(blank=True, max_length=64)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=32)),
                ('name', models.CharField(max_length=120)),
                ('values', models.JSONField(default=dict)),
                ('precedence', models.PositiveIntegerField()),
                ('enabled', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('changed_at', models.DateTimeField(auto_now=True)),
                ('groups', models.ManyToManyField(blank=True, related_name='+', to='accounts.group')),
            ],
            options={
                'indexes': [models.Index(fields=['kind', 'precedence'], name='policies_by_precedence')],
                'constraints': [models.UniqueConstraint(models.F('kind'), django.db.models.functions.text.Lower('name'), name='one_policy_per_name')],
            },
        ),
    ]
