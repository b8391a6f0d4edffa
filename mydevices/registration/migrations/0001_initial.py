import django.core.validators
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('certificates', '0001_initial'),
        ('devices', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Confirmation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token_hash', models.CharField(max_length=64, unique=True)),
                ('address', models.CharField(blank=True, max_length=64)),
                ('expires_at', models.DateTimeField()),
                ('answered_at', models.DateTimeField(null=True)),
                ('registration', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='confirmation', to='devices.registration')),
            ],
        ),
        migrations.CreateModel(
            name='InvitationRules',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('good_for_days', models.PositiveSmallIntegerField(validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(365)], verbose_name='Days that an invitation is good')),
                ('remind_every_days', models.PositiveSmallIntegerField(validators=[django.core.validators.MaxValueValidator(365)], verbose_name='Days until a reminder')),
                ('reminders', models.PositiveSmallIntegerField(validators=[django.core.validators.MaxValueValidator(10)], verbose_name='Reminders at most')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='one_set_of_invitation_rules'), models.CheckConstraint(condition=models.Q(('good_for_days__gte', 1), ('good_for_days__lte', 365)), name='invitations_of_a_sane_length')],
            },
        ),
        migrations.CreateModel(
            name='RegistrationPin',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('digest', models.BinaryField()),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('tries', models.PositiveSmallIntegerField(default=0)),
                ('spent_at', models.DateTimeField(null=True)),
                ('revoked_at', models.DateTimeField(null=True)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='registration_pins', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='TermsText',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('policy_id', models.UUIDField()),
                ('policy_name', models.CharField(max_length=120)),
                ('version', models.PositiveIntegerField()),
                ('text', models.TextField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('policy_id', 'version'), name='one_text_per_version')],
            },
        ),
        migrations.CreateModel(
            name='Acceptance',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('address', models.CharField(blank=True, max_length=64)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='acceptances', to=settings.AUTH_USER_MODEL)),
                ('terms', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='acceptances', to='registration.termstext')),
            ],
        ),
        migrations.CreateModel(
            name='Ticket',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('platform', models.CharField(max_length=16)),
                ('intended', models.CharField(max_length=32)),
                ('ownership', models.CharField(choices=[('personal', 'Personal'), ('company', 'Company')], max_length=16)),
                ('code_hash', models.CharField(max_length=64, unique=True)),
                ('code', models.BinaryField()),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('opened_at', models.DateTimeField(null=True)),
                ('revoked_at', models.DateTimeField(null=True)),
                ('refused_at', models.DateTimeField(null=True)),
                ('refusal', models.JSONField(default=dict)),
                ('used_at', models.DateTimeField(null=True)),
                ('promise', models.JSONField(default=dict)),
                ('has_factor', models.BooleanField(default=False)),
                ('challenge', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='ticket', to='certificates.challenge')),
                ('device', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='tickets', to='devices.device')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tickets', to=settings.AUTH_USER_MODEL)),
                ('pin', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='tickets', to='registration.registrationpin')),
            ],
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('token_hash', models.CharField(max_length=64, unique=True)),
                ('token', models.BinaryField(null=True)),
                ('role', models.CharField(default='person', max_length=20)),
                ('created_at', models.DateTimeField()),
                ('created_by', models.CharField(blank=True, max_length=120)),
                ('expires_at', models.DateTimeField()),
                ('mail_id', models.CharField(blank=True, max_length=36)),
                ('sent_at', models.DateTimeField(null=True)),
                ('mail_problem', models.CharField(blank=True, max_length=300)),
                ('reminders', models.PositiveSmallIntegerField(default=0)),
                ('opened_at', models.DateTimeField(null=True)),
                ('accepted_at', models.DateTimeField(null=True)),
                ('revoked_at', models.DateTimeField(null=True)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='invitations', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['-created_at', 'id'], name='invitations_by_age'), models.Index(condition=models.Q(('accepted_at', None), ('revoked_at', None)), fields=['expires_at'], name='invitations_that_may_end'), models.Index(fields=['mail_id'], name='invitations_by_mail')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('accepted_at', None), ('revoked_at', None)), fields=('person',), name='one_invitation_at_a_time')],
            },
        ),
        migrations.AddConstraint(
            model_name='registrationpin',
            constraint=models.UniqueConstraint(condition=models.Q(('revoked_at', None), ('spent_at', None)), fields=('person',), name='one_registration_pin_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='acceptance',
            constraint=models.UniqueConstraint(fields=('person', 'terms'), name='terms_accepted_once'),
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(fields=['person', 'expires_at'], name='tickets_of_a_person'),
        ),
    ]
