"""The first tables."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="OutboxShard",
            fields=[
                ("number", models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ("token", models.CharField(blank=True, default="", max_length=64)),
                ("until", models.FloatField(default=0.0)),
            ],
        ),
        migrations.CreateModel(
            name="PeriodicTask",
            fields=[
                ("name", models.CharField(max_length=255, primary_key=True, serialize=False, verbose_name="name")),
                ("task", models.CharField(db_index=True, default="", max_length=255, verbose_name="task")),
                ("document", models.TextField(verbose_name="what and when")),
                ("status", models.CharField(max_length=16, verbose_name="status")),
                ("revision", models.BigIntegerField(db_index=True)),
                ("after", models.FloatField()),
                ("last_fired", models.FloatField(blank=True, null=True)),
                ("last_id", models.CharField(blank=True, max_length=255, null=True)),
                ("total_runs", models.BigIntegerField(default=0, verbose_name="runs")),
            ],
            options={
                "verbose_name": "periodic task",
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="ScheduleState",
            fields=[
                ("only_row", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("version", models.PositiveIntegerField(default=1)),
                ("namespace", models.CharField(max_length=32)),
                ("revision", models.BigIntegerField(default=0)),
                ("token", models.CharField(blank=True, default="", max_length=64)),
                ("until", models.FloatField(default=0.0)),
            ],
        ),
        migrations.CreateModel(
            name="StoredValue",
            fields=[
                ("key", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("value", models.BinaryField()),
                ("changed", models.FloatField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="TaskResult",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("task_id", models.CharField(max_length=255, unique=True, verbose_name="task id")),
                ("periodic_task_name", models.CharField(blank=True, max_length=255, null=True, verbose_name="periodic task")),
                ("task_name", models.CharField(blank=True, db_index=True, max_length=255, null=True, verbose_name="task")),
                ("task_args", models.TextField(blank=True, null=True, verbose_name="arguments")),
                ("task_kwargs", models.TextField(blank=True, null=True, verbose_name="named arguments")),
                ("status", models.CharField(db_index=True, default="PENDING", max_length=50, verbose_name="state")),
                ("worker", models.CharField(blank=True, db_index=True, max_length=255, null=True, verbose_name="worker")),
                ("content_type", models.CharField(max_length=128, verbose_name="content type")),
                ("content_encoding", models.CharField(max_length=64, verbose_name="content encoding")),
                ("result", models.TextField(blank=True, null=True, verbose_name="result")),
                ("date_created", models.DateTimeField(auto_now_add=True, db_index=True, verbose_name="first stored")),
                ("date_started", models.DateTimeField(blank=True, null=True, verbose_name="began")),
                ("date_done", models.DateTimeField(db_index=True, verbose_name="stored")),
                ("traceback", models.TextField(blank=True, null=True, verbose_name="traceback")),
                ("meta", models.TextField(blank=True, null=True, verbose_name="more")),
            ],
            options={
                "verbose_name": "task result",
                "ordering": ["-date_done"],
            },
        ),
        migrations.CreateModel(
            name="OutboxMessage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("shard", models.PositiveSmallIntegerField()),
                ("task_id", models.CharField(max_length=255)),
                ("task", models.CharField(max_length=255)),
                ("envelope", models.TextField()),
                ("body", models.BinaryField()),
                ("created", models.FloatField(db_index=True)),
                ("refused", models.TextField(blank=True, default="")),
            ],
            options={
                "verbose_name": "message in the outbox",
                "verbose_name_plural": "messages in the outbox",
                "ordering": ["id"],
                "indexes": [models.Index(fields=["shard", "id"], name="umbel_outbox_order")],
            },
        ),
        migrations.CreateModel(
            name="PeriodicRun",
            fields=[
                ("task_id", models.CharField(max_length=255, primary_key=True, serialize=False, verbose_name="task id")),
                ("entry", models.CharField(max_length=255, verbose_name="periodic task")),
                ("slot", models.FloatField(verbose_name="due")),
                ("fired", models.FloatField(db_index=True, verbose_name="sent")),
                ("state", models.CharField(max_length=64, verbose_name="state")),
                ("by_hand", models.BooleanField(default=False, verbose_name="by hand")),
                ("missed", models.IntegerField(default=0, verbose_name="missed before")),
                ("worker", models.CharField(blank=True, default="", max_length=255, verbose_name="worker")),
                ("runtime", models.FloatField(blank=True, null=True, verbose_name="seconds")),
                ("ended", models.FloatField(blank=True, null=True, verbose_name="ended")),
                ("detail", models.TextField(blank=True, default="", verbose_name="detail")),
                ("holder", models.CharField(blank=True, default="", max_length=64)),
                ("state_rank", models.SmallIntegerField(default=0)),
            ],
            options={
                "verbose_name": "run of a periodic task",
                "verbose_name_plural": "runs of periodic tasks",
                "ordering": ["-fired", "-slot", "-task_id"],
                "indexes": [
                    models.Index(fields=["entry", "fired"], name="umbel_run_entry"),
                    models.Index(fields=["state_rank", "fired"], name="umbel_run_open"),
                ],
            },
        ),
    ]
