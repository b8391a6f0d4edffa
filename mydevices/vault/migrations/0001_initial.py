from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='KnownKey',
            fields=[
                ('name', models.CharField(max_length=16, primary_key=True, serialize=False)),
                ('identifier', models.CharField(max_length=64)),
            ],
        ),
    ]
