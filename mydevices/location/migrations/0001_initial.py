import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        ('devices', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Choice',
            fields=[
                ('person', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='location_choice', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('shares', models.BooleanField()),
                ('changed_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Reporter',
            fields=[
                ('device', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='location_reporter', serialize=False, to='devices.device')),
                ('token_hash', models.CharField(max_length=64, unique=True)),
                ('created_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(null=True)),
                ('paused_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Position',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('source', models.CharField(choices=[('lost_mode', 'Lost Mode'), ('browser', 'A browser on it'), ('owntracks', 'OwnTracks')], max_length=16)),
                ('measured_at', models.DateTimeField()),
                ('received_at', models.DateTimeField()),
                ('place', models.BinaryField()),
                ('device', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='positions', to='devices.device')),
            ],
        ),
        migrations.CreateModel(
            name='Look',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('position', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='looks', to='location.position')),
            ],
        ),
        migrations.AddIndex(
            model_name='position',
            index=models.Index(fields=['device', '-measured_at'], name='positions_of_a_device'),
        ),
        migrations.AddConstraint(
            model_name='look',
            constraint=models.UniqueConstraint(fields=('position', 'person'), name='one_look_of_a_person'),
        ),
    ]
