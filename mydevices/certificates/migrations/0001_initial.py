import django.db.models.deletion
import django.db.models.functions.text
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('devices', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Authority',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('certificate', models.BinaryField()),
                ('key', models.BinaryField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='one_authority')],
            },
        ),
        migrations.CreateModel(
            name='CertificateType',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('label', models.CharField(max_length=120)),
                ('purpose', models.CharField(choices=[('signing', 'Signing'), ('encryption', 'Encryption'), ('both', 'Signing and encryption')], max_length=12)),
                ('delete_key_after', models.PositiveSmallIntegerField(null=True)),
                ('all_apps', models.BooleanField(default=False)),
                ('key_download', models.BooleanField(default=False)),
            ],
            options={
                'constraints': [models.UniqueConstraint(django.db.models.functions.text.Lower('label'), name='one_certificate_type_per_label'), models.CheckConstraint(condition=models.Q(('purpose__in', ['signing', 'encryption', 'both'])), name='known_purpose'), models.CheckConstraint(condition=models.Q(('delete_key_after__isnull', True), models.Q(('delete_key_after__gte', 1), ('delete_key_after__lte', 30)), _connector='OR'), name='keys_deleted_within_30_days')],
            },
        ),
        migrations.CreateModel(
            name='Challenge',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('purpose', models.CharField(choices=[('registration', 'Registration'), ('renewal', 'Renewal')], max_length=16)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField()),
                ('spent_by', models.CharField(blank=True, max_length=64)),
                ('registration', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='challenges', to='devices.registration')),
            ],
        ),
        migrations.CreateModel(
            name='DeviceCertificate',
            fields=[
                ('fingerprint', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('state', models.CharField(choices=[('issued', 'Issued'), ('current', 'Current'), ('superseded', 'Superseded')], default='issued', max_length=16)),
                ('der', models.BinaryField()),
                ('not_after', models.DateTimeField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('asked_weakly', models.BooleanField(default=False)),
                ('challenge', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='certificate', to='certificates.challenge')),
                ('registration', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='certificates', to='devices.registration')),
            ],
        ),
        migrations.CreateModel(
            name='Certificate',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('der', models.BinaryField()),
                ('chain', models.JSONField(default=list)),
                ('issuer', models.CharField(blank=True, max_length=128)),
                ('subject', models.CharField(blank=True, max_length=128)),
                ('serial', models.CharField(max_length=64)),
                ('not_before', models.DateTimeField()),
                ('not_after', models.DateTimeField()),
                ('fingerprint', models.CharField(max_length=64)),
                ('addresses', models.JSONField(default=list)),
                ('key_algorithm', models.CharField(blank=True, max_length=32)),
                ('cautions', models.JSONField(default=list)),
                ('note', models.CharField(blank=True, max_length=300)),
                ('uploaded_at', models.DateTimeField()),
                ('replaced_at', models.DateTimeField(null=True)),
                ('key', models.BinaryField(null=True)),
                ('key_cleared_at', models.DateTimeField(null=True)),
                ('key_cleared_why', models.CharField(blank=True, choices=[('person', 'Cleared by its owner'), ('age', 'Deleted after its time')], max_length=12)),
                ('key_end_announced_at', models.DateTimeField(null=True)),
                ('expiry_announced', models.PositiveSmallIntegerField(null=True)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='certificates', to=settings.AUTH_USER_MODEL)),
                ('type', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='certificates', to='certificates.certificatetype')),
            ],
            options={
                'indexes': [models.Index(fields=['uploaded_at', 'id'], name='certificates_by_upload'), models.Index(fields=['not_after', 'id'], name='certificates_by_expiry')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('replaced_at__isnull', True)), fields=('person', 'type'), name='one_present_certificate_of_a_type'), models.UniqueConstraint(fields=('person', 'type', 'fingerprint'), name='a_certificate_once_of_a_type'), models.CheckConstraint(condition=models.Q(models.Q(('key__isnull', False), ('key_cleared_at__isnull', True), ('key_cleared_why', '')), models.Q(('key__isnull', True), ('key_cleared_at__isnull', False), models.Q(('key_cleared_why', ''), _negated=True)), _connector='OR'), name='a_key_or_why_there_is_none')],
            },
        ),
        migrations.AddConstraint(
            model_name='challenge',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('purpose', 'registration'), ('registration__isnull', True)), models.Q(('purpose', 'renewal'), ('registration__isnull', False)), _connector='OR'), name='challenge_fits_its_purpose'),
        ),
        migrations.AddIndex(
            model_name='devicecertificate',
            index=models.Index(fields=['state', 'not_after'], name='certificates_by_end'),
        ),
        migrations.AddIndex(
            model_name='devicecertificate',
            index=models.Index(condition=models.Q(('asked_weakly', True)), fields=['registration'], name='certificates_asked_weakly'),
        ),
    ]
