from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Organisation',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(default='MyDevices', max_length=120)),
                ('helpdesk_name', models.CharField(blank=True, max_length=120)),
                ('helpdesk_phone', models.CharField(blank=True, max_length=40)),
                ('helpdesk_email', models.EmailField(blank=True, max_length=254)),
                ('language', models.CharField(blank=True, max_length=12)),
                ('accent', models.CharField(blank=True, max_length=7)),
                ('logo', models.BinaryField(null=True)),
                ('mail_host', models.CharField(blank=True, max_length=253)),
                ('mail_port', models.PositiveIntegerField(blank=True, null=True)),
                ('mail_encryption', models.CharField(blank=True, max_length=8)),
                ('mail_user', models.CharField(blank=True, max_length=254)),
                ('mail_password', models.BinaryField(blank=True, null=True)),
                ('mail_from', models.CharField(blank=True, max_length=320)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='one_organisation')],
            },
        ),
    ]
