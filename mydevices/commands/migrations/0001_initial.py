import django.db.models.deletion
import mydevices.commands.states
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('devices', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Action',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=24)),
                ('actor_id', models.CharField(max_length=64)),
                ('actor_name', models.CharField(max_length=200)),
                ('requested_at', models.DateTimeField()),
                ('parameters', models.JSONField(default=dict)),
                ('secret', models.BinaryField(null=True)),
                ('held_until', models.DateTimeField(null=True)),
                ('approval', models.CharField(blank=True, choices=[('waiting', 'Waiting'), ('approved', 'Approved'), ('refused', 'Refused')], max_length=8)),
                ('limit', models.CharField(blank=True, choices=[('person', 'Of a person'), ('organisation', 'Of the organisation')], max_length=12)),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='actions', to='devices.device')),
                ('registration', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='actions', to='devices.registration')),
            ],
        ),
        migrations.CreateModel(
            name='Batch',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=24)),
                ('actor_id', models.CharField(max_length=64)),
                ('actor_name', models.CharField(max_length=200)),
                ('address', models.CharField(blank=True, max_length=64)),
                ('authenticated_at', models.DateTimeField(null=True)),
                ('reason', models.CharField(max_length=500)),
                ('parameters', models.JSONField(default=dict)),
                ('number', models.PositiveIntegerField()),
                ('started_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('finished_at', None)), fields=['started_at'], name='batches_under_way')],
            },
        ),
        migrations.CreateModel(
            name='BatchItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('asked', 'Asked'), ('refused', 'Refused'), ('stopped', 'Stopped')], default='waiting', max_length=8)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('batch', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='items', to='commands.batch')),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='devices.device')),
            ],
        ),
        migrations.CreateModel(
            name='Command',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('request_type', models.CharField(max_length=64)),
                ('parameters', models.JSONField(default=dict)),
                ('exclusive', models.CharField(blank=True, max_length=40, null=True)),
                ('state', models.CharField(default=mydevices.commands.states.State['QUEUED'], max_length=12)),
                ('queued_at', models.DateTimeField()),
                ('sent_at', models.DateTimeField(null=True)),
                ('deferred_at', models.DateTimeField(null=True)),
                ('offered_in', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('expires_at', models.DateTimeField(null=True)),
                ('error', models.TextField(blank=True)),
                ('result', models.JSONField(default=dict)),
                ('action', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='commands', to='commands.action')),
                ('channel', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='commands', to='devices.channel')),
            ],
        ),
        migrations.CreateModel(
            name='Deferral',
            fields=[
                ('channel', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='deferral', serialize=False, to='devices.channel')),
                ('since', models.DateTimeField()),
                ('next_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('woken_at', models.JSONField(default=list)),
            ],
            options={
                'indexes': [models.Index(fields=['next_at'], name='deferrals_by_time')],
            },
        ),
        migrations.AddIndex(
            model_name='action',
            index=models.Index(fields=['device', '-requested_at'], name='actions_of_a_device'),
        ),
        migrations.AddIndex(
            model_name='action',
            index=models.Index(condition=models.Q(('kind', 'wipe')), fields=['requested_at'], name='wipes_by_time'),
        ),
        migrations.AddIndex(
            model_name='action',
            index=models.Index(condition=models.Q(('approval', 'waiting')), fields=['requested_at'], name='wipes_to_decide'),
        ),
        migrations.AddConstraint(
            model_name='action',
            constraint=models.CheckConstraint(condition=models.Q(('approval__in', ['', 'waiting', 'approved', 'refused'])), name='known_approval'),
        ),
        migrations.AddConstraint(
            model_name='action',
            constraint=models.CheckConstraint(condition=models.Q(('limit__in', ['', 'person', 'organisation'])), name='known_limit'),
        ),
        migrations.AddIndex(
            model_name='batchitem',
            index=models.Index(condition=models.Q(('state', 'waiting')), fields=['batch', 'id'], name='items_that_wait'),
        ),
        migrations.AddConstraint(
            model_name='batchitem',
            constraint=models.UniqueConstraint(fields=('batch', 'device'), name='once_in_a_batch'),
        ),
        migrations.AddConstraint(
            model_name='batchitem',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'asked', 'refused', 'stopped'])), name='known_item_state'),
        ),
        migrations.AddIndex(
            model_name='command',
            index=models.Index(condition=models.Q(('state__in', (mydevices.commands.states.State['QUEUED'], mydevices.commands.states.State['SENT'], mydevices.commands.states.State['DEFERRED']))), fields=['channel', 'id'], name='pending_commands'),
        ),
        migrations.AddIndex(
            model_name='command',
            index=models.Index(condition=models.Q(('state__in', (mydevices.commands.states.State['QUEUED'], mydevices.commands.states.State['SENT'], mydevices.commands.states.State['DEFERRED']))), fields=['expires_at'], name='commands_that_expire'),
        ),
        migrations.AddIndex(
            model_name='command',
            index=models.Index(fields=['state', 'finished_at', 'queued_at'], name='commands_by_state'),
        ),
        migrations.AddConstraint(
            model_name='command',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', [mydevices.commands.states.State['HELD'], mydevices.commands.states.State['QUEUED'], mydevices.commands.states.State['SENT'], mydevices.commands.states.State['DEFERRED'], mydevices.commands.states.State['DONE'], mydevices.commands.states.State['FAILED'], mydevices.commands.states.State['EXPIRED'], mydevices.commands.states.State['CANCELLED'], mydevices.commands.states.State['VOID']])), name='known_command_state'),
        ),
        migrations.AddConstraint(
            model_name='command',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', (mydevices.commands.states.State['HELD'], mydevices.commands.states.State['QUEUED'], mydevices.commands.states.State['SENT'], mydevices.commands.states.State['DEFERRED']))), fields=('channel', 'exclusive'), name='one_open_command_of_a_kind'),
        ),
    ]
