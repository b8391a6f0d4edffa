import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Person',
            fields=[
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('email', models.EmailField(max_length=254)),
                ('email_key', models.CharField(editable=False, max_length=254)),
                ('name', models.CharField(max_length=120)),
                ('role', models.CharField(choices=[('person', 'Person with devices'), ('helpdesk', 'Helpdesk'), ('auditor', 'Auditor'), ('administrator', 'Administrator')], default='person', max_length=20)),
                ('role_since', models.DateTimeField(default=django.utils.timezone.now)),
                ('role_given_by', models.CharField(blank=True, max_length=64)),
                ('is_active', models.BooleanField(default=True)),
                ('joined_at', models.DateTimeField(auto_now_add=True)),
                ('language', models.CharField(blank=True, max_length=12)),
                ('time_zone', models.CharField(blank=True, max_length=64)),
                ('theme', models.CharField(blank=True, choices=[('', 'As the device is set'), ('light', 'Light'), ('dark', 'Dark')], default='', max_length=8)),
                ('unwanted_notices', models.JSONField(blank=True, default=list)),
                ('password_changed_at', models.DateTimeField(blank=True, null=True)),
                ('expiry_announced_for', models.DateTimeField(blank=True, null=True)),
                ('signed_in_at', models.DateTimeField(blank=True, null=True)),
                ('factor_due_at', models.DateTimeField(blank=True, null=True)),
                ('factor_due_by_notice', models.BooleanField(default=False)),
                ('provider', models.CharField(blank=True, max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=32)),
                ('what', models.CharField(max_length=200)),
                ('subject', models.CharField(max_length=200)),
                ('arguments', models.JSONField(default=dict)),
                ('enclosure', models.BinaryField(null=True)),
                ('asker_id', models.CharField(max_length=64)),
                ('asker_name', models.CharField(max_length=200)),
                ('address', models.CharField(blank=True, max_length=64)),
                ('asked_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('done', 'Carried out'), ('stopped', 'Stopped'), ('failed', 'Failed')], default='waiting', max_length=8)),
                ('decided_at', models.DateTimeField(null=True)),
                ('decided_by', models.CharField(blank=True, max_length=200)),
                ('reason', models.CharField(blank=True, max_length=500)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'waiting')), fields=['ends_at'], name='approvals_that_wait'), models.Index(fields=['decided_at'], name='approvals_by_decision')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'waiting')), fields=('what',), name='one_change_of_a_thing_waits'), models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'done', 'stopped', 'failed'])), name='known_state_of_approval')],
            },
        ),
        migrations.CreateModel(
            name='ApprovalRules',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('from_devices', models.PositiveIntegerField(default=10, validators=[django.core.validators.MaxValueValidator(1000000)], verbose_name='Registered devices')),
                ('batch_devices', models.PositiveIntegerField(default=10, validators=[django.core.validators.MaxValueValidator(1000000)], verbose_name='Locked or retired at once')),
                ('configuration_devices', models.PositiveIntegerField(default=10, validators=[django.core.validators.MaxValueValidator(1000000)], verbose_name='Reached by a configuration')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='one_set_of_approval_rules')],
            },
        ),
        migrations.CreateModel(
            name='Attempts',
            fields=[
                ('key', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField(default=0)),
                ('ends_at', models.DateTimeField()),
            ],
            options={
                'indexes': [models.Index(fields=['ends_at'], name='attempts_by_end')],
            },
        ),
        migrations.CreateModel(
            name='Group',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=120)),
                ('description', models.CharField(blank=True, max_length=300)),
                ('second_factor_since', models.DateTimeField(blank=True, null=True)),
                ('open_to_helpdesk', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(django.db.models.functions.text.Lower('name'), name='one_group_per_name', violation_error_message='There is a group of this name.')],
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(blank=True, max_length=64)),
                ('since', models.DateTimeField(auto_now_add=True)),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='accounts.group')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.AddField(
            model_name='person',
            name='groups',
            field=models.ManyToManyField(related_name='people', through='accounts.Membership', to='accounts.group'),
        ),
        migrations.CreateModel(
            name='PersonWord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('word', models.CharField(max_length=64)),
                ('of', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='words', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Provider',
            fields=[
                ('id', models.SlugField(max_length=40, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80)),
                ('issuer', models.URLField(max_length=300)),
                ('client_id', models.CharField(max_length=300)),
                ('client_secret', models.BinaryField(null=True)),
                ('groups_claim', models.CharField(blank=True, max_length=80)),
                ('group_names', models.JSONField(blank=True, default=dict)),
                ('makes_people', models.BooleanField(default=True)),
                ('vouches_for_addresses', models.BooleanField(default=False)),
                ('domains', models.JSONField(blank=True, default=list)),
                ('is_required', models.BooleanField(default=False)),
                ('is_enabled', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(django.db.models.functions.text.Lower('name'), name='one_provider_per_name', violation_error_message='There is a provider of this name.')],
            },
        ),
        migrations.CreateModel(
            name='ProviderLink',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(max_length=64)),
                ('issuer', models.CharField(max_length=300)),
                ('subject', models.CharField(max_length=255)),
                ('manages', models.BooleanField(default=True)),
                ('linked_at', models.DateTimeField(auto_now_add=True)),
                ('used_at', models.DateTimeField(blank=True, null=True)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='provider_links', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='ReachedDevice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('actor_id', models.CharField(max_length=64)),
                ('device_id', models.UUIDField()),
                ('at', models.DateTimeField(db_index=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('actor_id', 'device_id'), name='a_device_reached_once')],
            },
        ),
        migrations.CreateModel(
            name='SetAsideFactor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('type', models.CharField(max_length=20)),
                ('data', models.JSONField()),
                ('created_at', models.DateTimeField()),
                ('last_used_at', models.DateTimeField(null=True)),
                ('set_aside_at', models.DateTimeField()),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='set_aside_factors', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='SignInRules',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('minimum_length', models.PositiveSmallIntegerField(default=15, validators=[django.core.validators.MinValueValidator(8), django.core.validators.MaxValueValidator(64)], verbose_name='Shortest password')),
                ('classes', models.PositiveSmallIntegerField(default=0, validators=[django.core.validators.MaxValueValidator(4)], verbose_name='Kinds of characters')),
                ('history', models.PositiveSmallIntegerField(default=0, validators=[django.core.validators.MaxValueValidator(10)], verbose_name='Earlier passwords')),
                ('expires_after_days', models.PositiveSmallIntegerField(default=0, verbose_name='Passwords expire')),
                ('idle_minutes', models.PositiveIntegerField(default=480, validators=[django.core.validators.MaxValueValidator(20160)], verbose_name='Sign out after')),
                ('limited_sign_in', models.BooleanField(default=True, verbose_name='Lost second factors')),
                ('console_factor', models.BooleanField(default=True, verbose_name='A second factor for every role in the console')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='one_set_of_sign_in_rules'), models.CheckConstraint(condition=models.Q(('minimum_length__gte', 8), ('minimum_length__lte', 64)), name='passwords_of_a_sane_length')],
            },
        ),
        migrations.CreateModel(
            name='EmailChange',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('old_email', models.EmailField(max_length=254)),
                ('old_key', models.CharField(editable=False, max_length=254)),
                ('new_email', models.EmailField(max_length=254)),
                ('confirm_digest', models.CharField(max_length=64, unique=True)),
                ('undo_digest', models.CharField(max_length=64, unique=True)),
                ('asked_at', models.DateTimeField()),
                ('confirm_until', models.DateTimeField()),
                ('undo_until', models.DateTimeField()),
                ('confirmed_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('password', models.CharField(blank=True, max_length=128)),
                ('demands_factor', models.BooleanField(default=False)),
                ('undone_at', models.DateTimeField(blank=True, null=True)),
                ('settled_at', models.DateTimeField(blank=True, null=True)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='email_changes', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['person', '-asked_at'], name='email_changes_of_a_person')],
            },
        ),
        migrations.CreateModel(
            name='FactorRemoval',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('factors', models.JSONField()),
                ('asked_at', models.DateTimeField()),
                ('due_at', models.DateTimeField()),
                ('told_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='factor_removals', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['ended_at', 'due_at'], name='factor_removals_by_end')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('person',), name='one_factor_removal_at_a_time')],
            },
        ),
        migrations.CreateModel(
            name='FormerPassword',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128)),
                ('ended_at', models.DateTimeField()),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='former_passwords', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['person', '-id'], name='newest_former_passwords')],
            },
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.UniqueConstraint(fields=('group', 'person'), name='once_in_a_group'),
        ),
        migrations.AddIndex(
            model_name='person',
            index=models.Index(django.db.models.functions.text.Lower('name'), models.F('id'), models.F('name'), name='people_by_name'),
        ),
        migrations.AddIndex(
            model_name='person',
            index=models.Index(fields=['signed_in_at', 'id'], name='people_by_sign_in'),
        ),
        migrations.AddConstraint(
            model_name='person',
            constraint=models.UniqueConstraint(fields=('email_key',), name='one_person_per_address', violation_error_message='This address is taken.'),
        ),
        migrations.AddConstraint(
            model_name='person',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['person', 'helpdesk', 'auditor', 'administrator'])), name='known_role'),
        ),
        migrations.AddIndex(
            model_name='personword',
            index=models.Index(fields=['word', 'of'], name='people_by_word', opclasses=['varchar_pattern_ops', 'uuid_ops']),
        ),
        migrations.AddConstraint(
            model_name='personword',
            constraint=models.UniqueConstraint(fields=('of', 'word'), name='a_persons_word_once'),
        ),
        migrations.AddIndex(
            model_name='providerlink',
            index=models.Index(fields=['provider', 'issuer'], name='links_of_a_provider'),
        ),
        migrations.AddConstraint(
            model_name='providerlink',
            constraint=models.UniqueConstraint(fields=('issuer', 'subject'), name='one_person_per_account_of_an_issuer'),
        ),
    ]
