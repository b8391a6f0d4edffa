import django.db.models.deletion
import django.db.models.functions.text
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        ('certificates', '0001_initial'),
        ('devices', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Configuration',
            fields=[
                ('assigned_to', models.CharField(choices=[('everyone', 'Everyone'), ('groups', 'Chosen groups'), ('nobody', 'Nobody')], default='everyone', max_length=16)),
                ('platform_filter', models.CharField(blank=True, max_length=200)),
                ('ownership_filter', models.CharField(blank=True, max_length=64)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=32)),
                ('name', models.CharField(max_length=120)),
                ('description', models.CharField(blank=True, max_length=500)),
                ('values', models.JSONField(default=dict)),
                ('icon', models.BinaryField(null=True)),
                ('enabled', models.BooleanField(default=True)),
                ('revision', models.PositiveIntegerField(default=1)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('changed_at', models.DateTimeField(auto_now=True)),
                ('groups', models.ManyToManyField(blank=True, related_name='+', to='accounts.group')),
            ],
        ),
        migrations.CreateModel(
            name='SharedIdentity',
            fields=[
                ('configuration', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='shared_identity', serialize=False, to='configurations.configuration')),
                ('der', models.BinaryField()),
                ('chain', models.JSONField(default=list)),
                ('key', models.BinaryField()),
                ('issuer', models.CharField(blank=True, max_length=128)),
                ('subject', models.CharField(blank=True, max_length=128)),
                ('serial', models.CharField(max_length=64)),
                ('not_before', models.DateTimeField()),
                ('not_after', models.DateTimeField()),
                ('fingerprint', models.CharField(max_length=64)),
                ('addresses', models.JSONField(default=list)),
                ('key_algorithm', models.CharField(blank=True, max_length=32)),
                ('cautions', models.JSONField(default=list)),
                ('uploaded_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Installation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('identifier', models.CharField(max_length=120)),
                ('name', models.CharField(max_length=120)),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('installed', 'Installed'), ('failed', 'Failed'), ('removing', 'Being removed'), ('removed', 'Removed')], default='pending', max_length=12)),
                ('reason', models.TextField(blank=True)),
                ('digest', models.CharField(max_length=64)),
                ('carried', models.JSONField(default=dict)),
                ('sent_digest', models.CharField(blank=True, max_length=64)),
                ('profile_uuid', models.CharField(blank=True, max_length=36)),
                ('changed_at', models.DateTimeField()),
                ('channel', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='installations', to='devices.channel')),
                ('configuration', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='installations', to='configurations.configuration')),
            ],
        ),
        migrations.CreateModel(
            name='Withdrawal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('fingerprint', models.CharField(max_length=64)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('type', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='certificates.certificatetype')),
            ],
        ),
        migrations.AddConstraint(
            model_name='configuration',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('name'), name='one_configuration_per_name'),
        ),
        migrations.AddConstraint(
            model_name='installation',
            constraint=models.UniqueConstraint(fields=('channel', 'identifier'), name='one_installation_per_channel'),
        ),
        migrations.AddConstraint(
            model_name='installation',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['pending', 'installed', 'failed', 'removing', 'removed'])), name='known_installation_state'),
        ),
        migrations.AddConstraint(
            model_name='withdrawal',
            constraint=models.UniqueConstraint(fields=('person', 'type', 'fingerprint'), name='a_certificate_withdrawn_once'),
        ),
    ]
