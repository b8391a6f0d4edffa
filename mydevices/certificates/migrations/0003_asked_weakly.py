"""Which certificates were asked for with old algorithms, so that an operator can tell when nobody needs them."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('certificates', '0002_certificates_of_people'),
        ('devices', '0008_old_digests'),
    ]

    operations = [
        migrations.AddField(
            model_name='devicecertificate',
            name='asked_weakly',
            field=models.BooleanField(default=False),
        ),
        migrations.AddIndex(
            model_name='devicecertificate',
            index=models.Index(condition=models.Q(('asked_weakly', True)), fields=['registration'], name='certificates_asked_weakly'),
        ),
    ]
