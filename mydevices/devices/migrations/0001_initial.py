import django.db.models.deletion
import django.db.models.functions.text
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Device',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('platform', models.CharField(max_length=16)),
                ('hardware_id', models.CharField(max_length=128)),
                ('ownership', models.CharField(choices=[('personal', 'Personal'), ('company', 'Company')], max_length=16)),
                ('name', models.CharField(blank=True, max_length=200)),
                ('model', models.CharField(blank=True, max_length=64)),
                ('model_name', models.CharField(blank=True, max_length=120)),
                ('os_name', models.CharField(blank=True, max_length=32)),
                ('os_version', models.CharField(blank=True, max_length=32)),
                ('serial_number', models.CharField(blank=True, max_length=64)),
                ('lost_since', models.DateTimeField(blank=True, null=True)),
                ('pin_locked_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('state', models.CharField(blank=True, max_length=16)),
                ('seen_at', models.DateTimeField(blank=True, null=True)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='devices', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Inventory',
            fields=[
                ('device', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='inventory', serialize=False, to='devices.device')),
                ('collected_at', models.DateTimeField()),
                ('capacity_bytes', models.BigIntegerField(null=True)),
                ('available_bytes', models.BigIntegerField(null=True)),
                ('battery', models.FloatField(null=True)),
                ('has_passcode', models.BooleanField(null=True)),
                ('is_passcode_compliant', models.BooleanField(null=True)),
                ('is_encrypted', models.BooleanField(null=True)),
                ('is_find_my_on', models.BooleanField(null=True)),
                ('is_activation_locked', models.BooleanField(null=True)),
                ('profiles', models.JSONField(default=list)),
                ('certificates', models.JSONField(default=list)),
            ],
        ),
        migrations.CreateModel(
            name='Registration',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('active', 'Active'), ('retired', 'Retired'), ('wiped', 'Wiped'), ('replaced', 'Replaced')], default='pending', max_length=16)),
                ('keys_held', models.BooleanField()),
                ('confirmed_at', models.DateTimeField(null=True)),
                ('started_at', models.DateTimeField()),
                ('last_seen_at', models.DateTimeField(null=True)),
                ('old_digest_since', models.DateTimeField(null=True)),
                ('unreachable_since', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('ended_because', models.CharField(blank=True, choices=[('acknowledged', 'Acknowledged'), ('checked out', 'Checked out'), ('unreachable', 'Unreachable'), ('silent', 'Silent')], max_length=16)),
                ('heard_after_wipe_at', models.DateTimeField(null=True)),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='registrations', to='devices.device')),
            ],
        ),
        migrations.AddField(
            model_name='device',
            name='registration',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='devices.registration'),
        ),
        migrations.CreateModel(
            name='Channel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('device', 'Device'), ('user', 'User')], max_length=8)),
                ('user_id', models.CharField(blank=True, max_length=128)),
                ('user_name', models.CharField(blank=True, max_length=128)),
                ('push_token', models.BinaryField()),
                ('pushed_at', models.DateTimeField(null=True)),
                ('registration', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='channels', to='devices.registration')),
            ],
        ),
        migrations.CreateModel(
            name='DeviceWord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('word', models.CharField(max_length=64)),
                ('of', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='words', to='devices.device')),
            ],
            options={
                'indexes': [models.Index(fields=['word', 'of'], name='devices_by_word', opclasses=['varchar_pattern_ops', 'uuid_ops'])],
                'constraints': [models.UniqueConstraint(fields=('of', 'word'), name='a_devices_word_once')],
            },
        ),
        migrations.AddIndex(
            model_name='registration',
            index=models.Index(condition=models.Q(('unreachable_since__isnull', False)), fields=['device'], name='unreachable_registrations'),
        ),
        migrations.AddIndex(
            model_name='registration',
            index=models.Index(condition=models.Q(('old_digest_since__isnull', False)), fields=['device'], name='registrations_of_old_digest'),
        ),
        migrations.AddConstraint(
            model_name='registration',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['pending', 'active'])), fields=('device',), name='one_life_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='registration',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['pending', 'active', 'retired', 'wiped', 'replaced'])), name='known_registration_state'),
        ),
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
            index=models.Index(condition=models.Q(('registration__isnull', False)), fields=['os_name', 'state', 'registration'], name='devices_by_system'),
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
            model_name='device',
            index=models.Index(fields=['serial_number'], name='devices_by_serial', opclasses=['varchar_pattern_ops']),
        ),
        migrations.AddConstraint(
            model_name='device',
            constraint=models.UniqueConstraint(fields=('owner', 'platform', 'hardware_id'), name='one_device_per_owner'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.UniqueConstraint(fields=('registration', 'user_id'), name='one_channel_per_user'),
        ),
    ]
