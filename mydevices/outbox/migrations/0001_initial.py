import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Schedule',
            fields=[
                ('name', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('next_run', models.DateTimeField()),
                ('lease_token', models.UUIDField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('failures', models.PositiveIntegerField(default=0)),
                ('last_error', models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name='Message',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('topic', models.CharField(max_length=64)),
                ('key', models.CharField(max_length=200, null=True)),
                ('payload', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('run_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('state', models.CharField(default='waiting', max_length=8)),
                ('lease_token', models.UUIDField(null=True)),
                ('last_error', models.TextField(blank=True)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state__in', ['waiting', 'leased'])), fields=['topic', 'run_at'], name='due_messages')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'waiting')), fields=('topic', 'key'), name='one_waiting_message_per_key'), models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'leased', 'dead'])), name='known_message_state'), models.CheckConstraint(condition=models.Q(models.Q(('lease_token__isnull', False), ('state', 'leased')), models.Q(models.Q(('state', 'leased'), _negated=True), ('lease_token__isnull', True)), _connector='OR'), name='a_lease_has_a_token')],
            },
        ),
    ]
