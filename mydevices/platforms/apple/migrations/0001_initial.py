import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('devices', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='AppleChannel',
            fields=[
                ('channel', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='apple', serialize=False, to='devices.channel')),
                ('push_magic', models.CharField(max_length=200)),
                ('unlock_token', models.BinaryField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='AppleRegistration',
            fields=[
                ('registration', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='apple', serialize=False, to='devices.registration')),
                ('topic', models.CharField(max_length=255)),
                ('server_url', models.URLField(max_length=500)),
                ('checkin_url', models.URLField(max_length=500)),
                ('scep_url', models.URLField(max_length=500)),
                ('access_rights', models.PositiveIntegerField()),
                ('profile_identifier', models.CharField(max_length=255)),
                ('is_supervised', models.BooleanField(null=True)),
                ('is_user_enrollment', models.BooleanField(default=False)),
                ('bootstrap_token', models.BinaryField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='PushCertificate',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('key', models.BinaryField()),
                ('certificate', models.BinaryField(null=True)),
                ('topic', models.CharField(blank=True, max_length=255)),
                ('not_after', models.DateTimeField(null=True)),
                ('requested_at', models.DateTimeField(auto_now_add=True)),
                ('installed_at', models.DateTimeField(null=True)),
            ],
        ),
    ]
